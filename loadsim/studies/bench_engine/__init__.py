"""What the generator itself costs on one machine: procedure, report."""

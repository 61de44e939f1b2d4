"""What verifying one delivery costs in process: procedure, verifiers, result, report."""

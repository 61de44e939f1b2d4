"""The cost of verifying one delivery in process: procedure, verifiers, result, report."""

"""What a verified event costs a receiver: procedure, receivers, result, report."""

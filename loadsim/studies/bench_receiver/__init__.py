"""The cost of a verified event in a receiver: procedure, receivers, result, report."""

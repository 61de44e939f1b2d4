"""The highest rate that an endpoint holds: procedure, search, judgement of a step, result, report."""

"""The highest rate that an endpoint sustains: procedure, search, judgement of a step, result, report."""

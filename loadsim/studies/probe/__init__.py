"""Probes how an endpoint verifies unusual bodies and times: procedure, judgement, result, report."""

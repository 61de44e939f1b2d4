"""What an endpoint does with unusual bodies and times: procedure, judgement, report."""

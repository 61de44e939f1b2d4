"""Two targets compared by interleaved pairs of runs: procedure, judgement, result, report."""

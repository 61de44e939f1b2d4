"""How many samples a percentile needs."""

from __future__ import annotations

from loadsim.measure.hdr import PERCENTILES
from loadsim.measure.sample_sizes import least_count


def test_least_counts_are_those_of_a_finite_two_sided_bound() -> None:
    needed = {name: least_count(q) for name, q in PERCENTILES.items()}
    assert needed == {"p50": 6, "p75": 13, "p90": 36, "p95": 72, "p99": 368, "p99_9": 3_688, "p99_99": 36_887}
    assert least_count(0) == least_count(1) == 1

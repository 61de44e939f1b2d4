"""A small part of the proof that a pause of the generator fails no endpoint, see `tests.benchmarks.validity`."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.benchmarks.validity import verdicts

RUNS = 120


@pytest.mark.slow
def test_pauses_fail_no_endpoint_and_hide_few_that_fail() -> None:
    seen: Counter[tuple[bool, bool, str]] = Counter()
    for verdict in verdicts(RUNS, seed=11):
        seen[verdict.healthy, verdict.paused, verdict.outcome] += 1
    assert {key[2] for key in seen if not key[1] and key[0]} == {"pass"}, "never wrong without a pause"
    assert {key[2] for key in seen if not key[1] and not key[0]} == {"fail"}
    assert seen[True, True, "fail"] <= 1
    assert seen[True, True, "pass"] > 50
    failing = sum(n for (healthy, paused, _), n in seen.items() if paused and not healthy)
    assert seen[False, True, "pass"] == 0
    assert seen[False, True, "fail"] > 0.75 * failing > 0

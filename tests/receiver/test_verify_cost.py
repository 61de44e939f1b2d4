"""What checks cost is counted in the layout of every other histogram, of every sixteenth of them, for all workers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.hdr import MICROSECONDS, NANOSECONDS, HdrConfig
from loadsim.measure.histogram_codec import decode
from loadsim.receiver.counters import SharedCounters
from loadsim.receiver.verify_cost import TIMED_EVERY
from loadsim.signing import Rejection


@given(value=st.integers(-5, 2**40) | st.integers(0, 5_000), config=st.sampled_from([NANOSECONDS, MICROSECONDS]))
def test_the_bucket_of_one_value_is_that_of_many(value: int, config: HdrConfig) -> None:
    assert config.index_of(value) == int(config.index(np.array([value]))[0])


def test_the_costs_of_all_workers_are_added_up() -> None:
    counters = SharedCounters.create(2)
    assert counters.verify_cost() is None
    for ns in [1_000, 2_000, 3_000] * 10:
        counters.cost(0).took(ns)
    for _ in range(10):
        counters.cost(1).took(50_000)
    found = counters.verify_cost()
    assert found is not None
    assert (found.samples, found.mean_us, found.max_us) == (40, 14.0, 50.0)
    assert found.p50_us == pytest.approx(2.0, rel=0.001)
    assert found.p99_us is None, "forty are too few"
    config, counts = decode(found.histogram)
    assert (config, int(counts.sum())) == (NANOSECONDS, 40)
    assert counters.counts().received == 0, "the counters are apart"
    counters.row(1).answered(200)
    assert counters.verify_cost() == found


def test_one_check_in_sixteen_is_timed_and_all_are_made() -> None:
    counters = SharedCounters.create(1)
    seen: list[bytes] = []

    def verify(_: Mapping[str, str], body: bytes, __: float) -> Rejection | None:
        seen.append(body)
        return Rejection.stale if body == b"7" else None

    turns = counters.cost(0).turns(verify)
    said = [next(turns)({}, b"%d" % number, 0.0) for number in range(3 * TIMED_EVERY + 1)]
    assert seen == [b"%d" % number for number in range(3 * TIMED_EVERY + 1)]
    assert [number for number, rejection in enumerate(said) if rejection] == [7]
    found = counters.verify_cost()
    assert found is not None
    assert found.samples == 4

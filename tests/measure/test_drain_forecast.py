"""How long a backlog will take: against simulated queues whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.drain_forecast import LEAST_DONE, forecast
from loadsim.measure.hdr import Ints
from loadsim.model import NS_PER_S

WAIT_NS = 60 * NS_PER_S
RATE = 60.0


def service_times(kind: str, generator: np.random.Generator, n: int) -> Ints:
    """Service times of a busy single server, ns."""
    mean = NS_PER_S / RATE
    times = np.full(n, mean) if kind == "M/D/1" else generator.exponential(mean, n)
    return np.rint(times).astype(np.int64)


@pytest.mark.parametrize("kind", ["M/D/1", "M/M/1"])
def test_a_forecast_is_near_and_its_interval_holds_the_truth(kind: str) -> None:
    """More than 3,000 completions in 60 s, and as many again to come: within 10 %, and inside in 90 of 100."""
    inside = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        done = np.cumsum(service_times(kind, generator, 20_000))
        seen = done[done <= WAIT_NS]
        assert len(seen) >= 3000
        left = 4000
        truth = (done[len(seen) + left - 1] - WAIT_NS) / NS_PER_S
        found = forecast(seen, left, 0, WAIT_NS)
        assert found is not None
        assert abs(found.left_s / truth - 1) < 0.1
        inside += found.low_s <= truth <= (found.high_s or np.inf)
    assert inside >= 90


def test_processors_that_stall_make_the_interval_wider() -> None:
    """Four of every ten seconds nothing is done: the times between completions depend on each other."""
    generator = np.random.default_rng(5)
    busy = np.cumsum(service_times("M/M/1", generator, 20_000))
    stalled = busy + busy // (6 * NS_PER_S) * 4 * NS_PER_S
    seen = stalled[stalled <= WAIT_NS]
    plain, found = forecast(busy[: len(seen)], 3000, 0, int(busy[len(seen) - 1])), forecast(seen, 3000, 0, WAIT_NS)
    assert plain is not None
    assert found is not None
    assert found.high_s is not None
    assert plain.high_s is not None
    assert (found.high_s - found.low_s) > 2 * (plain.high_s - plain.low_s)
    truth = (stalled[len(seen) + 2999] - WAIT_NS) / NS_PER_S
    assert found.low_s <= truth <= found.high_s


@given(st.lists(st.integers(1, 10**10), max_size=60), st.integers(-5, 10**6), st.integers(0, 10**12))
def test_a_forecast_never_says_more_than_can_be_known(gaps: list[int], left: int, waited: int) -> None:
    done = np.cumsum(np.array(gaps, dtype=np.int64))
    now = (int(done[-1]) if len(done) else 0) + waited
    found = forecast(done, left, 0, now)
    if len(gaps) < LEAST_DONE or left <= 0:
        assert found is None
        return
    assert found is not None
    assert found.rate > 0
    assert 0 <= found.low_s <= found.left_s
    assert found.high_s is None or found.left_s <= found.high_s


def test_a_queue_that_stopped_is_slower_than_one_that_goes_on() -> None:
    done = np.arange(1, 101, dtype=np.int64) * NS_PER_S
    on, stopped = forecast(done, 100, 0, 100 * NS_PER_S), forecast(done, 100, 0, 200 * NS_PER_S)
    assert on is not None
    assert stopped is not None
    assert on.left_s == 100
    assert stopped.left_s == 200

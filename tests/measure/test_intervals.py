from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from loadsim.measure.hdr import MICROSECONDS, PERCENTILES
from loadsim.measure.intervals import LEAST_SLICES, intervals
from loadsim.measure.merge import Sliced

P50 = {"p50": PERCENTILES["p50"]}


def sliced(slices: NDArray[np.int64], values_us: NDArray[np.int64]) -> Sliced:
    keys, counts = np.unique(slices << 16 | MICROSECONDS.index(values_us), return_counts=True)
    return Sliced(keys >> 16, keys & 0xFFFF, counts)


def steady(slices: int, each: int = 50) -> Sliced:
    values = np.random.default_rng(1).lognormal(7, 0.5, slices * each).astype(np.int64)
    return sliced(np.repeat(np.arange(slices), each), values)


def test_too_few_slices_give_none() -> None:
    assert intervals(steady(LEAST_SLICES - 1), MICROSECONDS, PERCENTILES, "run") is None
    assert intervals(steady(LEAST_SLICES), MICROSECONDS, PERCENTILES, "run") is not None


def test_only_percentiles_with_enough_samples_have_one() -> None:
    found = intervals(steady(40), MICROSECONDS, PERCENTILES, "run")
    assert found is not None
    assert list(found) == ["p50", "p75", "p90", "p95", "p99"]
    assert intervals(steady(20, each=1), MICROSECONDS, {"p99": PERCENTILES["p99"]}, "run") is None


def test_the_run_id_is_the_seed() -> None:
    data = steady(100)
    assert intervals(data, MICROSECONDS, PERCENTILES, "a") == intervals(data, MICROSECONDS, PERCENTILES, "a")
    assert intervals(data, MICROSECONDS, PERCENTILES, "a") != intervals(data, MICROSECONDS, PERCENTILES, "b")


def test_slices_all_alike_leave_no_doubt() -> None:
    same = sliced(np.repeat(np.arange(40), 10), np.tile(np.arange(100, 110), 40))
    assert intervals(same, MICROSECONDS, P50, "run") == {"p50": (104, 104)}


def test_a_bad_minute_is_in_doubt() -> None:
    slow = sliced(np.arange(400), np.where(np.arange(400) // 100 == 0, 9_000, 1_000))
    found = intervals(slow, MICROSECONDS, {"p75": PERCENTILES["p75"]}, "run")
    assert found == {"p75": (1_000, 9_007)}


def queue(seed: int, n: int, arrivals: float, services: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Arrival and response times (s) of an M/M/1 queue, by Lindley's recursion in closed form."""
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.exponential(1 / arrivals, n))
    took = rng.exponential(1 / services, n)
    done = np.cumsum(took)
    # done_i = max over j <= i of (at_j + took_j + ... + took_i)
    done += np.maximum.accumulate(at - (done - took))
    return at, done - at


def test_intervals_hold_on_a_loaded_server() -> None:
    arrivals, services = 100.0, 143.0
    true_us = -math.log(0.1) / (services - arrivals) * 1e6
    covered, runs = 0, 60
    for seed in range(runs):
        at, response = queue(seed, 6_000, arrivals, services)
        data = sliced((at / 0.25).astype(np.int64), (response * 1e6).astype(np.int64))
        found = intervals(data, MICROSECONDS, {"p90": PERCENTILES["p90"]}, str(seed))
        assert found is not None
        covered += found["p90"][0] <= true_us <= found["p90"][1]
    assert 0.85 <= covered / runs < 1


@pytest.mark.slow
def test_coverage_where_the_usual_formula_fails() -> None:
    """p99 of an M/M/1 queue at load 0.7, 30,000 answers, 200 replicates: the true value is known in closed form.

    The naive interval is that of order statistics, which takes answers for independent of each other.
    """
    arrivals, load, n, runs = 1_000.0, 0.7, 30_000, 200
    services = arrivals / load
    true_us = -math.log(0.01) / (services - arrivals) * 1e6
    low, high = (round(n * 0.99 + side * 1.96 * math.sqrt(n * 0.99 * 0.01)) for side in (-1, 1))
    covered = naive = 0
    for seed in range(runs):
        at, response = queue(seed, n, arrivals, services)
        us = response * 1e6
        data = sliced((at / 0.25).astype(np.int64), us.astype(np.int64))
        found = intervals(data, MICROSECONDS, {"p99": PERCENTILES["p99"]}, str(seed))
        assert found is not None
        covered += found["p99"][0] <= true_us <= found["p99"][1]
        ordered = np.partition(us, (low, high))
        naive += ordered[low] <= true_us <= ordered[high]
    assert naive / runs < 0.35
    assert 0.9 <= covered / runs <= 0.99


def test_neighbouring_slices_are_joined_in_a_long_run() -> None:
    alternating = sliced(np.arange(120), np.where(np.arange(120) % 2 == 0, 1_000, 9_000))
    assert intervals(alternating, MICROSECONDS, P50, "run") == {"p50": (1_000, 1_000)}

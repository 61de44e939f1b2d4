from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from loadsim.measure import intervals as module
from loadsim.measure.hdr import MICROSECONDS, PERCENTILES
from loadsim.measure.intervals import LEAST_BLOCKS, Interval, intervals, ratio_interval, student975
from loadsim.measure.merged_counts import Sliced
from tests.benchmarks.coverage_grid import Cell, grid
from tests.processes import PROCESSES, queue

P50 = {"p50": PERCENTILES["p50"]}
P90 = {"p90": PERCENTILES["p90"]}


def sliced(slices: NDArray[np.int64], values_us: NDArray[np.int64]) -> Sliced:
    keys, counts = np.unique(slices << 16 | MICROSECONDS.index(values_us), return_counts=True)
    return Sliced(keys >> 16, keys & 0xFFFF, counts)


def steady(slices: int, each: int = 50) -> Sliced:
    values = np.random.default_rng(1).lognormal(7, 0.5, slices * each).astype(np.int64)
    return sliced(np.repeat(np.arange(slices), each), values)


def test_too_few_slices_state_none_and_say_how_many_would_do() -> None:
    short = intervals(steady(LEAST_BLOCKS - 1), MICROSECONDS, P50)
    assert short.stated == {}
    assert short.needs["p50"] == pytest.approx(LEAST_BLOCKS)
    enough = intervals(steady(LEAST_BLOCKS), MICROSECONDS, P50)
    assert list(enough.stated) == ["p50"]
    assert enough.needs == {}


def test_each_percentile_with_enough_samples_has_an_interval_or_a_need() -> None:
    found = intervals(steady(40), MICROSECONDS, PERCENTILES)
    assert list(found.stated) == ["p50", "p75", "p90", "p95", "p99"]
    few = intervals(steady(20, each=1), MICROSECONDS, PERCENTILES)
    assert {*few.stated, *few.needs} == {"p50", "p75"}, "20 samples are too few for p90 itself"


def test_minimum_and_maximum_have_neither() -> None:
    found = intervals(steady(40), MICROSECONDS, {"min": 0.0, "max": 1.0})
    assert (found.stated, found.needs) == ({}, {})


def test_slices_all_alike_leave_little_doubt() -> None:
    same = sliced(np.repeat(np.arange(40), 10), np.tile(np.arange(100, 110), 40))
    assert intervals(same, MICROSECONDS, P50).stated == {"p50": Interval(104, 104, 105)}


def test_the_width_of_a_bucket_belongs_to_the_interval() -> None:
    one = sliced(np.repeat(np.arange(40), 10), np.full(400, 5_001))
    assert intervals(one, MICROSECONDS, P50).stated == {"p50": Interval(5_003, 5_000, 5_003)}


def test_one_bad_stretch_is_no_sample_of_bad_stretches() -> None:
    slow = sliced(np.arange(400), np.where(np.arange(400) // 100 == 0, 9_000, 1_000))
    found = intervals(slow, MICROSECONDS, {"p75": PERCENTILES["p75"]})
    assert found.stated == {}
    assert found.needs["p75"] > 2 * 400


def test_neighbours_meet_where_slices_are_nearly_empty() -> None:
    """One event in four slices, fast and slow in turns of 50 events: events are as good as few."""
    at = np.arange(0, 2_000, 4)
    values = np.where(np.arange(len(at)) // 50 % 2 == 0, 1_000, 9_000)
    assert intervals(sliced(at, values), MICROSECONDS, P50).stated == {}
    apart = np.random.default_rng(3).permutation(values)
    assert list(intervals(sliced(at, apart), MICROSECONDS, P50).stated) == ["p50"]


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 10**7)), min_size=6, max_size=400))
def test_an_interval_holds_its_percentile_and_lies_within_the_samples(events: list[tuple[int, int]]) -> None:
    slices, values = np.array(events, dtype=np.int64).T
    found = intervals(sliced(slices, values), MICROSECONDS, PERCENTILES)
    assert not found.stated.keys() & found.needs.keys()
    least, most = (int(MICROSECONDS.index(np.array([end]))[0]) for end in (values.min(), values.max()))
    for value, low, high in found.stated.values():
        assert MICROSECONDS.lowest_equivalent(np.array([least]))[0] <= low <= value <= high
        assert high <= MICROSECONDS.highest_equivalent(np.array([most]))[0]
    assert all(need > 0 and math.isfinite(need) for need in found.needs.values())


@pytest.mark.parametrize(("degrees", "exact"), [(3, 3.182), (4, 2.776), (8, 2.306), (20, 2.086), (math.inf, 1.960)])
def test_student_is_that_of_the_tables(degrees: float, exact: float) -> None:
    assert student975(degrees) == pytest.approx(exact, rel=0.01)


def test_the_ratio_takes_the_wider_half_of_both_runs() -> None:
    base, new = Interval(1_000, 900, 1_100), Interval(2_000, 1_900, 2_500)
    low, high = ratio_interval(base, new)
    half = math.hypot(math.log(1_000 / 900), math.log(2_500 / 2_000))
    assert (low, high) == pytest.approx((2 * math.exp(-half), 2 * math.exp(half)))
    back = ratio_interval(new, base)
    assert back == pytest.approx((1 / high, 1 / low))
    assert ratio_interval(Interval(0, 0, 0), Interval(0, 0, 0)) == (1.0, 1.0)


# -- the truth --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short_runs() -> list[Cell]:
    """A small grid of `benchmarks.coverage_grid`: the lengths at which most goes wrong."""
    return list(grid(100, (10,)))


@pytest.mark.slow
def test_intervals_hold_and_likes_are_alike(short_runs: list[Cell]) -> None:
    assert len(short_runs) == 4 * len(PROCESSES)
    assert [(cell, cell.problems) for cell in short_runs if cell.problems] == []


def test_refusals_come_with_a_length(short_runs: list[Cell]) -> None:
    for cell in short_runs:
        assert (cell.needs_s is not None) == (cell.stated < 1)
        assert cell.needs_s is None or cell.needs_s > cell.seconds * 0.9


def test_the_grid_finds_intervals_that_take_events_for_independent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_spread", lambda *_: module._INDEPENDENT)
    cells = _by_name(grid(60, (10,), [queue(0.7)]))
    assert cells["p90"].missed > 0.3
    assert cells["p95"].missed > 0.3
    assert cells["p90"].different > 0.2
    assert "miss" in " ".join(cells["p90"].problems)


def test_a_run_of_the_length_that_was_said_usually_has_its_interval() -> None:
    load = queue(0.7)
    refused = _by_name(grid(60, (10,), [load]))["p95"]
    assert refused.stated < 0.8
    assert refused.needs_s is not None
    longer = _by_name(grid(40, (round(1.5 * refused.needs_s),), [load]))["p95"]
    assert longer.stated > max(0.6, refused.stated)


def _by_name(cells: Iterator[Cell]) -> dict[str, Cell]:
    return {cell.name: cell for cell in cells}

"""Readings become the values that they mean, and nothing that is judged is lost when a course is thinned."""

from __future__ import annotations

import copy
import itertools
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure import watch_values
from loadsim.measure.result_watches import WatchSeries
from loadsim.measure.watch_values import (
    MOST_REASONS,
    NOTHING_COUNTED,
    OTHER,
    Buckets,
    WatchCourse,
    growth,
    p99_between,
)
from loadsim.model import NS_PER_S

EMPTY = WatchSeries(name="n", kind="url", place="p", metric="m", reading="gauge", unit="", every_s=1.0)
FINITE = st.floats(-1e9, 1e9, allow_nan=False)


def read(course: WatchCourse, *values: float | str) -> WatchSeries:
    """The course of one reading a second."""
    for number, value in enumerate(values):
        if isinstance(value, str):
            course.gap(number * NS_PER_S, value)
        else:
            course.add(number * NS_PER_S, value)
    return course.series(EMPTY, 0)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=30))
def test_growth_is_what_was_counted_whatever_restarts_there_were(counted: list[float]) -> None:
    """A counter that starts at 0 again and again, each time counting so much."""
    assert growth(5.0, 3.0) == 3.0
    assert all(growth(before, now) >= 0 for before, now in itertools.pairwise(counted))


def test_a_rate_is_growth_by_the_time_between_two_readings() -> None:
    found = read(WatchCourse("rate", NS_PER_S), 100.0, 150.0, "away", 250.0, 20.0)
    assert found.values == [50.0, None, 50.0, 20.0], "over a gap the mean; after a restart what was counted since"
    assert found.t_s == [1.0, 2.0, 3.0, 4.0]


def buckets(values: list[float], bounds: list[float]) -> Buckets:
    """The cumulative buckets of values."""
    whole = (*bounds, math.inf)
    return Buckets(whole, tuple(float(sum(value <= bound for value in values)) for bound in whole))


@given(
    st.lists(st.floats(0.001, 9.99), min_size=1, max_size=300),
    st.lists(st.floats(0.001, 20), max_size=50),
)
def test_p99_lies_in_the_bucket_of_the_value_with_that_rank(values: list[float], earlier: list[float]) -> None:
    bounds = [0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0]
    before = buckets(earlier, bounds)
    found = p99_between(before, buckets([*earlier, *values], bounds))
    exact = sorted(values)[math.ceil(0.99 * len(values)) - 1]
    place = next(number for number, bound in enumerate(bounds) if exact <= bound)
    assert found is not None
    assert (bounds[place - 1] if place else 0.0) <= found <= bounds[place]


def test_p99_of_nothing_of_a_restart_and_beyond_the_last_bound() -> None:
    some = buckets([0.05] * 100, [0.01, 0.1])
    assert p99_between(some, some) is None
    assert p99_between(some, buckets([0.005] * 50, [0.01, 0.1])) == pytest.approx(0.0099), "it began again"
    assert p99_between(some, buckets([0.05] * 100, [0.02, 0.2])) == pytest.approx(0.02 + 0.18 * 0.99), "other buckets"
    assert p99_between(some, buckets([0.05] * 100 + [7.0] * 100, [0.01, 0.1])) == 0.1, "the last finite bound"
    assert p99_between(Buckets((math.inf,), (0.0,)), Buckets((math.inf,), (9.0,))) is None


def test_a_histogram_in_which_nothing_was_counted_has_a_gap() -> None:
    course = WatchCourse("p99", NS_PER_S)
    for second in range(3):
        course.add(second * NS_PER_S, buckets([0.05] * 10 * min(second, 1), [0.1]))
    found = course.series(EMPTY, 0)
    assert found.values == [pytest.approx(0.099), None]
    assert found.why_gaps == {NOTHING_COUNTED: 1}


@given(st.lists(FINITE | st.none(), min_size=1, max_size=60), st.integers(1, 8))
def test_figures_are_those_of_all_readings_however_few_points_are_kept(values: list[float | None], most: int) -> None:
    course = WatchCourse("gauge", NS_PER_S)
    known = [value for value in values if value is not None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch_values, "MOST_POINTS", most)
        found = read(course, *("away" if value is None else value for value in values))
    assert len(found.values) <= 2 * most
    assert len(found.t_s) == len(found.values)
    assert found.t_s == sorted(found.t_s)
    assert (found.samples, found.gaps) == (len(known), len(values) - len(known))
    assert sum(found.why_gaps.values()) == found.gaps
    if not known:
        assert (found.min, found.avg, found.max, found.last) == (None,) * 4
        return
    assert (found.min, found.max, found.last) == (min(known), max(known), known[-1])
    assert found.avg == pytest.approx(statistics.fmean(known), rel=1e-6, abs=1e-3)
    kept = [value for value in found.values if value is not None]
    assert min(known) - 1e-6 <= min(kept)
    assert max(kept) <= max(known) + 1e-6


def test_values_that_are_no_numbers_are_gaps_and_reasons_are_few() -> None:
    found = read(WatchCourse("gauge", NS_PER_S), 1.0, math.nan, math.inf, *(f"why {n}" for n in range(9)), "why 1")
    assert found.values[:3] == [1.0, None, None]
    assert len(found.why_gaps) == MOST_REASONS + 1
    assert found.why_gaps["it is not a finite number"] == 2
    assert found.why_gaps["why 1"] == 2
    assert found.why_gaps[OTHER] == 6


def test_a_course_that_was_taken_does_not_change_with_later_readings() -> None:
    course = WatchCourse("gauge", NS_PER_S)
    taken = read(course, 1.0, "away")
    before = copy.deepcopy(taken)
    read(course, 2.0, "busy", "away")
    assert taken == before


def test_an_average_that_is_beyond_every_number_is_not_known() -> None:
    course = WatchCourse("gauge", NS_PER_S)
    for at in range(3):
        course.add(at * NS_PER_S, 1.5e308)
    found = course.series(EMPTY, 0)
    assert (found.min, found.avg, found.max, found.last) == (1.5e308, None, 1.5e308, 1.5e308)

"""What the charts show is what was counted: percentiles of added counts, every event in the heat map, deadlines."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.measure.hdr import MICROSECONDS, PERCENTILES, Ints, percentile
from loadsim.measure.histogram_codec import decode, encode
from loadsim.measure.result import RunResult
from loadsim.report import chart_numbers
from tests.builders import run_info, run_result, stats_of, totals, with_course
from tests.report.results import course as judged_course

RESULT = with_course(run_result())


def merged(result: RunResult, first: int, last: int) -> Ints:
    """The added counts of some slices, decoded one by one."""
    total = np.zeros(MICROSECONDS.counts_len, dtype=np.int64)
    for blob in result.series_histograms["response"][first:last]:
        if blob is not None:
            total += decode(blob)[1]
    return total


def test_percentiles_over_time_come_from_added_counts() -> None:
    course = chart_numbers.course(RESULT)
    joined = round(course.width_s / RESULT.slice_s)
    assert joined == 2, "200 events a slice are too few for p99, 400 are enough"
    for number, seen in enumerate(course.p99):
        counts = merged(RESULT, number * joined, (number + 1) * joined)
        expected = percentile(counts, MICROSECONDS, PERCENTILES["p99"])
        assert seen == (None if expected is None else pytest.approx(expected / 1000, rel=1e-3))
    assert None in course.p99, "the stretch with the empty slice has too few for p99"
    assert course.p50.count(None) == 0


def test_a_percentile_of_a_stretch_is_no_average_of_its_slices() -> None:
    slow = RESULT.series.index(max(RESULT.series, key=lambda row: row.max_ms or 0))
    course = chart_numbers.course(RESULT)
    p99 = course.p99[slow // 2]
    top = course.max[slow // 2]
    assert p99 is not None
    assert top is not None
    assert 200 < p99 <= top


def test_rates_add_up_to_the_totals() -> None:
    course = chart_numbers.course(RESULT)
    assert sum(course.completed) * course.width_s == pytest.approx(sum(row.completed for row in RESULT.series))
    failures = (sum(course.refused) + sum(course.broken)) * course.width_s
    assert failures == pytest.approx(sum(row.failed for row in RESULT.series))


@pytest.mark.parametrize("slices", [2, 3, 119, 121, 600])
def test_the_heat_map_holds_every_event(slices: int) -> None:
    result = with_course(run_result(), slices=slices, per_slice=20)
    heat = chart_numbers.heat_map(result)
    assert heat is not None
    assert sum(map(sum, heat.counts)) == result.totals.sent
    assert len(heat.counts) == len(heat.t_s) <= chart_numbers.MOST_POINTS
    assert {len(row) for row in heat.counts} == {len(heat.edges_ms) - 1}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3_600_000_000), min_size=1, max_size=200))
def test_the_percentile_curve_agrees_with_sorting(us: list[int]) -> None:
    values = np.array(us, dtype=np.int64)
    counts = np.bincount(MICROSECONDS.index(values), minlength=MICROSECONDS.counts_len)
    group = totals(len(us), latency_ms={"response": stats_of(values)})
    result = run_result(
        totals=group, histograms={"response": encode(counts, MICROSECONDS)}, run=run_info(model="closed")
    )
    (curve,) = chart_numbers.percentile_curves(result)
    assert curve.ms == sorted(curve.ms)
    ordered = sorted(us)
    for q, ms in zip(curve.q, curve.ms, strict=True):
        truth = ordered[max(1, math.ceil(round(q * len(us), 6))) - 1] / 1000
        assert truth <= ms * (1 + 1e-9)
        assert ms <= truth * 1.001 + 0.001


def test_the_band_is_there_where_the_run_is_long_enough() -> None:
    curve = chart_numbers.percentile_curves(RESULT)[0]
    assert len(curve.band) == curve.firm < len(curve.q)
    known = [(q, ends, ms) for q, ends, ms in zip(curve.q, curve.band, curve.ms, strict=False) if ends is not None]
    assert known[0][0] < 0.2
    assert known[-1][0] > 0.9
    for _, (low, high), ms in known:
        assert low <= ms * 1.001
        assert high >= ms * 0.999
    assert None in curve.band, "one slice was slow: the last percentiles are its alone"
    short = with_course(run_result(), slices=19)
    assert chart_numbers.percentile_curves(short)[0].band == [], "too few slices for an interval"


def test_objectives_on_percentiles_are_lines() -> None:
    found = chart_numbers.limits(judged_course())
    assert [(limit.metric, limit.q, limit.ms) for limit in found] == [("response", 0.99, 250.0), ("service", 0.95, 4.0)]


def test_phases_begin_where_the_scenario_says() -> None:
    assert chart_numbers.phase_starts(RESULT) == [("steady", 5.0)]
    info = run_info()
    info.scenario["phases"] = [{"name": "a"}, {"name": "b", "duration": "1s"}]
    assert chart_numbers.phase_starts(run_result(run=info)) == [("a", 0.0)]

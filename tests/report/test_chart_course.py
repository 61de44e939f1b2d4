"""The run over time as charts show it: percentiles of added counts, true lengths, every event in the heat map."""

from __future__ import annotations

import numpy as np
import pytest

from loadsim.measure.hdr import MICROSECONDS, PERCENTILES, Ints, percentile
from loadsim.measure.histogram_codec import decode
from loadsim.measure.result import RunResult
from loadsim.report.chart_course import MOST_POINTS, heat_map, latency_course, rate_course
from tests.builders import run_result, with_course
from tests.measure.rows import MS
from tests.measure.runs import built
from tests.measure.test_series_rows import ENDS, NAMES, step

RESULT = with_course(run_result())


def merged(result: RunResult, first: int, last: int) -> Ints:
    """The added counts of some slices, decoded one by one."""
    total = np.zeros(MICROSECONDS.counts_len, dtype=np.int64)
    for blob in result.series_histograms["response"][first:last]:
        if blob is not None:
            total += decode(blob)[1]
    return total


def test_percentiles_over_time_come_from_added_counts() -> None:
    course = latency_course(RESULT)
    assert course.bins.width_s == 0.5, "200 events a slice are too few for p99, 400 are enough"
    for first, seen in zip(course.bins.first, course.p99, strict=True):
        counts = merged(RESULT, first, first + 2)
        expected = percentile(counts, MICROSECONDS, PERCENTILES["p99"])
        assert seen == (None if expected is None else pytest.approx(expected / 1000, rel=1e-3))
    assert None in course.p99, "the stretch with the empty slice has too few for p99"
    assert course.p50.count(None) == 0


def test_a_percentile_of_a_stretch_is_no_average_of_its_slices() -> None:
    slow = RESULT.series.index(max(RESULT.series, key=lambda row: row.max_ms or 0))
    course = latency_course(RESULT)
    p99 = course.p99[slow // 2]
    top = course.max[slow // 2]
    assert p99 is not None
    assert top is not None
    assert 200 < p99 <= top


def test_rates_add_up_to_the_totals() -> None:
    course = rate_course(RESULT)
    completed = sum(rate * width for rate, width in zip(course.completed, course.bins.widths_s, strict=True))
    assert completed == pytest.approx(sum(row.completed for row in RESULT.series))
    assert course.completed_so_far[-1] == sum(row.completed for row in RESULT.series)
    parts = zip(course.refused, course.broken, course.bins.widths_s, strict=True)
    failures = sum((refused + broken) * width for refused, broken, width in parts)
    assert failures == pytest.approx(sum(row.failed for row in RESULT.series))


def test_a_step_of_the_rate_is_a_step() -> None:
    """60/s until 1.3 s, then 400/s: no bin between the two, and each by its true length."""
    course = rate_course(built(step(20 * MS), NAMES, ends=ENDS))
    assert 1.3 in course.bins.edges_s
    for start, rate in zip(course.bins.t_s, course.planned, strict=True):
        expected = 60 if start < 1.3 else 400 if start < 2.35 else 0
        assert rate == pytest.approx(expected, rel=0.15), start
    assert course.bins.edges_s == sorted(set(course.bins.edges_s))


def test_what_is_left_of_a_phase_is_no_tiny_bin() -> None:
    course = rate_course(built(step(20 * MS), NAMES, ends=ENDS))
    inside = [width for t, width in zip(course.bins.t_s, course.bins.widths_s, strict=True) if t < 2.35]
    assert min(inside) >= course.bins.width_s / 2


def test_a_run_of_a_minute_has_bins_of_a_second() -> None:
    course = rate_course(with_course(run_result(), slices=240, per_slice=5))
    assert course.bins.width_s == 1.0
    assert len(course.planned) == 60
    assert rate_course(with_course(run_result(), slices=600, per_slice=1)).bins.width_s == 2.0


@pytest.mark.parametrize("slices", [2, 3, 119, 121, 600])
def test_the_heat_map_holds_every_event(slices: int) -> None:
    result = with_course(run_result(), slices=slices, per_slice=20)
    heat = heat_map(result)
    assert heat is not None
    assert sum(map(sum, heat.counts)) == result.totals.sent
    assert len(heat.counts) == len(heat.bins.t_s) <= MOST_POINTS
    assert {len(row) for row in heat.counts} == {len(heat.edges_ms) - 1}

"""What the charts of a whole run show is what was counted: percentiles, intervals, limits, phases."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.measure.hdr import MICROSECONDS
from loadsim.measure.histogram_codec import encode
from loadsim.report import chart_numbers
from tests.builders import run_info, run_result, stats_of, totals, with_course
from tests.report.results import course as judged_course

RESULT = with_course(run_result())


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


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3_600_000_000), min_size=1, max_size=200))
def test_the_histogram_holds_every_event_in_its_bin(us: list[int]) -> None:
    values = np.array(us, dtype=np.int64)
    counts = np.bincount(MICROSECONDS.index(values), minlength=MICROSECONDS.counts_len)
    result = run_result(histograms={"response": encode(counts, MICROSECONDS)})
    bins = chart_numbers.latency_bins(result)
    assert bins is not None
    assert sum(bins.counts) == len(us)
    assert bins.ok == [0] * len(bins.counts), "no histogram of 2xx answers: there were none"
    assert bins.edges_ms == sorted(bins.edges_ms)
    for low, high, n in zip(bins.edges_ms, bins.edges_ms[1:], bins.counts, strict=False):
        sure = np.count_nonzero((values > 1000 * low * 1.001) & (values < 1000 * high / 1.001 - 1))
        most = np.count_nonzero((values >= 1000 * low / 1.001 - 1) & (values <= 1000 * high * 1.001))
        assert sure <= n <= most


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

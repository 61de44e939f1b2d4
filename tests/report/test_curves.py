"""What the charts show is what was counted: percentiles of added counts, every event in the heat map, deadlines."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.measure.codec import decode, encode
from loadsim.measure.hdr import MICROSECONDS, PERCENTILES, Ints, percentile
from loadsim.measure.result import RunResult
from loadsim.model import NS_PER_S
from loadsim.plan.providers import PROVIDERS
from loadsim.report import curves
from loadsim.report.deadlines import DeadlineRow, deadline_rows
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
    course = curves.course(RESULT)
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
    course = curves.course(RESULT)
    p99 = course.p99[slow // 2]
    top = course.max[slow // 2]
    assert p99 is not None
    assert top is not None
    assert 200 < p99 <= top


def test_rates_add_up_to_the_totals() -> None:
    course = curves.course(RESULT)
    assert sum(course.completed) * course.width_s == pytest.approx(sum(row.completed for row in RESULT.series))
    failures = (sum(course.refused) + sum(course.broken)) * course.width_s
    assert failures == pytest.approx(sum(row.failed for row in RESULT.series))


@pytest.mark.parametrize("slices", [2, 3, 119, 121, 600])
def test_the_heat_map_holds_every_event(slices: int) -> None:
    result = with_course(run_result(), slices=slices, per_slice=20)
    heat = curves.heat_map(result)
    assert heat is not None
    assert sum(map(sum, heat.counts)) == result.totals.sent
    assert len(heat.counts) == len(heat.t_s) <= curves.MOST_POINTS
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
    (curve,) = curves.percentile_curves(result)
    assert curve.ms == sorted(curve.ms)
    ordered = sorted(us)
    for q, ms in zip(curve.q, curve.ms, strict=True):
        truth = ordered[max(1, math.ceil(round(q * len(us), 6))) - 1] / 1000
        assert truth <= ms * (1 + 1e-9)
        assert ms <= truth * 1.001 + 0.001


def test_the_band_is_the_stored_interval_and_ends_with_the_samples() -> None:
    curve = curves.percentile_curves(RESULT)[0]
    assert len(curve.band) == curve.firm < len(curve.q)
    for (low, high), ms in zip(curve.band, curve.ms, strict=False):
        assert low <= ms * 1.001
        assert high >= ms * 0.999
    short = with_course(run_result(), slices=19)
    assert curves.percentile_curves(short)[0].band == [], "too few slices for an interval"


def test_objectives_on_percentiles_are_lines() -> None:
    found = curves.limits(judged_course())
    assert [(limit.metric, limit.q, limit.ms) for limit in found] == [("response", 0.99, 250.0), ("service", 0.95, 4.0)]


def test_phases_begin_where_the_scenario_says() -> None:
    assert curves.phase_starts(RESULT) == [("steady", 5.0)]
    info = run_info()
    info.scenario["phases"] = [{"name": "a"}, {"name": "b", "duration": "1s"}]
    assert curves.phase_starts(run_result(run=info)) == [("a", 0.0)]


def at(ms: list[float], **changes: object) -> RunResult:
    us = np.array([round(value * 1000) for value in ms], dtype=np.int64)
    counts = np.bincount(MICROSECONDS.index(us), minlength=MICROSECONDS.counts_len)
    fields = {"sent": len(ms), "completed": len(ms), "errors": {}, "unfinished": 0, "unsent": 0} | changes
    return run_result(
        totals=msgspec.structs.replace(totals(len(ms)), **fields), histograms={"service": encode(counts, MICROSECONDS)}
    )


def in_time(result: RunResult) -> dict[str, int]:
    rows: list[DeadlineRow] = deadline_rows(result)
    assert all(row.in_time + row.past_deadline == result.totals.sent for row in rows)
    return {row.provider.name: row.in_time for row in rows}


def test_a_deadline_parts_the_answers() -> None:
    found = in_time(at([10, 1249, 1300, 2900, 3100, 9000]))
    assert (found["wix"], found["slack"], found["shopify"], found["github"]) == (2, 4, 5, 6)


def test_what_was_never_answered_is_never_in_time() -> None:
    broken = at([10, 20, 30, 40], completed=3, errors={"reset": 1})
    assert set(in_time(broken).values()) == {3}
    # Our own timeout, 10 s, ended it: whoever waits as long or longer is taken to have waited in vain.
    cut = in_time(at([10, 20, 30, 10_001], completed=3, errors={"timeout": 1}))
    assert cut["wix"] == cut["github"] == cut["sanity"] == 3


def test_an_event_that_never_left_is_in_no_histogram() -> None:
    refused = at([10, 20], sent=5, completed=2, errors={"refused": 3}, unsent=3)
    assert set(in_time(refused).values()) == {2}


def test_providers_are_in_order_and_well_formed() -> None:
    deadlines = [provider.deadline_ns for provider in PROVIDERS]
    assert deadlines == sorted(deadlines)
    assert deadlines[0] == 1.25 * NS_PER_S
    assert deadlines[-1] == 30 * NS_PER_S
    assert len({provider.name for provider in PROVIDERS}) == len(PROVIDERS)
    for provider in PROVIDERS:
        assert provider.source
        if provider.retries_ns is not None:
            assert list(provider.retries_ns) == sorted(provider.retries_ns)

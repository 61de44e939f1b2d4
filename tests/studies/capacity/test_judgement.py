"""One step of a search: clear, unclear, lost, and not the endpoint's fault."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from loadsim.judge import evaluate, objectives_of, parse_objective, vocabulary_of
from loadsim.measure.cells import Metric, layout
from loadsim.measure.hdr import MICROSECONDS, Ints
from loadsim.measure.histogram_codec import encode
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import SeriesRow
from loadsim.measure.result_generator import SecondLook
from loadsim.plan import ValidityRules
from loadsim.studies.capacity.judgement import cannot_pass, events_needed, growth_of, judge_step
from tests.builders import run_result, series, stats, totals

P99 = 44.0
"""p99 of the built response times, ms; their interval is 0.93 to 1.08 times that."""


def judged(objective: str, **changes: Any) -> RunResult:
    result = run_result(**changes)
    return evaluate(result, objectives_of([objective, "success: rate >= 90%"], vocabulary_of(result)), ValidityRules())


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(1.09 * P99, "pass"), (1.07 * P99, "unclear"), (0.94 * P99, "unclear"), (0.92 * P99, "fail")],
)
def test_the_whole_interval_decides(limit: float, expected: str) -> None:
    verdict = judge_step(judged(f"p(99) < {limit}ms"))
    assert verdict.outcome == expected
    assert bool(verdict.why) == (expected != "pass")


def test_without_an_interval_the_figure_decides() -> None:
    latency = totals().latency_ms | {"response": stats(4.0, ci95=False)}
    result = judged(f"p(99) < {1.01 * P99}ms", totals=totals(latency_ms=latency))
    assert judge_step(result).outcome == "pass"


def test_a_late_generator_proves_nothing_even_where_the_step_was_stopped() -> None:
    lags = np.bincount(MICROSECONDS.index(np.full(100, 2_000_000)), minlength=MICROSECONDS.counts_len)
    result = judged("p(99) < 1ms", histograms={"lag": encode(lags, MICROSECONDS)})
    verdict = judge_step(result, stopped="out of reach")
    assert (verdict.outcome, "not offered as planned" in verdict.why) == ("invalid", True)


def test_what_a_pause_may_have_done_is_not_the_endpoints_fault_even_where_the_step_was_stopped() -> None:
    fast = np.bincount(MICROSECONDS.index(np.full(1000, 500)), minlength=MICROSECONDS.counts_len)
    look = SecondLook({"response": encode(fast, MICROSECONDS)}, {"response": 30}, {})
    verdict = judge_step(judged("p(99) < 1ms", second_look=look), stopped="out of reach")
    assert (verdict.outcome, "the generator's own" in verdict.why) == ("invalid", True)


def test_a_miss_that_no_pause_explains_is_the_endpoints_fault_whatever_else_a_pause_disturbed() -> None:
    slow = np.bincount(MICROSECONDS.index(np.full(1000, 40_000)), minlength=MICROSECONDS.counts_len)
    look = SecondLook({"response": encode(slow, MICROSECONDS)}, {"response": 300}, {})
    verdict = judge_step(judged("p(99) < 1ms", second_look=look), stopped="out of reach")
    assert (verdict.outcome, verdict.why) == ("fail", "out of reach")


def test_a_stopped_step_failed_for_the_reason_it_was_stopped_for() -> None:
    verdict = judge_step(judged("p(99) < 1s"), stopped="out of reach")
    assert (verdict.outcome, verdict.why) == ("fail", "out of reach")


def rising(per_second_ms: float, rows: int = 40, slice_s: float = 0.25) -> dict[str, Any]:
    row = series(2)[0]
    grown = [
        msgspec.structs.replace(row, t_s=slice_s * number, p50_ms=4.0 + per_second_ms * slice_s * number)
        for number in range(rows)
    ]
    return {"series": grown, "slice_s": slice_s}


def test_a_growing_queue_fails_whatever_the_objectives_say() -> None:
    result = judged("p(99) < 10s", **rising(30.0))
    growth = growth_of(result)
    assert growth is not None
    assert growth == pytest.approx(0.03, rel=0.01)
    assert judge_step(result).outcome == "unclear"
    assert "falls behind" in judge_step(result).why
    assert judge_step(judged("p(99) < 10s", **rising(60.0))).outcome == "fail"
    assert judge_step(judged("p(99) < 10s", **rising(5.0))).outcome == "pass"


def test_a_few_slices_say_nothing_of_growth() -> None:
    assert growth_of(run_result(series=rising(500.0, rows=7)["series"])) is None
    empty: list[SeriesRow] = []
    assert growth_of(run_result(series=empty)) is None


def counts(milliseconds: float, times: int) -> Ints:
    config = layout(Metric.response)
    found = np.zeros(config.counts_len, dtype=np.int64)
    found[int(config.index(np.asarray([int(milliseconds * 1000)]))[0])] = times
    return found


NOTHING = np.zeros(layout(Metric.response).counts_len, dtype=np.int64)


def test_a_percentile_is_out_of_reach_when_too_many_are_over_it_already() -> None:
    objectives = [parse_objective("p(99) < 200ms")]
    assert cannot_pass(objectives, counts(250, 62), {200: 62}, events=1000, backlog_s=0.2)
    assert not cannot_pass(objectives, counts(250, 60), {200: 60}, events=1000, backlog_s=0.2)
    assert not cannot_pass(objectives, counts(199, 900), {200: 900}, events=1000, backlog_s=0.2)


def test_success_is_out_of_reach_when_too_many_failed_already() -> None:
    objectives = [parse_objective("success: rate >= 99%")]
    assert cannot_pass(objectives, NOTHING, {200: 100, 503: 61}, events=1000, backlog_s=0.0)
    assert not cannot_pass(objectives, NOTHING, {200: 100, 503: 60}, events=1000, backlog_s=0.0)


def test_a_backlog_of_more_than_twice_the_limit_is_lost() -> None:
    objectives = [parse_objective("p(99) < 2s")]
    assert cannot_pass(objectives, NOTHING, {}, events=1000, backlog_s=4.1)
    assert not cannot_pass(objectives, NOTHING, {}, events=1000, backlog_s=3.9)
    assert not cannot_pass([parse_objective("success: rate >= 99%")], NOTHING, {}, events=1000, backlog_s=60)


def test_rare_percentiles_and_rare_types_need_longer_steps() -> None:
    assert events_needed([parse_objective("p(99) < 1s")], {}) == 368
    assert events_needed([parse_objective("p(99.9) < 1s"), parse_objective("success: rate > 1%")], {}) == 3688
    assert events_needed([parse_objective("response{event:a}: p(99) < 1s")], {"a": 0.5}) == 736

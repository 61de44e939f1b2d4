"""Counts and rates are judged exactly, latencies by status alone, and no window exceeds the run's own maximum."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loadsim.error_kinds import ErrorKind
from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.judge.objective_figures import observe
from loadsim.judge.objectives import parse_objective
from loadsim.measure.hdr import MICROSECONDS
from loadsim.measure.result import RunResult, dump_result, load_result
from loadsim.measure.result_verdict import ObjectiveRow
from loadsim.model import NS_PER_S
from loadsim.outcome_codes import ERROR_BASE
from loadsim.plan.scenario import ValidityRules
from loadsim.report.k6_summary import render_k6_summary
from tests.builders import run_result, totals
from tests.measure.rows import MS, answered
from tests.measure.runs import PLAIN, STEADY_A, built

REFUSED = ERROR_BASE + ErrorKind.refused


def judged(result: RunResult, text: str) -> ObjectiveRow:
    objectives = objectives_of([text, "success: rate >= 0%"], vocabulary_of(result))
    return evaluate(result, objectives, ValidityRules()).verdict.objectives[0]


@given(st.integers(1, 10**7), st.integers(1, 10**13), st.integers(1, 10**6))
@example(33, 1_100_000_000, 30)
def test_a_rate_is_judged_as_the_fraction_that_it_is(count: int, ns: int, limit: int) -> None:
    group = totals(10, completed=count, duration_s=ns / NS_PER_S, duration_ns=ns)
    row = judged(run_result(totals=group), f"events: rate >= {limit}/s")
    assert row.passed == (Fraction(count * NS_PER_S, ns) >= limit)


def test_33_events_in_1_1_seconds_are_30_a_second_everywhere() -> None:
    names = replace(PLAIN, durations_ns=(NS_PER_S, 1_100_000_000))
    result = built([answered(NS_PER_S + i * MS, MS, stratum=STEADY_A) for i in range(33)], names)
    for metric in ("events", "sent", "attempts"):
        assert judged(result, f"{metric}: rate >= 30/s").passed, metric
        assert judged(result, f"{metric}: rate > 30/s").passed is False, metric
    assert result.totals.rate_completed == result.totals.rate_sent == 30
    assert b'"rate": 30.0' in render_k6_summary(result)


def test_no_window_exceeds_the_maximum_of_the_run() -> None:
    us = np.arange(108_208, 108_300)
    took = int(us[MICROSECONDS.highest_equivalent(MICROSECONDS.index(us)) > us][0]) * 1_000
    rows = [answered(NS_PER_S + i * 25 * MS, took, stratum=STEADY_A) for i in range(400)]
    result = built(rows)
    row = judged(result, f"response{{phase:steady}}: max <= {took / MS}ms over 1s")
    assert (row.observed, row.passed) == (took / MS, True)
    assert judged(result, f"response{{phase:steady}}: p(50) <= {took / MS}ms over 1s").passed


OUTAGE = [answered(i * MS, 100 * MS, stratum=STEADY_A) for i in range(100)]
OUTAGE += [answered(i * MS, MS // 2, stratum=STEADY_A, code=REFUSED) for i in range(300)]
OUTAGE += [answered(i * MS, 3 * MS, stratum=STEADY_A, code=503) for i in range(50)]


def test_the_latency_of_2xx_answers_does_not_improve_in_an_outage() -> None:
    result = built(OUTAGE)
    found = {text: judged(result, text).observed for text in (
        "p(50) > 0", "response{status:2xx}: p(50) > 0", "response{phase:steady,status:2xx}: p(37) > 0",
        "service{status:5xx}: max > 0", "first_byte{status:2xx}: avg > 0",
        "http_req_duration{expected_response:true}: med > 0", "events{status:5xx}: count > 0",
    )}  # fmt: skip
    assert [round(value or 0, 1) for value in found.values()] == [0.5, 100, 100, 3, 50, 100, 50]
    row = judged(result, "http_req_duration{expected_response:true}: med > 0")
    assert row.note == "read as service{status:2xx}: med > 0ms; k6 takes 200-399 as expected, loadsim 2xx"
    assert "k6 takes 200-399" in judged(result, "http_req_failed: rate < 100%").note


def test_a_class_of_status_that_never_came_cannot_be_judged() -> None:
    found = observe(built(OUTAGE), parse_objective("response{status:3xx}: p(50) > 0"))
    assert (found.value, found.missing) == (None, "no response sample of 3xx answers in the recorded phases")


def test_older_results_say_that_they_have_no_latencies_by_status() -> None:
    group = msgspec.structs.replace(totals(), by_status={}, duration_ns=None)
    old = load_result(dump_result(run_result(totals=group)), "old.json")
    assert "earlier version" in observe(old, parse_objective("response{status:2xx}: p(50) > 0")).missing
    assert observe(old, parse_objective("events: rate > 0")).value == pytest.approx(1998)

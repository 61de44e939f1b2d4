"""Objectives and events still under way at the end: what such events decide, and what they leave open."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.hdr import rank
from loadsim.measure.outcome_columns import Column
from loadsim.measure.result import RunResult
from loadsim.measure.result_verdict import ObjectiveRow
from loadsim.outcome_codes import UNFINISHED
from loadsim.plan.scenario import ValidityRules
from loadsim.report import facts
from loadsim.report.run_report import run_report
from loadsim.report.terminal import render
from tests.measure.rows import MS, START, answered, row
from tests.measure.runs import STEADY_A, built

S = 1_000 * MS
HALF_ANSWERED = [answered(i * MS, 5 * MS, stratum=STEADY_A) for i in range(83)]


def hanging(due: int, took: int) -> list[int]:
    """Sent when due, and unfinished."""
    begun = START + due
    return row(
        stratum=STEADY_A, code=UNFINISHED, due=begun, woken=begun, slot=begun, sent=begun, done=begun + took,
        bytes_sent=700,
    )  # fmt: skip


def judged(rows: list[list[int]], *texts: str) -> RunResult:
    result = built(rows)
    return evaluate(result, objectives_of([*texts, "success: rate >= 0%"], vocabulary_of(result)), ValidityRules())


def objective(rows: list[list[int]], text: str) -> tuple[ObjectiveRow, list[str]]:
    result = judged(rows, text)
    return result.verdict.objectives[0], result.validity.reasons


@pytest.mark.parametrize(
    ("took_s", "text", "passed"),
    [
        (3.96, "p(50) < 5s", None),  # cut off before the limit: nobody knows
        (3.96, "p(50) < 3s", False),
        (3.96, "p(40) < 5s", True),  # the answered ones decide
        (3.96, "max < 5s", None),
        (3.96, "max < 3s", False),
        (3.96, "avg < 1s", False),
        (3.96, "avg < 5s", None),
        (3.96, "p(50) > 3s", True),
        (3.96, "p(50) > 5s", None),
        (3.96, "min < 10ms", True),
        (3.96, "service: p(50) < 5s", None),
        (3.96, "first_byte: p(50) < 5s", None),
        (3.96, "service{phase:steady}: p(50) < 5s", None),
        (3.96, "service{event:a}: p(50) < 5s", None),
        (3.96, "service{status:2xx}: p(50) < 5s", True),  # of what was answered
        (3.96, "lag: p(50) < 5s", True),
        (6.00, "p(50) < 5s", False),
    ],
)
def test_117_of_200_events_hang(took_s: float, text: str, *, passed: bool | None) -> None:
    rows = HALF_ANSWERED + [hanging(i * MS, round(took_s * S)) for i in range(117)]
    found, reasons = objective(rows, text)
    assert found.passed is passed
    assert any("cut off before the limit: drain longer" in reason for reason in reasons) == (passed is None)


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=40),
    st.lists(st.integers(1, 50), max_size=40),
    st.sampled_from([50, 75, 90, 37]),
    st.integers(1, 60),
)
def test_a_judgement_holds_however_long_the_unfinished_events_would_have_taken(
    done: list[int], cut_off: list[int], percent: int, limit: int
) -> None:
    """Buckets of small values are exact, so the law is: judged only where both extremes agree."""
    n = len(done) + len(cut_off)
    rows = [answered(i * MS, ms * MS, stratum=STEADY_A) for i, ms in enumerate(done)]
    rows += [hanging(i * MS, ms * MS) for i, ms in enumerate(cut_off)]
    found, _ = objective(rows, f"p({percent}) < {limit}.5ms")
    at = rank(Fraction(percent, 100), n) - 1
    low, high = sorted(done + cut_off)[at], sorted([*done, *[math.inf] * len(cut_off)])[at]
    if n < 10:  # too few for some of these percentiles: not judged at all
        return
    if found.observed is None:
        return
    assert found.observed == pytest.approx(low, rel=1e-3)
    assert found.at_least == (high > low)
    assert found.passed == (None if low < limit + 0.5 <= high else low < limit + 0.5)


def test_windows_are_left_open_too() -> None:
    rows = [answered(S + i * 20 * MS, 5 * MS, stratum=STEADY_A) for i in range(500)]
    rows += [hanging(3 * S + i * 10 * MS, 800 * MS) for i in range(75)]
    result = built(rows)
    for text, passed in (
        ("response{phase:steady}: p(50) < 2s over 1s", None),
        ("response{phase:steady}: p(50) < 700ms over 1s", False),
        ("response{phase:steady}: p(30) < 700ms over 1s", True),
    ):
        found = evaluate(result, objectives_of([text, "success: rate >= 0%"], vocabulary_of(result)), ValidityRules())
        assert found.verdict.objectives[0].passed is passed, text
        assert ("drain longer" in " ".join(found.validity.reasons)) == (passed is None)


def test_events_that_never_got_a_connection_are_in_wait() -> None:
    queued = [row(stratum=STEADY_A, code=UNFINISHED, due=START, woken=START, done=START + 2 * S)] * 60
    found, _ = objective(HALF_ANSWERED[:40] + queued, "wait: p(50) < 1s")
    assert found.observed == pytest.approx(2_000, rel=1e-3)
    assert (found.passed, found.at_least) == (False, True)
    found, reasons = objective(HALF_ANSWERED[:40] + queued, "wait: p(50) < 3s")
    assert found.passed is None
    assert reasons


def test_reports_say_at_least() -> None:
    result = judged(HALF_ANSWERED + [hanging(i * MS, 4 * S) for i in range(117)], "p(50) < 5s")
    stats = result.totals.latency_ms["response"]
    assert (stats.unfinished, stats.lower_bounds[0]) == (117, "p50")
    assert facts.latency_text(stats, "p50") == "≥ 4.00 s"
    assert facts.objective_lines(result)[0].observed == "≥ 4.00 s"
    assert "≥ 4.00 s" in render(run_report(result), width=120)


def test_a_whole_run_has_no_lower_bounds() -> None:
    result = judged(HALF_ANSWERED, "p(50) < 5s")
    assert all(stats.lower_bounds == [] for stats in result.totals.latency_ms.values())
    assert not any(name.endswith("unfinished}") for name in result.histograms)
    assert [columns[Column.code] for columns in HALF_ANSWERED] == [200] * 83


def test_a_window_that_was_surely_missed_decides_whatever_another_one_leaves_open() -> None:
    rows = [answered(S + i * 20 * MS, 900 * MS, stratum=STEADY_A) for i in range(50)]
    rows += [answered(2 * S + i * 20 * MS, 5 * MS, stratum=STEADY_A) for i in range(450)]
    rows += [hanging(3 * S + i * 10 * MS, 300 * MS) for i in range(75)]
    result = judged(rows, "response{phase:steady}: p(50) < 700ms over 1s")
    row = result.verdict.objectives[0]
    assert (result.verdict.outcome, row.passed, result.validity.reasons) == ("fail", False, [])
    assert "1 missed it" in row.note
    assert "left open by events that were cut off" in row.note


def test_a_window_that_was_surely_missed_decides_whatever_another_one_has_too_few_samples_for() -> None:
    rows = [answered(S + i * 20 * MS, 900 * MS, stratum=STEADY_A) for i in range(50)]
    rows += [answered(3 * S, 5 * MS, stratum=STEADY_A)]
    result = judged(rows, "response{phase:steady}: p(50) < 700ms over 1s")
    assert (result.verdict.outcome, result.validity.reasons) == ("fail", [])
    assert "too few response samples" in result.verdict.objectives[0].note


def test_the_worst_window_is_a_lower_bound_where_it_falls_on_events_that_were_cut_off() -> None:
    rows = [hanging(S + i * 10 * MS, 800 * MS) for i in range(75)]
    for took, at_least, observed in ((5, True, "≥ 800"), (900, False, "900")):
        later = [answered(3 * S + i * MS, took * MS, stratum=STEADY_A) for i in range(50)]
        result = judged(rows + later, "response{phase:steady}: p(50) < 2s over 1s")
        row = result.verdict.objectives[0]
        assert (row.passed, row.at_least) == (None, at_least)
        assert facts.objective_lines(result)[0].observed.startswith(observed)

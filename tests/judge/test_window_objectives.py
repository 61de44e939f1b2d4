"""Objectives over windows: what they mean, what a stored result can answer, and how they are judged."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from loadsim.judge import evaluate, objectives_of, parse_objective, vocabulary_of, vocabulary_of_scenario
from loadsim.judge.objectives import canonical
from loadsim.judge.window_objectives import course_of, value_of
from loadsim.measure.cells import Cells
from loadsim.measure.hdr import MICROSECONDS, percentile
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import WindowCourse
from loadsim.measure.result_verdict import Aborted
from loadsim.measure.stored_histograms import slices_of
from loadsim.model import UsageError
from loadsim.plan import ValidityRules
from tests.builders import run_info, run_result, totals, with_course
from tests.plan.support import scenario_of

RULES = ValidityRules()
FINE = "success: rate > 50%"


def course(**changes: Any) -> RunResult:
    """40 slices of 0.25 s, recorded from 1 s on; 200 events in each but number 20, number 13 is slow."""
    result = with_course(run_result(), slices=40)
    phases = {"warm-up": totals(500, duration_s=1.0), "steady": totals(7800, duration_s=10.0)}
    return msgspec.structs.replace(result, by_phase=phases, **changes)


def judged(result: RunResult, *texts: str) -> RunResult:
    return evaluate(result, objectives_of(texts, vocabulary_of(result)), RULES)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("p(99) < 250ms over 10s", "response: p(99) < 250ms over 10s"),
        ("http_req_failed:rate<0.01  over 500ms", "success: rate > 99% over 500ms"),
        ("events{phase:all over 5s}: count > 3 over 2m", "events{phase:all over 5s}: count > 3 over 2m"),
    ],
)
def test_the_window_is_part_of_the_text(text: str, meaning: str) -> None:
    assert canonical(parse_objective(text)) == meaning
    assert canonical(parse_objective(meaning)) == meaning


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p(99) < 1ms over 0s", "a multiple of 250ms"),
        ("p(99) < 1ms over 300ms", "a multiple of 250ms, not 300ms"),
        ("p(99) < 1ms over 10", "over: "),
        ("lost: count == 0 over 10s", "for the whole run only"),
    ],
)
def test_a_window_that_cannot_be(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_objective(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p(99) < 1s over 20s", "the recorded time holds no whole window of 20s"),
        ("response{phase:b}: p(99) < 1s over 5s", "phase 'b' holds no whole window of 5s"),
    ],
)
def test_a_scenario_without_a_whole_window_is_refused(text: str, says: str) -> None:
    scenario = scenario_of(
        {"name": "a", "duration": "15s", "rate": "10/s"}, {"name": "b", "duration": "4s", "rate": "10/s"}
    )
    vocabulary = vocabulary_of_scenario(scenario)
    with pytest.raises(UsageError) as caught:
        objectives_of([text], vocabulary)
    assert says in str(caught.value)
    assert objectives_of(["p(99) < 1s over 15s", "response{phase:b}: max < 1s over 4s"], vocabulary)


def test_more_windows_than_are_kept_are_refused_with_a_width_that_will_do() -> None:
    vocabulary = vocabulary_of_scenario(scenario_of({"duration": "2h", "rate": "10/s"}))
    with pytest.raises(UsageError, match=r"28,800 windows of 250ms are too many \(2,000 at most\): take 3750ms") as e:
        objectives_of(["p(99) < 1s over 250ms"], vocabulary)
    assert "\n" not in str(e.value)
    assert objectives_of(["p(99) < 1s over 3750ms"], vocabulary)


def test_a_window_does_not_take_the_place_of_the_default() -> None:
    found = objectives_of(["success: rate >= 90% over 1s"], vocabulary_of(course()))
    assert [one.text for one in found] == ["success: rate >= 90% over 1s", "success: rate >= 99%"]


def test_windows_are_made_of_slices_by_adding_counts() -> None:
    result = course()
    found = course_of(result, parse_objective("p(90) < 1s over 2s"))
    assert found.t_s == [1, 3, 5, 7, 9]
    assert found.samples == [1600, 1600, 1400, 1600, 1600]
    slices = slices_of(result, "response")
    parts = [percentile(counts, MICROSECONDS, 0.9) for counts in slices.stretches(range(0, slices.parts, 8))]
    assert found.values == [part / 1000 for part in parts if part is not None]


@pytest.mark.parametrize(
    ("text", "observed", "passed", "says"),
    [
        ("max < 10s over 2s", None, True, "the worst of 5 windows of 2s begins at 3 s"),
        ("p(95) < 20ms over 2s", None, False, "begins at 3 s; 1 missed it"),
        ("med > 1ms over 3s", None, True, "1 s in no whole window left out"),
        ("success: rate >= 95% over 2s", 0.95, True, "worst of 5 windows"),
        ("events: rate >= 700/s over 2s", 682.5, False, "begins at 5 s"),
        ("errors: count <= 79 over 2s", 80, False, "4 missed it"),
        ("response{phase:steady}: max < 10s over 5s", None, True, "worst of 2 windows"),
    ],
)
def test_every_whole_window_must_hold(text: str, observed: float | None, passed: bool, says: str) -> None:
    row = judged(course(), text, FINE).verdict.objectives[0]
    assert (row.passed, says in row.note) == (passed, True), row
    if observed is not None:
        assert row.observed == pytest.approx(observed)


def test_too_few_samples_in_a_window_are_invalid_in_words() -> None:
    result = judged(course(), "p(99) < 10s over 250ms", FINE)
    assert result.verdict.outcome == "invalid"
    (reason,) = result.validity.reasons
    assert "40 of 40 windows of 250ms have too few response samples" in reason
    assert "the one at 1 s has 200, p(99) needs 368" in reason


def test_no_whole_window_is_invalid() -> None:
    assert "no whole window of 30s was recorded" in judged(course(), "max < 10s over 30s").validity.reasons[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p(90) < 1s over 3s", "are 2s wide, and a window of a stored result is a multiple of that: 2s, 4s, 6s, …"),
        ("p(90) < 1s over 250ms", "2s, 4s, 6s"),
        (
            "lag: p(90) < 1s over 2s",
            "slices only of response, service, success, sent, events, errors, without other tags",
        ),
        ("response{event:desktop.app_tracking.captured}: max < 1s over 2s", "did not count windows of this figure"),
        ("success{phase:steady}: rate > 9% over 2s", "slices only of response, service"),
    ],
)
def test_what_slices_cannot_make_is_refused(text: str, says: str) -> None:
    result = msgspec.structs.replace(course(), slice_s=2.0)
    with pytest.raises(UsageError) as caught:
        judged(result, text)
    assert says in str(caught.value)


def test_what_the_run_itself_counted_is_taken_whatever_the_slices() -> None:
    counted = WindowCourse("lag: p(90)", 3.0, [0.0, 3.0], [1.0, 2.5], [900, 900], 0.0)
    result = course(slice_s=2.0, windows=[counted])
    rows = judged(result, "lag: p(90) < 2ms over 3s", "lag: p(90) < 3ms over 3s", FINE).verdict.objectives
    assert [(row.observed, row.passed) for row in rows[:2]] == [(2.5, False), (2.5, True)]


def test_no_event_at_all_is_a_figure_for_a_count_and_none_for_a_latency() -> None:
    nothing = Cells(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert value_of(parse_objective("events: count > 1 over 1s"), nothing, 1.0) == (0.0, 0)
    assert value_of(parse_objective("max < 1s over 1s"), nothing, 1.0) == (None, 0)
    assert value_of(parse_objective("success: rate > 1% over 1s"), nothing, 1.0) == (None, 0)


def test_outcomes_are_counted_as_the_totals_do() -> None:
    codes = {200: 5, 204: 1, 401: 2, 503: 3, 1010: 4, 2000: 6, 2001: 7}
    cells = Cells(np.array(list(codes)), np.array(list(codes.values())))

    def value(text: str) -> float | None:
        return value_of(parse_objective(f"{text} over 2s"), cells, 2.0)[0]

    assert value("success: rate > 0") == pytest.approx(6 / 21)
    assert value("events: count > 0") == 11
    assert value("events: rate > 0") == 5.5
    assert value("events{status:503}: count > 0") == 3
    assert value("errors: count > 0") == 15
    assert value("dropped: count > 0") == 7
    assert value("forged_accepted: count > 0") == 6
    assert value("refused_badly: count > 0") == 7


def test_the_objective_that_ended_a_run_has_failed_whatever_the_rest_says() -> None:
    aborted = Aborted(objective="p(99.9) < 1s", at_s=2.5, why="41 were over it")
    result = run_result(run=run_info(aborted=aborted), totals=totals(100))
    result = judged(result, "p(99.9) < 1s", "p(99) < 1s", FINE)
    assert (result.verdict.outcome, result.validity.reasons) == ("fail", [])
    first, second, third = result.verdict.objectives
    assert (first.passed, first.note) == (False, "ended the run at 2.5 s: 41 were over it")
    assert second.passed is None
    assert "the run was ended early" in second.note
    assert third.passed
    assert judged(result, FINE).verdict.outcome == "pass", "by other objectives it is a run like any other"

"""Verdicts: what passes, what fails, what proves nothing, and how the process ends."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from loadsim.judge import evaluate, exit_code, objectives_of, rules_of, vocabulary_of
from loadsim.judge.objective_figures import observe
from loadsim.judge.objectives import parse_objective
from loadsim.measure.hdr import MICROSECONDS
from loadsim.measure.histogram_codec import encode
from loadsim.measure.result import RunResult
from loadsim.measure.result_deliveries import Reconciliation
from loadsim.measure.result_events import Totals
from loadsim.measure.result_generator import ShortWindow
from loadsim.model import UsageError
from loadsim.plan.scenario import ValidityRules
from tests.builders import TYPES, refused, run_info, run_result, shard, stats, totals

MOSTLY_GOOD = "success: rate > 90%"


def judged(result: RunResult, *texts: str, lag: int = 10_000_000) -> RunResult:
    return evaluate(result, objectives_of(texts, vocabulary_of(result)), ValidityRules(lag=lag))


@pytest.mark.parametrize(
    ("text", "observed", "passed"),
    [
        ("p(99) < 250ms", 44.0, True),
        ("p(99) < 44ms", 44.0, False),
        ("p(99) <= 44ms", 44.0, True),
        ("med > 1ms", 4.0, True),
        ("max < 1ms", 352.0, False),
        ("service: avg < 5ms", 4.402, True),
        ("min >= 1ms", 1.24, True),
        ("events: count == 59940", 59_940, True),
        ("events: rate >= 1998/s", 1998, True),
        ("events{status:503}: count == 0", 600, False),
        ("events{status:418}: count == 0", 0, True),
        ("events{status:503}: rate < 21/s", 20, True),
        ("errors: count < 660", 660, False),
        ("dropped: count == 0", 0, True),
        ("success{phase:steady}: rate != 0", 0.989, True),
        (f"response{{event:{TYPES[0]}}}: p(90) < 11.6ms", 11.6, False),
    ],
)
def test_observations(text: str, observed: float, *, passed: bool) -> None:
    row = judged(run_result(), text).verdict.objectives[0]
    assert row.observed == pytest.approx(observed)
    assert row.passed is passed


def test_answers_that_came_too_late_are_no_throughput() -> None:
    late = msgspec.structs.replace(run_result().totals, after_end={"200": 2_950, "503": 300})
    result = run_result(totals=late)
    assert observe(result, parse_objective("events: rate > 0/s")).value == pytest.approx(1998 - 3_250 / 30)
    assert observe(result, parse_objective("events{status:503}: rate > 0/s")).value == pytest.approx(20 - 10)
    assert observe(result, parse_objective("events{status:503}: count > 0")).value == 600, "a count counts them all"
    assert observe(result, parse_objective("events: count > 0")).value == 59_940


def test_stored_intervals_and_translations_are_carried() -> None:
    row = judged(run_result(), "http_req_duration: p(95) < 200").verdict.objectives[0]
    assert row.ci95 == pytest.approx((0.93 * 4.1 * 3.1, 1.08 * 4.1 * 3.1))
    assert row.note == "read as service: p(95) < 200ms"


def test_only_a_latency_objective_and_nothing_but_500_is_a_failure() -> None:
    result = judged(run_result(totals=refused(code="500")), "p(99) < 10s")
    assert result.verdict.outcome == "fail"
    assert [(row.default, row.passed) for row in result.verdict.objectives] == [(False, True), (True, False)]
    assert exit_code(result, interrupted=False) == 99


def test_forged_events_that_were_let_in_fail_a_run_that_says_nothing_of_them() -> None:
    forged = totals(forged_accepted=35, refused_badly=0, refusals_due=53)
    result = judged(run_result(totals=forged), "p(99) < 10s", MOSTLY_GOOD)
    assert [(row.text, row.default) for row in result.verdict.objectives if row.passed is False] == [
        ("forged_accepted: count == 0", True)
    ]
    assert exit_code(result, interrupted=False) == 99


def test_errors_cannot_be_none_when_nothing_succeeded() -> None:
    assert judged(run_result(totals=refused(code="500")), "errors: count == 0").verdict.outcome == "fail"


def with_limits(**changes: Any) -> RunResult:
    return run_result(limits=msgspec.structs.replace(run_result().limits, **changes))


def with_lag(*counts: tuple[int, int], **changes: Any) -> RunResult:
    """A run with so many events (first) of each lag in ms."""
    us = np.concatenate([np.full(n, ms * 1000) for n, ms in counts])
    blob = encode(np.bincount(MICROSECONDS.index(us), minlength=MICROSECONDS.counts_len), MICROSECONDS)
    return run_result(histograms={"lag": blob}, **changes)


def with_totals(**changes: Any) -> RunResult:
    return run_result(totals=totals(**changes))


INVALID: list[tuple[RunResult, str]] = [
    (with_lag((980, 1), (20, 1_200)), "980 of 1,000 events (98.0%) were released within 1s of their due time"),
    (with_limits(shortage="this process may open 1,024 files: 998 of 5,000 connections opened"), "998 of 5,000"),
    (
        with_lag((500, 1), (500, 9_000), by_phase={"steady": totals(woken_late=20_000)}),
        "it could do about 1,333/s of the 2,000/s asked for",
    ),
    (with_totals(dropped=3, sent=59_997, unfinished=-3), "dropped events: 3 "),
    (with_totals(sent=59_999), "60000 planned, but 59999 sent + 0 dropped"),
    (with_totals(unfinished=7), "60000 sent, but 59940 completed + 60 errors + 7 unfinished"),
    (with_totals(errors={"internal": 60}), "internal errors of the generator: 60 events"),
    (run_result(shards=[shard(0), shard(1, lost=True, reason="killed by signal 9")]), "shard 1 was lost"),
    (run_result(shards=[shard(0, reason="frame 7 is missing")]), "shard 0: frame 7 is missing"),
]


@pytest.mark.parametrize(("result", "reason"), INVALID, ids=[reason for _, reason in INVALID])
def test_rules_of_validity(result: RunResult, reason: str) -> None:
    result = judged(result, "events: count < 1", MOSTLY_GOOD)
    assert any(reason in line for line in result.validity.reasons), result.validity.reasons
    assert not result.validity.valid
    assert result.verdict.outcome == "invalid"
    assert [row.passed for row in result.verdict.objectives] == [False, True], "objectives are judged all the same"
    assert exit_code(result, interrupted=False) == 3


def test_what_just_holds_is_valid() -> None:
    result = judged(with_lag((990, 1), (10, 1_200)), MOSTLY_GOOD)
    assert result.verdict.outcome == "pass"
    slow = totals(rate_planned=5.0)  # 20 events take four seconds
    assert judged(with_lag((900, 1), (100, 3_900), totals=slow), MOSTLY_GOOD).verdict.outcome == "pass"
    assert judged(with_lag((900, 1), (100, 4_100), totals=slow), MOSTLY_GOOD).verdict.outcome == "invalid"


@pytest.mark.parametrize(("late", "of"), [(3, 60), (11, 560), (16, 1_000)])
def test_a_share_of_late_events_that_is_surely_above_one_percent_is_a_warning(late: int, of: int) -> None:
    result = judged(with_lag((of - late, 1), (late, 50)), MOSTLY_GOOD)
    assert result.verdict.outcome == "pass", "being late decides nothing by itself"
    (warning,) = result.validity.warnings
    assert f"the generator was late: {late:,} of {of:,} events" in warning
    assert "give the generator a core of its own" in warning
    assert judged(with_lag((of - late + 1, 1), (late - 1, 50)), MOSTLY_GOOD).validity.warnings == []
    assert judged(with_lag((of - late, 1), (late, 50)), MOSTLY_GOOD, lag=60_000_000).validity.warnings == []


SHORT = [ShortWindow(12.0, 1.0, 2_000, 400)]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("p(99) < 250ms", "pass"),
        ("response: p(50) < 1ms", "fail"),
        ("errors: count < 1000", "pass"),
        ("service: p(99) < 250ms", "invalid"),
        ("wait: max < 250s", "invalid"),
        ("events: rate >= 1998/s", "invalid"),
        ("events: rate < 9000/s", "pass"),
    ],
)
def test_less_load_than_planned_leaves_open_what_depends_on_it(text: str, outcome: str) -> None:
    limits = msgspec.structs.replace(run_result().limits, short=SHORT)
    result = judged(run_result(limits=limits), text, MOSTLY_GOOD)
    assert result.verdict.outcome == outcome
    named = "less load than planned was offered in the window of 1s at 12 s"
    assert any(named in line for line in result.validity.warnings)
    assert any(named in line for line in result.validity.reasons) is (outcome == "invalid")


def test_a_window_outside_of_its_phase_does_not_touch_an_objective() -> None:
    phases = {"ramp": totals(duration_s=10.0), "steady": totals(duration_s=20.0)}
    limits = msgspec.structs.replace(run_result().limits, short=SHORT)
    result = run_result(limits=limits, by_phase=phases)
    assert judged(result, "service{phase:ramp}: p(99) < 250ms", MOSTLY_GOOD).verdict.outcome == "pass"
    assert judged(result, "service{phase:steady}: p(99) < 250ms", MOSTLY_GOOD).verdict.outcome == "invalid"


def test_accounts_that_do_not_balance_are_reported_in_a_few_lines() -> None:
    broken = totals(unfinished=7)
    result = run_result(totals=broken, by_case={"genuine": broken}, by_event=dict.fromkeys(TYPES, broken))
    reasons = judged(result, MOSTLY_GOOD).validity.reasons
    assert len(reasons) == 4
    assert reasons[-1] == "the accounts do not balance in 3 more places"


def test_rules_are_those_of_the_stored_scenario() -> None:
    info = run_info()
    info.scenario["validity"]["lag"] = "50ms"
    assert rules_of(run_result(run=info)) == ValidityRules(lag=50_000_000)
    assert rules_of(run_result(run=run_info(scenario={}))) == ValidityRules()
    info.scenario["validity"]["lag"] = "soon"
    with pytest.raises(UsageError, match=r"validity\.lag"):
        rules_of(run_result(run=info))


def test_an_unrecorded_phase_may_wake_late() -> None:
    phases = {"warm-up": totals(500, woken_late=400), "steady": totals()}
    result = judged(with_lag((900, 1), (100, 9_000), by_phase=phases), MOSTLY_GOOD)
    assert "it could do" not in " ".join(result.validity.reasons)


def test_lag_is_not_judged_in_a_closed_run() -> None:
    result = with_lag((500, 1), (500, 9_000), run=run_info(model="closed"))
    assert judged(result, MOSTLY_GOOD).verdict.outcome == "pass"


def test_drops_of_forged_events_count_too() -> None:
    cases = {"genuine": totals(), "forged": totals(100, dropped=1, sent=99, unfinished=-1)}
    assert judged(run_result(by_case=cases), MOSTLY_GOOD).validity.reasons == [
        'dropped events: 1 (no connection was free and overflow = "drop")'
    ]


def few(count: int) -> Totals:
    return totals(
        latency_ms={"response": msgspec.structs.replace(stats(1.0, count), p99=None if count < 368 else 11.0)}
    )


@pytest.mark.parametrize(
    ("result", "text", "reason"),
    [
        (run_result(totals=few(367)), "p(99) < 1s", "367 response samples in the recorded phases, p(99) needs 368"),
        (run_result(totals=few(0)), "p(99) < 1s", "no response sample"),
        (run_result(totals=few(0)), "max < 1s", "no response sample"),
        (run_result(), "service: p(99.999) < 1s", "needs 368,887"),
        (run_result(by_event={TYPES[0]: totals(0)}), f"success{{event:{TYPES[0]}}}: rate > 0", "no events of event"),
        (run_result(totals=totals(0)), "success: rate > 0", "no events in the recorded phases"),
        (run_result(reconciliation=Reconciliation(source="x", problem="gone")), "lost: count == 0", "be read: gone"),
    ],
)
def test_too_little_to_judge_is_invalid_and_never_a_pass(result: RunResult, text: str, reason: str) -> None:
    result = judged(result, text)
    assert result.verdict.outcome == "invalid"
    assert result.verdict.objectives[0].passed is None
    assert result.verdict.objectives[0].observed is None
    assert any(reason in line for line in result.validity.reasons), result.validity.reasons


def test_enough_samples_are_judged() -> None:
    assert judged(run_result(totals=few(368)), "p(99) < 1s", MOSTLY_GOOD).verdict.outcome == "pass"


def test_ledger_and_cases_are_observed() -> None:
    hostile = totals(forged_accepted=2, refused_badly=0)
    result = run_result(totals=hostile, reconciliation=Reconciliation(source="x", lost=3, duplicated=0))
    texts = ("lost: count == 0", "duplicated: count == 0", "forged_accepted: count == 0", "refused_badly: count == 0")
    rows = judged(result, *texts).verdict.objectives
    assert [(row.observed, row.passed) for row in rows[:4]] == [(3, False), (0, True), (2, False), (0, True)]


def test_what_the_ledger_holds_of_forged_events_counts_although_the_answer_said_no() -> None:
    silent = Reconciliation(source="x", forged_unanswered=3, forged_accepted=2)
    result = run_result(totals=totals(forged_accepted=2, refused_badly=0), reconciliation=silent)
    (row, *_) = judged(result, "forged_accepted: count == 0").verdict.objectives
    assert (row.observed, row.passed) == (5, False)


def test_interruption_wins_over_the_verdict() -> None:
    result = judged(run_result(), MOSTLY_GOOD)
    assert exit_code(result, interrupted=False) == 0
    assert exit_code(result, interrupted=True) == 130


def test_an_unjudged_result_has_no_exit_code() -> None:
    with pytest.raises(ValueError, match="not been judged"):
        exit_code(run_result(), interrupted=False)


@pytest.mark.parametrize(
    ("limit", "passed"),
    [("45ms", True), ("43ms", True), ("41ms", True), ("40ms", False)],
)
def test_the_confident_reading_fails_only_beyond_the_whole_interval(limit: str, *, passed: bool) -> None:
    # p99 is 44 ms, its interval 40.9 to 47.5 ms
    result = run_result()
    objectives = objectives_of([f"p(99) < {limit}", MOSTLY_GOOD], vocabulary_of(result))
    row = evaluate(result, objectives, ValidityRules(), gate="confident").verdict.objectives[0]
    assert row.passed is passed
    assert bool(row.note) is (passed and limit != "45ms")


def test_figures_without_an_interval_are_read_by_the_point() -> None:
    result = run_result()
    objectives = objectives_of(["max < 1ms", MOSTLY_GOOD], vocabulary_of(result))
    assert evaluate(result, objectives, ValidityRules(), gate="confident").verdict.outcome == "fail"


def test_the_confident_reading_says_where_it_has_no_interval() -> None:
    result = run_result()
    short = msgspec.structs.replace(result.totals.latency_ms["response"], ci95={}, needs_s={"p99": 44.2})
    totals = msgspec.structs.replace(result.totals, latency_ms={**result.totals.latency_ms, "response": short})
    result = msgspec.structs.replace(result, totals=totals)
    wanted = objectives_of(["p(99) < 1ms", "p(95) < 10s", "max < 10s", MOSTLY_GOOD], vocabulary_of(result))
    missed, met, greatest, _ = evaluate(result, wanted, ValidityRules(), gate="confident").verdict.objectives
    assert (missed.passed, met.passed) == (False, True)
    assert missed.note == met.note == "no 95 % interval: the figure itself was judged (--gate confident)"
    assert missed.needs_s == pytest.approx(44.2)
    assert greatest.note == ""
    assert all(row.note == "" for row in evaluate(result, wanted[:3], ValidityRules()).verdict.objectives)


def test_a_result_without_a_second_look_fails_no_endpoint_for_a_late_generator() -> None:
    for late, outcome in ((0, "fail"), (200, "invalid")):
        result = judged(with_lag((1_000 - late, 1), (late, 50)), "p(99) < 1ms", MOSTLY_GOOD)
        assert result.second_look is None
        assert result.verdict.outcome == outcome
        assert [row.passed for row in result.verdict.objectives] == [None if late else False, True]
    assert "an earlier version stored" in result.validity.reasons[0]
    failing = judged(with_lag((800, 1), (200, 50)), "p(99) < 1ms", "success: rate >= 99.9%")
    assert failing.verdict.outcome == "fail", "answers are not late"

"""Pauses of the generator in whole runs on virtual time: the verdict is the endpoint's, or INVALID."""

from __future__ import annotations

from typing import Any

import pytest

from loadsim.engine.scripted_endpoint import Reply
from loadsim.error_kinds import ErrorKind
from loadsim.judge import evaluate, parse_objective
from loadsim.measure.result import RunResult
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.outcome_codes import ERROR_BASE
from loadsim.plan import ValidityRules
from tests.launch.virtual import limited_to, run_virtually

MS = NS_PER_MS
FROZEN = [(4_000 * MS, 4_200 * MS)]


def document(*objectives: str, rate: str = "100/s", duration: str = "28s", **more: Any) -> dict[str, Any]:
    return {
        "target": {"url": "http://127.0.0.1:9/", "timeout": "10s", **more.pop("target", {})},
        "phases": [{"name": "load", "rate": rate, "duration": duration, **more}],
        "objectives": [*objectives, "success: rate >= 99%"],
    }


def outcomes(result: RunResult) -> tuple[str, list[bool | None]]:
    return result.verdict.outcome, [row.passed for row in result.verdict.objectives]


def test_an_endpoint_does_not_fail_for_a_frozen_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_virtually(
        monkeypatch, document("max < 150ms", "p(50) < 10ms"), limited_to(slots=1, delay_ms=4), away=FROZEN
    )
    assert outcomes(result) == ("invalid", [None, True, True])
    row = result.verdict.objectives[0]
    assert row.observed is not None
    assert row.observed > 200
    assert row.without_generator == pytest.approx(4, abs=0.1)
    (reason,) = result.validity.reasons
    assert "may be pauses of the generator, up to 20" in reason
    assert "give the generator a core of its own" in reason
    limits = result.limits
    assert limits.pauses == 1
    assert limits.away_s == pytest.approx(0.2, abs=0.01)
    assert limits.longest_pause_s == pytest.approx(0.2, abs=0.01)


def test_the_burst_after_a_pause_is_ours_too(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_virtually(monkeypatch, document("service: max < 20ms"), limited_to(slots=1, delay_ms=4), away=FROZEN)
    row = result.verdict.objectives[0]
    assert row.observed is not None
    assert row.observed > 50, "twenty events of 4 ms each queue at the endpoint"
    assert outcomes(result) == ("invalid", [None, True])


def test_a_slow_endpoint_fails_in_spite_of_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_virtually(
        monkeypatch,
        document("p(95) < 20ms", "service: p(50) < 20ms"),
        lambda *_: Reply(25 * MS),
        away=[(n * NS_PER_S, n * NS_PER_S + 30 * MS) for n in range(1, 25)],
    )
    assert outcomes(result) == ("fail", [False, False, True])
    assert [row.without_generator for row in result.verdict.objectives[:2]] == pytest.approx([25, 25], abs=0.1)


def test_an_answer_that_waited_for_us_is_not_late_and_its_event_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    # one event every two seconds, in flight for 300 ms: each pause falls into its time of flight, and over its end
    away = [(n * NS_PER_S + 200 * MS, n * NS_PER_S + 900 * MS) for n in range(0, 100, 2)]
    slow = document("p(50) < 250ms", "p(50) < 350ms", rate="30/m", duration="100s")
    result = run_virtually(monkeypatch, slow, lambda *_: Reply(300 * MS), away=away)
    assert outcomes(result) == ("fail", [False, None, True]), "what the endpoint missed, it missed"
    assert "may be pauses of the generator" in " ".join(result.validity.warnings)
    assert [row.without_generator for row in result.verdict.objectives[:2]] == pytest.approx([300, 300], abs=1)
    assert result.second_look is not None
    assert result.second_look.disturbed == {}
    receipt = result.totals.latency_ms["receipt"]
    assert receipt.p50 == pytest.approx(600, abs=2)
    assert "receipt" in result.histograms


def test_closed_runs_are_judged_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = ("events: count >= 1900", "events: rate >= 150/s over 1s", "events: rate >= 250/s over 1s")
    closed = document("max < 100ms", "events: rate >= 190/s", *counts, duration="10s", connections=2)
    closed["phases"][0].pop("rate")
    result = run_virtually(monkeypatch, closed, lambda *_: Reply(10 * MS), away=[(4 * NS_PER_S, 6 * NS_PER_S)])
    assert outcomes(result) == ("fail", [None, None, None, None, False, True])
    rows = result.verdict.objectives
    assert rows[1].without_generator == pytest.approx(200, abs=2)


def test_failures_that_a_pause_brought_about_do_not_fail_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(index: int, now_ns: int) -> Reply:
        if index in (400, 401, 402):  # due in the pause: the endpoint gave its idle connections up meanwhile
            return Reply(MS, ERROR_BASE + ErrorKind.closed_idle)
        return Reply(MS)

    few = document("errors: count == 0", "errors: count <= 1", duration="10s")
    result = run_virtually(monkeypatch, few, script, away=[(3_995 * MS, 4_100 * MS)])
    assert result.second_look is not None
    assert result.second_look.excused[""] == {"closed_idle": 3}
    assert outcomes(result) == ("invalid", [None, None, True])


def test_a_timeout_that_the_endpoint_did_not_cause_is_excused(monkeypatch: pytest.MonkeyPatch) -> None:
    patient = document("errors: count <= 0", duration="10s", target={"timeout": "500ms"})
    result = run_virtually(monkeypatch, patient, lambda *_: Reply(50 * MS), away=[(4_000 * MS, 4_800 * MS)])
    assert result.totals.errors == {"timeout": pytest.approx(5, abs=2)}
    assert outcomes(result) == ("invalid", [None, True])


def test_nothing_is_excused_where_the_generator_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_virtually(monkeypatch, document("max < 4ms"), limited_to(slots=1, delay_ms=5))
    assert outcomes(result) == ("fail", [False, True])
    assert result.limits.pauses == 0
    assert result.second_look is not None
    assert (result.second_look.disturbed, result.second_look.excused) == ({}, {})
    assert result.validity.warnings == []


def test_a_long_pause_is_load_that_was_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_virtually(
        monkeypatch,
        document("service: p(95) < 1s", "p(50) < 1s", duration="10s"),
        lambda *_: Reply(MS),
        away=[(4_000 * MS, 6_500 * MS)],
    )
    assert outcomes(result) == ("invalid", [True, True, True])
    assert any(
        "less load than planned was offered in the windows of 1s at 4 s" in line for line in result.validity.reasons
    )
    assert any("the load was not offered as planned" in line for line in result.validity.reasons)


def test_windows_are_judged_once_more_too(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = ("p(90) < 30ms over 1s", "p(90) < 3ms over 1s", "events: rate >= 90/s over 250ms", "max < 30ms over 5s")
    result = run_virtually(
        monkeypatch, document(*windows, duration="10s"), limited_to(slots=1, delay_ms=4), away=FROZEN
    )
    assert outcomes(result) == ("fail", [None, False, None, None, True])
    rows = result.verdict.objectives
    assert [row.without_generator for row in rows[:2]] == pytest.approx([4, 4], abs=0.1)
    assert result.second_look is not None
    ((start, end),) = result.second_look.touched_s
    assert (start, end >= 4.5) == (4.0, True)
    again = evaluate(result, [parse_objective("p(90) < 30ms over 2s")], ValidityRules())
    assert again.verdict.objectives[0].passed is None, "windows that nobody counted, and that the pause touches"


def test_a_window_without_a_pause_fails_for_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(index: int, _: int) -> Reply:
        return Reply(50 * MS if 700 <= index < 800 else MS)

    wanted = document("p(90) < 30ms over 1s", "errors: count == 0 over 1s", duration="10s")
    result = run_virtually(monkeypatch, wanted, script, away=FROZEN)
    assert outcomes(result) == ("fail", [False, True, True])
    assert result.verdict.objectives[0].without_generator == pytest.approx(50, abs=0.1)


BUSY = [(n * 500 * MS, n * 500 * MS + 30 * MS) for n in range(1, 19)]


def test_an_endpoint_that_fails_all_the_time_fails_windows_of_counts_on_a_busy_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = (
        "success: rate >= 90% over 1s",
        "errors: count <= 5 over 1s",
        "errors: count == 0 over 1s",
        "events{status:5xx}: rate < 10/s over 1s",
    )
    result = run_virtually(monkeypatch, document(*wanted, duration="10s"), lambda *_: Reply(MS, 500), away=BUSY)
    assert result.limits.pauses == len(BUSY)
    assert outcomes(result) == ("fail", [False] * 5)
    assert result.verdict.objectives[0].without_generator == 0
    stored = evaluate(
        result, [parse_objective("success: rate >= 80% over 2s"), parse_objective("errors: count < 9 over 2s")],
        ValidityRules(),
    )  # fmt: skip
    assert outcomes(stored) == ("fail", [False, False]), "windows that nobody counted"


def test_a_burst_after_a_pause_fails_no_window_of_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ("errors: count <= 12 over 1s", "errors: count == 10 over 1s", "sent: count <= 110 over 1s")
    result = run_virtually(
        monkeypatch, document(*wanted, duration="10s"), lambda index, _: Reply(MS, 500 if index % 10 == 0 else 200),
        away=[(3_600 * MS, 4_200 * MS)],
    )  # fmt: skip
    assert result.verdict.objectives[0].observed == pytest.approx(14, abs=1)
    assert outcomes(result) == ("fail", [None, None, None, False]), "a tenth fails, pause or not"


def test_failures_that_a_pause_brought_about_fail_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(index: int, now_ns: int) -> Reply:
        return Reply(MS, ERROR_BASE + ErrorKind.closed_idle if index in (400, 401, 402) else 200)

    few = document("errors: count == 0 over 1s", "success: rate >= 99% over 1s", duration="10s")
    result = run_virtually(monkeypatch, few, script, away=[(3_995 * MS, 4_100 * MS)])
    assert outcomes(result) == ("invalid", [None, None, True])


def test_events_that_the_endpoint_lost_are_missing_in_spite_of_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(index: int, now_ns: int) -> Reply:
        return Reply(MS, ERROR_BASE + ErrorKind.closed_early if index in (100, 101, 102) else 200)

    wanted = document("events: count >= 1000", "events: count == 1000", duration="10s")
    result = run_virtually(monkeypatch, wanted, script, away=[(4_000 * MS, 4_300 * MS)])
    assert outcomes(result) == ("fail", [False, False, True])


def test_a_lower_limit_is_open_where_a_disturbed_event_decides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(index: int, now_ns: int) -> Reply:
        return Reply(MS if 400 <= index < 410 else 20 * MS)

    wanted = document("service: min > 10ms", "service: min > 30ms", "service: min > 10ms over 5s", duration="10s")
    result = run_virtually(monkeypatch, wanted, script, away=[(3_990 * MS, 4_105 * MS)])
    assert outcomes(result) == ("fail", [None, False, None, True])

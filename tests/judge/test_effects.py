"""Objectives over effects."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import RunResult
from loadsim.measure.result_effects import EffectsFound
from loadsim.model import UsageError
from loadsim.plan.scenario import ObjectiveRule, ValidityRules
from tests.builders import run_result, stats

FOUND = EffectsFound(
    source="http",
    place="http://127.0.0.1/effects",
    acknowledged=60_000,
    done=59_990,
    undone=10,
    repeated=2,
    before_ack=1,
    effect_ms=stats(900.0),
    ack_to_effect_ms=stats(800.0),
    backlog_max=700,
    backlog_avg=310.5,
    backlog_at_end=650,
    backlog_last=10,
    drained_s=60.0,
    drained=False,
)


def result(**changes: Any) -> RunResult:
    return run_result(effects=msgspec.structs.replace(FOUND, **changes))


def judged(text: str, found: RunResult) -> tuple[str, float | None]:
    verdict = evaluate(found, objectives_of([text], vocabulary_of(found), defaults=False), ValidityRules()).verdict
    return verdict.outcome, verdict.objectives[0].observed


@pytest.mark.parametrize(
    ("text", "outcome", "observed"),
    [
        ("effect: p(50) < 1s", "pass", 900.0),
        ("effect: p(99) < 1s", "fail", 9900.0),
        ("ack_to_effect: med < 1s", "pass", 800.0),
        ("backlog: max < 1000", "pass", 700.0),
        ("backlog: max < 700", "fail", 700.0),
        ("backlog: last == 0", "fail", 10.0),
        ("backlog: avg < 311", "pass", 310.5),
        ("undone: count == 0", "fail", 10.0),
        ("undone: rate < 1/s", "pass", 10 / 30),
        ("effects_repeated: count < 3", "pass", 2.0),
        ("effect_before_ack: count == 0", "fail", 1.0),
    ],
)
def test_each_figure_is_judged(text: str, outcome: str, observed: float) -> None:
    found = judged(text, result())
    assert found[0] == outcome
    assert found[1] == pytest.approx(observed)


def test_a_drain_that_did_not_end_took_at_least_as_long_as_the_wait() -> None:
    assert judged("drained: value < 30s", result()) == ("fail", 60_000.0)
    assert judged("drained: value < 90s", result()) == ("invalid", 60_000.0)
    assert judged("drained: value < 90s", result(drained=True)) == ("pass", 60_000.0)
    assert judged("drained: value < 30s", result(drained=True)) == ("fail", 60_000.0)


def test_a_source_of_no_use_leaves_its_objectives_open_and_no_others() -> None:
    found = result(problem="it could not be read: answered 503")
    after = evaluate(found, objectives_of(["undone: count == 0"], vocabulary_of(found)), ValidityRules())
    assert after.verdict.outcome == "invalid", "whatever the other objectives say"
    assert [row.passed for row in after.verdict.objectives] == [None, False]
    assert "answered 503" in after.validity.reasons[0]
    assert judged("success: rate >= 90%", found)[0] == "pass"


def test_a_miss_within_the_generators_own_lag_is_no_fail() -> None:
    """The effect counts from the due time, so it contains how late the event was sent."""
    late = run_result(effects=msgspec.structs.replace(FOUND, effect_ms=stats(900.0)))
    latencies = {**late.totals.latency_ms, "lag": msgspec.structs.replace(stats(0.05), max=200.0)}
    late = msgspec.structs.replace(late, totals=msgspec.structs.replace(late.totals, latency_ms=latencies))
    from loadsim.judge.without_generator import without_generator

    (objective,) = objectives_of(["effect: p(50) < 800ms"], vocabulary_of(late), defaults=False)
    assert without_generator(late, objective, 900.0, lambda a, b: a < b) in (None, pytest.approx(700.0))


def test_without_a_source_they_are_refused() -> None:
    with pytest.raises(UsageError, match="needs a source of effects"):
        objectives_of(["undone: count == 0"], vocabulary_of(run_result()))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("effect: p(99) < 5s over 10s", "not over windows"),
        ("effect{phase:steady}: p(99) < 5s", "without tags"),
        ("backlog: p(99) < 5", "aggregation of backlog"),
        ("drained: max < 5s", "aggregation of drained"),
        ("drained: value < 5/s", "unit"),
    ],
)
def test_what_cannot_be_known_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        objectives_of([text], vocabulary_of(result()))


def test_only_a_backlog_that_grew_too_far_can_end_a_run() -> None:
    vocabulary = vocabulary_of(result())
    assert objectives_of([ObjectiveRule(objective="backlog: max < 1000", abort=True)], vocabulary)[0].abort
    for text in ("backlog: avg < 5", "backlog: last == 0", "undone: count == 0", "effect: p(99) < 5s"):
        with pytest.raises(UsageError, match="cannot end one early"):
            objectives_of([ObjectiveRule(objective=text, abort=True)], vocabulary)

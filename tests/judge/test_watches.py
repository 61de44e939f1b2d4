"""Objectives over watches."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import RunResult
from loadsim.measure.result_watches import WatchSeries
from loadsim.model import UsageError
from loadsim.plan.scenario import ObjectiveRule, ValidityRules
from tests.builders import run_result

QUEUE = WatchSeries(
    name="queue_depth",
    kind="url",
    place="http://127.0.0.1/metrics",
    metric="jobs",
    reading="gauge",
    unit="",
    every_s=1.0,
    samples=3,
    min=-2.0,
    avg=300.5,
    max=900.0,
    last=0.0,
)
RSS = msgspec.structs.replace(QUEUE, name="app: rss", kind="pid", unit="bytes", max=450e6, last=400e6)
WORK = msgspec.structs.replace(QUEUE, name="work", reading="p99", unit="s", max=0.75)
GONE = msgspec.structs.replace(
    QUEUE, name="gone", samples=0, gaps=9, why_gaps={"answered 503": 2, "no answer within 0.9 s": 7}, max=None
)


def judged(text: str, **changes: Any) -> RunResult:
    found = run_result(watches=[QUEUE, RSS, WORK, GONE], **changes)
    return evaluate(found, objectives_of([text], vocabulary_of(found), defaults=False), ValidityRules())


@pytest.mark.parametrize(
    ("text", "outcome", "observed", "unit"),
    [
        ("watch{name:queue_depth}: max < 1000", "pass", 900.0, "number"),
        ("watch{name:queue_depth}: max < 900", "fail", 900.0, "number"),
        ("watch{ name : queue_depth }: avg <= 300.5", "pass", 300.5, "number"),
        ("watch{name:queue_depth}: min >= 0", "fail", -2.0, "number"),
        ("watch{name:queue_depth}: last == 0", "pass", 0.0, "number"),
        ("watch{name:app: rss}: max < 500MB", "pass", 450e6, "bytes"),
        ("watch{name:app: rss}: max < 0.4GB", "fail", 450e6, "bytes"),
        ("watch{name:work}: max < 800ms", "pass", 0.75, "s"),
        ("watch{name:work}: max < 0.7s", "fail", 0.75, "s"),
    ],
)
def test_objectives_on_watches(text: str, outcome: str, observed: float, unit: str) -> None:
    verdict = judged(text).verdict
    (row,) = verdict.objectives
    assert (verdict.outcome, row.observed, row.unit) == (outcome, observed, unit)


def test_a_watch_that_was_never_read_makes_the_run_invalid_and_says_why() -> None:
    found = judged("watch{name:gone}: max < 5")
    assert found.verdict.outcome == "invalid"
    assert found.validity.reasons == [
        "objective 'watch{name:gone}: max < 5' cannot be judged: watch gone could not be read: no answer within 0.9 s"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("watch: max < 5", "watch needs the name of its [[watch]], as in watch{name:queue_depth}"),
        ("watch{queue_depth}: max < 5", "watch needs the name of its [[watch]]"),
        ("watch{phase:steady}: max < 5", "watch needs the name of its [[watch]]"),
        ("watch{name:queue_dept}: max < 5", "unknown watch 'queue_dept', did you mean \"queue_depth\"?"),
        ("watch{name:queue_depth}: p(99) < 5", "unknown aggregation of watch 'p(99)'"),
        ("watch{name:queue_depth}: max < 5%", "unknown unit '%'"),
        ("watch{name:queue_depth}: max < 5 over 10s", "watch is known for the whole run only, not over windows"),
        ("response{name:queue_depth}: p(99) < 5", "unknown tag 'name'"),
    ],
)
def test_what_cannot_be_asked_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        judged(text)
    assert said in str(caught.value)


def test_a_watch_does_not_end_a_run() -> None:
    vocabulary = vocabulary_of(run_result(watches=[QUEUE]))
    rule = ObjectiveRule(objective="watch{name:queue_depth}: max < 5", abort=True)
    with pytest.raises(UsageError, match="watch is known when the run is over"):
        objectives_of([rule], vocabulary)


def test_without_watches_it_says_what_is_missing() -> None:
    with pytest.raises(UsageError, match=r"'watch' needs a figure of the endpoint's own, and none is read"):
        objectives_of(["watch{name:a}: max < 5"], vocabulary_of(run_result()))

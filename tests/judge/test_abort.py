"""An objective that cannot hold any more stays so, whatever the events to come do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.judge import objectives_of, parse_objective
from loadsim.judge.abort import cannot_hold, reach, why_cannot_hold
from loadsim.judge.verdict import OPERATORS
from loadsim.judge.vocabulary import (
    AGGREGATIONS,
    EFFECT_METRICS,
    METRICS,
    WHOLE_RUN_METRICS,
    vocabulary_of_scenario,
)
from loadsim.judge.window_objectives import value_of
from loadsim.measure.cells import Cells, Metric, layout
from loadsim.model import Objective, UsageError
from loadsim.plan import from_document
from loadsim.plan.scenario import ObjectiveRule

WHOLE = vocabulary_of_scenario(
    from_document(
        {
            "name": "everything that can be asked",
            "target": {"url": "http://127.0.0.1:9/", "ledger": "http://127.0.0.1:9/ledger"},
            "effects": {"url": "http://127.0.0.1:9/effects"},
            "watch": [{"name": "queue", "pid": 1, "metric": "rss"}],
            "events": [{"type": "a"}],
            "cases": [{"kind": "bad-signature", "share": 0.1, "expect": "refuse"}],
            "phases": [{"name": "load", "rate": "10/s", "duration": "10s"}],
            "retry": {"profile": "stripe"},
        },
        "test",
    )
)
CODES = [200, 204, 401, 503, 1003, 2000]
LATENCY = ["p(50)", "p(90)", "p(99)", "max", "min", "avg"]
OTHER = ["success: rate", "events: count", "errors: count", "events: rate", "events{status:503}: count"]


def latencies(ms: list[int]) -> Cells:
    keys, counts = np.unique(layout(Metric.response).index(np.array(ms, dtype=np.int64) * 1000), return_counts=True)
    return Cells(keys, counts)


def codes(given_codes: list[int]) -> Cells:
    keys, counts = np.unique(np.array(given_codes, dtype=np.int64), return_counts=True)
    return Cells(keys, counts)


def holds(objective: Objective, cells: Cells) -> bool | None:
    value, _ = value_of(objective, cells, 10.0)
    return None if value is None else OPERATORS[objective.op](value, objective.value)


@given(
    st.lists(st.integers(1, 9), max_size=80),
    st.lists(st.integers(1, 9), max_size=80),
    st.integers(0, 5),
    st.sampled_from(LATENCY),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.integers(1, 9),
)
def test_a_lost_latency_never_recovers(
    seen: list[int], rest: list[int], spare: int, aggregation: str, op: str, limit: int
) -> None:
    objective = parse_objective(f"{aggregation} {op} {limit}ms")
    bounds = reach(objective, latencies(seen), len(rest) + spare, None)
    if cannot_hold(objective, *bounds):
        assert holds(objective, latencies(seen + rest)) is not True
    assert not cannot_hold(objective, *reach(objective, latencies(seen), None, None)) or aggregation in ("max", "min")


@given(
    st.lists(st.sampled_from(CODES), max_size=40),
    st.lists(st.sampled_from(CODES), max_size=40),
    st.integers(0, 5),
    st.sampled_from(OTHER),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.integers(0, 20),
)
def test_a_lost_count_never_recovers(
    seen: list[int], rest: list[int], spare: int, figure: str, op: str, limit: int
) -> None:
    objective = parse_objective(f"{figure} {op} {limit / 20 if 'success' in figure else limit}")
    for to_come in (len(rest) + spare, None):
        if cannot_hold(objective, *reach(objective, codes(seen), to_come, 10.0)):
            assert holds(objective, codes(seen + rest)) is not True


@pytest.mark.parametrize(
    ("text", "seen", "to_come", "expected"),
    [
        ("p(90) < 5ms", [1] * 50 + [9] * 10, 40, False),  # 10 of 100 may be over
        ("p(90) < 5ms", [1] * 49 + [9] * 11, 40, True),
        ("p(90) < 5ms", [9] * 30, None, False),
        ("p(99) < 5ms", [9] * 30, 100, False),  # it will have too few samples to be judged at all
        ("max < 5ms", [9], None, True),
        ("p(50) > 5ms", [1] * 50, 50, True),
        ("p(50) > 5ms", [1] * 49, 51, False),
        ("min > 5ms", [1], None, True),
        ("avg < 5ms", [9] * 60, 40, True),
    ],
)
def test_rank_arithmetic(text: str, seen: list[int], to_come: int | None, *, expected: bool) -> None:
    objective = parse_objective(text)
    assert cannot_hold(objective, *reach(objective, latencies(seen), to_come, None)) is expected


@pytest.mark.parametrize(
    ("text", "to_come", "says"),
    [
        (
            "success: rate >= 90%",
            80,
            "rate of success is 89 % at most, whatever the outcome of the events to come (at most 80)",
        ),
        ("errors: count < 5", None, "count of errors is 11 at least"),
        ("events: count >= 100", 0, "count of events is 20"),
        ("errors: count == 0", None, "count of errors is 11 at least"),
    ],
)
def test_the_reason_has_its_figure(text: str, to_come: int | None, says: str) -> None:
    objective = parse_objective(text)
    bounds = reach(objective, codes([200] * 9 + [500] * 11), to_come, None)
    assert cannot_hold(objective, *bounds)
    assert why_cannot_hold(objective, *bounds, to_come).startswith(says)


@pytest.mark.parametrize(
    ("metric", "aggregation"),
    [(metric, each) for metric, kind in METRICS.items() for each in AGGREGATIONS[kind]],
)
def test_what_may_end_a_run_is_followed_or_refused_before(metric: str, aggregation: str) -> None:
    named = "watch{name:queue}" if metric == "watch" else metric
    rule = ObjectiveRule(objective=f"{named}: {aggregation.replace('N', '50')} < 1", abort=True)
    if metric in WHOLE_RUN_METRICS and (metric, aggregation) != ("backlog", "max"):
        with pytest.raises(UsageError, match="cannot end one early"):
            objectives_of([rule], WHOLE)
        objectives_of([rule.objective], WHOLE)  # without abort it can be asked
        return
    (objective, *_) = objectives_of([rule], WHOLE)
    if metric in EFFECT_METRICS:
        return  # it is followed by the watch over effects
    cells = latencies([1, 9]) if METRICS[metric] == "trend" else codes([200, 503])
    for to_come in (None, 0, 5):
        low, high = reach(objective, cells, to_come, 1.0)
        assert low <= high

"""Objectives that a plan can never support are found before the run; all others are not refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.judge.enough_events import why_unsupported
from loadsim.judge.objectives import parse_objective
from loadsim.launch.result_of_frames import stratum_names
from loadsim.measure.sample_sizes import least_count
from loadsim.plan import Plan
from tests.plan.support import TYPES, scenario_of

MIX = [{"type": TYPES[0]}, {"type": TYPES[1], "weight": 0.01}]


def why(text: str, *phases: dict[str, Any], seed: int = 1, **more: Any) -> str:
    plan = Plan(scenario_of(*phases, **more), seed)
    return why_unsupported(parse_objective(text), plan, stratum_names(plan))


def steady(rate: str, duration: str = "10s", **more: Any) -> dict[str, Any]:
    return {"name": "x", "duration": duration, "rate": rate, **more}


def test_a_percentile_needs_its_events() -> None:
    assert least_count(0.99) == 368
    assert why("p(99) < 1s", steady("36/s")) == "p(99) needs 368 samples, and this plan has 360 such events"
    assert why("p(99) < 1s", steady("37/s")) == ""
    assert why("service{status:2xx}: p(99) < 1s", steady("36/s"))
    assert why("max < 1s", steady("1/s")) == why("success: rate > 99%", steady("1/s")) == ""


def test_only_recorded_events_count_and_only_those_that_are_meant() -> None:
    warm = {**steady("1000/s"), "name": "w", "record": False}
    assert "this plan has 100 such events" in why("p(99) < 1s", warm, steady("10/s"))
    both = (steady("30/s"), {**steady("30/s"), "name": "y"})
    assert why("p(99) < 1s", *both) == ""
    assert "300 such events" in why("response{phase:y}: p(99) < 1s", *both)
    assert why(f"response{{event:{TYPES[0]}}}: p(99) < 1s", steady("100/s"), events=MIX) == ""
    assert why(f"response{{event:{TYPES[1]}}}: p(99) < 1s", steady("100/s"), events=MIX)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(30, 43))
def test_poisson_arrivals_are_those_that_the_seed_gives(seed: int, rate: int) -> None:
    phase = steady(f"{rate}/s", arrivals="poisson")
    plan = Plan(scenario_of(phase), seed)
    drawn = sum(len(block.due) for block in plan.blocks(0))
    assert bool(why("p(99) < 1s", phase, seed=seed)) == (drawn < 368)


def test_windows_are_counted_each() -> None:
    assert why("p(90) < 1s over 1s", steady("36/s")) == ""
    assert "in every window, and in the one at 0 s 30 such events fall due" in why("p(90) < 1s over 1s", steady("30/s"))
    rising = {"name": "x", "duration": "10s", "from": "1/s", "to": "100/s"}
    assert "at 0 s" in why("p(90) < 1s over 2s", rising)
    dues = [at for block in Plan(scenario_of(rising), 1).blocks(0) for at in block.due]
    first = int(np.sum(np.array(dues) < 2_000_000_000))
    assert f"{first} such events" in why("p(90) < 1s over 2s", rising)


@pytest.mark.parametrize("text", ["p(99.99) < 1s", "p(99) < 1s over 1s", "max < 1s"])
def test_what_the_endpoint_decides_is_not_refused(text: str) -> None:
    assert why(text, {"name": "x", "duration": "1s", "connections": 4}) == ""


def test_a_closed_run_of_few_events_is_refused() -> None:
    few = {"name": "x", "connections": 4, "events": 100}
    assert "this plan has 100 such events" in why("p(99) < 1s", few)
    assert why("p(90) < 1s", few) == ""


def test_connections_and_attempts_are_not_events() -> None:
    assert why("connect: p(99) < 1s", steady("1/s")) == ""
    retry = {"profile": "svix"}
    assert why("lag: p(99) < 1s", steady("1/s"), retry=retry) == ""
    assert why("lag: p(99) < 1s", steady("1/s"))

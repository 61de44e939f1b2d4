"""Which phases come after a pause."""

from __future__ import annotations

from typing import Any

from loadsim.plan.pauses import Resumed, resumed_phases
from loadsim.plan.plan import Plan
from tests.plan.support import S, scenario_of


def resumed(*phases: dict[str, Any]) -> list[Resumed]:
    return resumed_phases(Plan(scenario_of(*phases), 7))


LOAD: dict[str, Any] = {"rate": "10/s", "duration": "2s"}
IDLE: dict[str, Any] = {"rate": "0/s", "duration": "5s"}


def test_phases_of_rate_0_are_pauses_and_add_up() -> None:
    assert resumed(LOAD, IDLE, LOAD) == [Resumed("p2", 5 * S, 7 * S, 9 * S)]
    assert resumed(LOAD, IDLE, {**IDLE, "record": False}, LOAD) == [Resumed("p3", 10 * S, 12 * S, 14 * S)]
    assert resumed(IDLE, LOAD, LOAD, IDLE) == [Resumed("p1", 5 * S, 5 * S, 7 * S)]


def test_what_is_no_pause_or_not_recorded_has_none() -> None:
    assert resumed(LOAD, LOAD) == []
    assert resumed(LOAD, {"from": "0/s", "to": "9/s", "duration": "2s"}, LOAD) == []
    assert resumed(LOAD, IDLE, {**LOAD, "record": False}, LOAD) == []


def test_a_closed_phase_may_follow_a_pause_that_is_not_recorded() -> None:
    closed = {"connections": 4, "events": 100}
    assert resumed({**IDLE, "record": False}, closed) == [Resumed("p1", 5 * S, 5 * S, None)]

"""Arrivals as recorded: the capture's own gaps, over and over, as many times as fast as asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.plan import Plan, Scenario, ScenarioError, from_document
from loadsim.plan.arrivals.recorded import Pace

PACE = (0, 100_000_000, 400_000_000)
"""In ns: one round lasts 600 ms."""


def document(*phases: dict[str, Any], **keys: Any) -> dict[str, Any]:
    table = {"name": "p", "arrivals": "recorded", "duration": "1s"}
    return {
        "name": "s",
        "target": {"url": "http://h/"},
        "events": [{"type": "mine", "payloads": "capture.ndjson"}],
        "phases": [table | {"name": f"p{number}"} | phase for number, phase in enumerate(phases or ({},))],
        **keys,
    }


def scenario(*phases: dict[str, Any], **keys: Any) -> Scenario:
    return from_document(document(*phases, **keys), "s.toml", known_types=["other"])


def arrivals(plan: Plan, shards: int = 1) -> list[tuple[int, int]]:
    found = []
    for phase in plan.phases:
        for shard in range(shards):
            for block in plan.blocks(phase.number, shard, shards):
                found += list(zip(block.due, block.index, strict=True))
    return sorted(found)


def test_events_are_due_at_the_recorded_gaps_and_the_capture_begins_again() -> None:
    plan = Plan(scenario(), 7, PACE)
    ms = [due // 1_000_000 for due, _ in arrivals(plan)]
    assert ms == [0, 100, 400, 600, 700]
    assert plan.phases[0].limit == len(ms)
    assert plan.expected_events(0) == len(ms)
    assert [plan.due_of(index) for _, index in arrivals(plan)] == [due for due, _ in arrivals(plan)]
    with pytest.raises(IndexError):
        plan.due_of(len(ms))


def test_a_speed_shortens_every_gap() -> None:
    ms = [due // 1_000_000 for due, _ in arrivals(Plan(scenario({"speed": 2.0}), 7, PACE))]
    assert ms == [0, 50, 200, 300, 350, 500, 600, 650, 800, 900, 950]


def test_a_longer_gap_than_max_gap_is_shortened_to_it_before_the_speed() -> None:
    ms = [due // 1_000_000 for due, _ in arrivals(Plan(scenario({"max_gap": "150ms"}), 7, PACE))]
    assert ms == [0, 100, 250, 375, 475, 625, 750, 850]
    both = scenario({"max_gap": "150ms", "speed": 2.0, "duration": "500ms"})
    assert [due // 500_000 for due, _ in arrivals(Plan(both, 7, PACE))] == ms
    with pytest.raises(ScenarioError, match="max_gap: must be more than 0"):
        scenario({"max_gap": "0s"})
    with pytest.raises(ScenarioError, match='max_gap: goes with arrivals = "recorded" only'):
        scenario({"max_gap": "1s", "arrivals": "poisson", "rate": "5/s"})


@given(st.lists(st.integers(0, 10**10), min_size=2, max_size=20).filter(any), st.integers(1, 10**10))
def test_no_gap_is_longer_than_max_gap_and_shorter_ones_stay(gaps: list[int], most: int) -> None:
    pace = [0]
    for gap in gaps:
        pace.append(pace[-1] + gap)
    phase = scenario().phases[0]
    due = Pace(pace, most).due(phase, 0, 0, len(pace))
    for gap, found in zip(gaps, np.diff(due), strict=True):
        assert abs(int(found) - min(gap, most)) <= 2


def test_a_later_phase_goes_on_with_the_next_row() -> None:
    plan = Plan(scenario({"duration": "200ms"}, {"duration": "500ms"}), 7, PACE)
    assert [(due // 1_000_000, index) for due, index in arrivals(plan)] == [
        (0, 0),
        (100, 1),
        (200, 2),
        (400, 3),
        (500, 4),
    ]


@given(
    st.lists(st.integers(0, 100), min_size=2, max_size=30).map(sorted).filter(lambda at: at[-1] > at[0]),
    st.floats(0.1, 10),
    st.integers(1, 3),
)
def test_due_times_do_not_fall_stay_in_the_phase_and_split_without_loss(
    at: list[int], speed: float, shards: int
) -> None:
    plan = Plan(scenario({"speed": speed, "duration": "700ms"}), 7, [(each - at[0]) * 10_000_000 for each in at])
    whole = arrivals(plan)
    dues = [due for due, _ in whole]
    assert dues == sorted(dues)
    assert dues[0] == 0
    assert dues[-1] < 700_000_000
    assert [index for _, index in whole] == list(range(len(whole)))
    assert arrivals(plan, shards) == whole


@pytest.mark.parametrize(
    ("phase", "keys", "message"),
    [
        ({"rate": "5/s"}, {}, 'phases[0].rate: arrivals = "recorded" is given too'),
        ({"from": "5/s", "to": "6/s"}, {}, "phases[0].from: arrivals"),
        ({"burst": "1s"}, {}, "phases[0].burst: goes with"),
        ({"speed": 0.0}, {}, "phases[0].speed: must be more than 0"),
        ({"speed": float("inf")}, {}, "phases[0].speed: must be more than 0"),
        ({"duration": None}, {}, "phases[0].duration: is missing"),
        ({"connections": 2}, {}, "phases[0].arrivals: a closed phase has no arrivals"),
        ({"arrivals": "constant", "rate": "1/s", "speed": 2.0}, {}, 'phases[0].speed: goes with arrivals = "recorded"'),
        ({}, {"events": [{"type": "other"}]}, "phases[0].arrivals: needs exactly one [[events]], with payloads"),
        ({}, {"events": [{"type": "a,b", "payloads": "x"}]}, "events[0].type: must be a text without"),
        (
            {},
            {"events": [{"type": "a", "payloads": "x", "set": {"b": 1}}]},
            "payloads: is sent byte for byte",
        ),
    ],
)
def test_what_does_not_fit_is_refused(phase: dict[str, Any], keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        scenario(phase, **keys)
    assert message in str(refused.value)


def test_a_plan_without_its_pace_is_an_error_of_the_program() -> None:
    with pytest.raises(ValueError, match="need the pace"):
        Plan(scenario(), 7)


def test_the_document_comes_back_as_it_was() -> None:
    given_scenario = scenario({"speed": 2.5})
    assert from_document(given_scenario.document(), "again") == given_scenario

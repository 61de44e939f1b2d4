"""Scenarios made of options: a quick one without a file, and options that are laid over one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.plan import (
    Plan,
    Scenario,
    ScenarioError,
    override,
    quick_scenario,
)
from tests.plan.support import HEAD, SCHEMES, STEADY, TYPES, S, load

URL = "http://127.0.0.1:8080/hook"


def quick(**options: Any) -> Scenario:
    return quick_scenario(URL, known_types=TYPES, known_schemes=SCHEMES, **options)


def test_without_options_ten_connections_run_for_ten_seconds() -> None:
    phase = quick().phases[0]
    assert (phase.connections, phase.duration, phase.events, phase.record) == (10, 10 * S, None, True)


def test_connections_alone_are_that_many_in_flight() -> None:
    scenario = quick(connections=300, duration=3 * S)
    assert (scenario.phases[0].connections, scenario.phases[0].duration) == (300, 3 * S)
    assert scenario.target.connections == 300


def test_a_rate_makes_it_open_and_connections_cap_the_pool() -> None:
    scenario = quick(rate=Fraction(500))
    assert scenario.phases[0].rate == 500
    assert (scenario.phases[0].model, scenario.target.connections) == ("open", 256)
    assert quick(rate=Fraction(500), connections=8).target.connections == 8


def test_a_number_of_events_ends_a_closed_run() -> None:
    phase = quick(events=70).phases[0]
    assert (phase.events, phase.duration) == (70, None)
    phase = quick(events=70, duration=S).phases[0]
    assert (phase.events, phase.duration) == (70, S)


@given(st.integers(1, 30_000), st.fractions(min_value=Fraction(1, 100), max_value=5000).map(lambda r: round(r, 2)))
@settings(deadline=None)
def test_a_number_of_events_is_met_exactly_in_an_open_run(events: int, rate: Fraction) -> None:
    assert Plan(quick(events=events, rate=max(rate, Fraction(1, 100))), 1).phases[0].limit == events


def test_an_open_run_ends_with_its_duration_when_that_comes_first() -> None:
    assert Plan(quick(events=1000, rate=Fraction(10), duration=3 * S), 1).phases[0].limit == 30


def test_a_mix_and_target_keys_are_taken_as_given() -> None:
    scenario = quick(mix=[(TYPES[1], 3.0)], target={"timeout": "2s", "headers": {"A": "b"}}, objectives=["max < 1s"])
    assert [(event.type, event.weight) for event in scenario.events] == [(TYPES[1], 3.0)]
    assert scenario.target.timeout == 2 * S
    assert scenario.objectives == ("max < 1s",)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"connections": 0}, "command line: "),
        ({"rate": Fraction(0), "events": 5}, "command line: events: a rate of 0"),
        ({"rate": Fraction(0)}, "command line: phases: no event is due"),
        ({"mix": [("nope", 1.0)]}, 'no such event type: "nope"'),
        ({"target": {"timeout": "2"}}, "command line: target.timeout: '2' has no unit"),
        ({"target": {"scheme": "nope"}}, "no such signature scheme"),
    ],
)
def test_wrong_options_end_in_one_line(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        quick(**options)
    assert expected in str(caught.value)


def test_options_are_laid_over_a_scenario() -> None:
    base = load(HEAD + 'secret_env = "A"\nheaders = { X = "1", Y = "2" }\n' + 'timeout = "3s"\n' + STEADY)
    changed = override(
        base,
        target={"url": URL, "secret_file": "s.txt", "headers": {"Y": "3"}},
        objectives=["max < 1s"],
        seed=4,
        known_schemes=SCHEMES,
    )
    assert (changed.target.url, changed.target.secret_env, changed.target.secret_file) == (URL, None, "s.txt")
    assert changed.target.headers == {"X": "1", "Y": "3"}
    assert changed.target.timeout == 3 * S
    assert (changed.objectives, changed.seed, changed.phases) == (("max < 1s",), 4, base.phases)
    with pytest.raises(ScenarioError, match=r"^command line: target\.timeout: "):
        override(base, target={"timeout": "0s"})

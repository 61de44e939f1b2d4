"""Scenarios for the tests of this room: written by hand, and drawn by hypothesis."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st

from loadsim.plan import Phase, Scenario, ScenarioError, from_document, load_scenario

TYPES = ("desktop.activity_tracking.captured", "desktop.app_tracking.captured", "desktop.screenshot_tracking.captured")
SCHEMES = ("trackpilots", "github", "stripe")

S = 1_000_000_000

HEAD = 'name = "t"\n[target]\nurl = "embedded"\n'
STEADY = '[[phases]]\nname = "steady"\nduration = "30s"\nrate = "500/s"\n'


def load(text: str, **known: Any) -> Scenario:
    """A scenario from TOML, called `f.toml` in messages."""
    return load_scenario(text, source="f.toml", **{"known_types": TYPES, "known_schemes": SCHEMES, **known})


def message(text: str, **known: Any) -> str:
    """The one line that a wrong scenario ends in."""
    with pytest.raises(ScenarioError) as caught:
        load(text, **known)
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.exit_code == 2
    return line


def scenario_of(*phases: dict[str, Any], **rest: Any) -> Scenario:
    """A scenario of phases in the file's keys and units; names are given where absent."""
    named = [{"name": f"p{number}", **phase} for number, phase in enumerate(phases)]
    document = {"name": "t", "target": {"url": "embedded"}, "phases": named, **rest}
    return from_document(document, "f.toml", known_types=TYPES)


durations = st.integers(min_value=1, max_value=20_000).map(lambda ms: f"{ms}ms")
rates = st.one_of(
    st.integers(min_value=0, max_value=400).map(lambda n: f"{n}/s"),
    st.decimals(min_value=0, max_value=2_000, places=3).map(lambda n: f"{n}/m"),
    st.integers(min_value=1, max_value=100_000).map(lambda n: f"{n}/h"),
)
periods = st.one_of(st.none(), st.integers(min_value=1, max_value=30_000).map(lambda ms: f"{ms}ms"))


@st.composite
def open_phases(draw: st.DrawFn) -> dict[str, Any]:
    """An open phase of at most some thousand events, in the file's keys and units."""
    phase: dict[str, Any] = {"duration": draw(durations), "record": draw(st.booleans())}
    if draw(st.booleans()):
        phase["rate"] = draw(rates)
    else:
        phase |= {"from": draw(rates), "to": draw(rates)}
    phase["arrivals"] = draw(st.sampled_from(["constant", "poisson", "burst"]))
    period = draw(periods)
    if phase["arrivals"] == "burst" and period is not None:
        phase["burst"] = period
    return phase


@st.composite
def open_scenarios(draw: st.DrawFn) -> Scenario:
    """One to three open phases, the last of which is recorded and has an event for certain."""
    phases = draw(st.lists(open_phases(), max_size=2))
    last = {**draw(open_phases()), "record": True}
    if not any(last.get(key, "0/s")[:1] in "123456789" for key in ("rate", "from", "to")):
        last = {"duration": "3s", "rate": "100/s"}
    weights = draw(st.lists(st.integers(min_value=0, max_value=5), min_size=3, max_size=3).filter(any))
    events = [{"type": name, "weight": weight} for name, weight in zip(TYPES, weights, strict=True)]
    cases = draw(st.sampled_from([[], [{"kind": "forged", "share": 0.25}]]))
    if cases:
        shares = draw(st.lists(st.none() | st.floats(0.01, 1), min_size=len(phases) + 1, max_size=len(phases) + 1))
        given = [{} if share is None else {"shares": {"forged": share}} for share in shares]
        *phases, last = [phase | extra for phase, extra in zip([*phases, last], given, strict=True)]
    return scenario_of(*phases, last, events=events, cases=cases)


def exact_position(phase: Phase, t_ns: int) -> Fraction:
    """Λ(t): how many events a constant or ramped phase has before t, in exact arithmetic."""
    t = Fraction(t_ns, S)
    if phase.rate is not None:
        return phase.rate * t
    assert phase.from_ is not None
    assert phase.to is not None
    assert phase.duration is not None
    return phase.from_ * t + (phase.to - phase.from_) * t * t / (2 * Fraction(phase.duration, S))

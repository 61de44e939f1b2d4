"""A shortened scenario is the same load for less time, and never nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import NS_PER_S
from loadsim.plan import Plan, Scenario
from loadsim.plan.scaled import LEAST_NS, scaled
from tests.plan.support import S, open_phases, scenario_of

scales = st.floats(min_value=1e-6, max_value=1)


def lengths(scenario: Scenario) -> list[int | None]:
    return [phase.duration for phase in scenario.phases]


def test_durations_and_counts_shrink_and_rates_stay() -> None:
    whole = scenario_of(
        {"duration": "10m", "rate": "5/s", "record": False},
        {"duration": "1h", "from": "1/s", "to": "9/s"},
        {"duration": "20m", "rate": "90/m", "arrivals": "poisson"},
    )
    short = scaled(whole, 0.1)
    assert lengths(short) == [60 * S, 360 * S, 120 * S]
    assert [(phase.rate, phase.from_, phase.to) for phase in short.phases] == [
        (phase.rate, phase.from_, phase.to) for phase in whole.phases
    ]
    assert msgspec.structs.replace(short, phases=whole.phases) == whole
    assert scaled(whole, 1.0) == whole


@pytest.mark.parametrize(
    ("phase", "duration_ns", "events"),
    [
        ({"duration": "10s", "rate": "1/s"}, LEAST_NS, None),  # not 0.1 s
        ({"duration": "400ms", "rate": "1/s"}, 400_000_000, None),  # never longer than it was
        ({"duration": "10m", "rate": "1/m", "arrivals": "poisson"}, 300 * S, None),  # five events on average
        ({"duration": "2m", "rate": "10/s", "arrivals": "burst", "burst": "10s"}, 10 * S, None),  # a whole burst
        ({"duration": "15s", "rate": "10/s", "arrivals": "burst", "burst": "10s"}, 10 * S, None),
        ({"duration": "5s", "rate": "10/s", "arrivals": "burst", "burst": "10s"}, 5 * S, None),
        ({"connections": 20, "events": 100_000}, None, 1_000),
        ({"connections": 20, "events": 1_000}, None, 20),  # one for each connection
        ({"connections": 20, "events": 8}, None, 8),
        ({"connections": 2, "events": 950, "duration": "5m"}, 3 * S, 10),
    ],
)
def test_a_hundredth_of_a_phase(phase: dict[str, Any], duration_ns: int | None, events: int | None) -> None:
    (short,) = scaled(scenario_of(phase), 0.01).phases
    assert (short.duration, short.events) == (duration_ns, events)


@given(open_phases(), scales)
def test_a_shorter_phase_is_never_longer_and_never_loses_all_its_events(phase: dict[str, Any], scale: float) -> None:
    whole = scenario_of({**phase, "record": True}, {"duration": "1s", "rate": "1/s"})
    short = scaled(whole, scale)
    (before, _), (after, _) = lengths(whole), lengths(short)
    assert before is not None
    assert after is not None
    assert min(before, NS_PER_S) <= after <= before
    if whole.phases[0].arrivals != "poisson":
        assert bool(Plan(short, 7).count(0)) == bool(Plan(whole, 7).count(0))


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.01, float("nan"), float("inf")])
def test_a_scale_shortens(scale: float) -> None:
    with pytest.raises(ValueError, match="more than 0 and at most 1"):
        scaled(scenario_of({"duration": "1s", "rate": "1/s"}), scale)

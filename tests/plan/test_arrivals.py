"""The laws of due times: exact counts, exact inverses, the distribution of Poisson gaps."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from loadsim.plan import Plan, Scenario
from loadsim.plan.arrivals.rates import due_at, due_at_constant, integrated_rate
from tests.plan.support import S, exact_position, open_phases, open_scenarios, scenario_of


def dues(plan: Plan, phase: int = 0) -> list[int]:
    """Due times of one phase, ns since its start."""
    start = plan.phases[phase].start_ns
    return [due - start for block in plan.blocks(phase) for due in block.due]


def plan_of(phase: dict[str, object], seed: int = 1) -> Plan:
    return Plan(scenario_of(phase), seed)


@pytest.mark.parametrize(
    ("phase", "count"),
    [
        ({"rate": "2000/s", "duration": "30s"}, 60_000),
        ({"rate": "0.1/s", "duration": "30s"}, 3),
        ({"rate": "1/h", "duration": "1s"}, 1),
        ({"rate": "1/s", "duration": "1001ms"}, 2),
        ({"rate": "7/m", "duration": "1m"}, 7),
        ({"from": "0/s", "to": "1000/s", "duration": "10s"}, 5_000),
        ({"from": "1000/s", "to": "0/s", "duration": "10s"}, 5_000),
        ({"from": "5/s", "to": "5/s", "duration": "10s"}, 50),
        ({"rate": "100/s", "duration": "10s", "arrivals": "burst"}, 1_000),
    ],
)
def test_a_phase_has_exactly_the_events_that_its_rate_gives(phase: dict[str, object], count: int) -> None:
    plan = plan_of(phase)
    assert plan.phases[0].limit == count
    assert len(dues(plan)) == count


def test_constant_arrivals_are_evenly_spaced_from_the_start_of_the_phase() -> None:
    assert dues(plan_of({"rate": "500/s", "duration": "1s"})) == [number * 2_000_000 for number in range(500)]


@given(
    st.fractions(min_value=Fraction(1, 10**9), max_value=10**6, max_denominator=10**15),
    st.integers(min_value=0, max_value=10**9),
)
def test_constant_due_times_are_exact_however_odd_the_rate(rate: Fraction, first: int) -> None:
    assume((first + 50) / rate < 9 * 10**9)
    expected = [math.floor(number * S / rate) for number in range(first, first + 50)]
    assert due_at_constant(rate, first, 50).tolist() == expected


@pytest.mark.parametrize(("start", "end"), [("0/s", "1000/s"), ("1000/s", "0/s"), ("10/s", "900/s"), ("0/s", "1/m")])
def test_a_ramp_is_the_inverse_of_the_integrated_rate(start: str, end: str) -> None:
    plan = plan_of({"from": start, "to": end, "duration": "20s"})
    phase = plan.scenario.phases[0]
    for number, due in enumerate(dues(plan)):
        # Event i is due in the nanosecond in which Λ passes i, to the rounding of a float.
        assert exact_position(phase, max(0, due - 1)) <= number <= exact_position(phase, due + 2)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 10**7))
def test_the_last_position_before_the_end_is_still_inside_the_phase(start: int, end: int, ms: int) -> None:
    phase = scenario_of({"from": f"{start}/s", "to": f"{end}/s", "duration": f"{ms}ms"}).phases[0]
    assert phase.duration is not None
    last = np.nextafter(np.array([float(integrated_rate(phase))]), 0.0)
    assert 0 <= int(due_at(phase, last)[0]) < phase.duration


def test_bursts_release_what_a_period_holds_at_its_start() -> None:
    plan = plan_of({"rate": "10/s", "duration": "12s", "arrivals": "burst", "burst": "5s"})
    groups = {due: len(list(group)) for due, group in itertools.groupby(dues(plan))}
    assert groups == {0: 50, 5 * S: 50, 10 * S: 20}


def test_the_period_of_a_burst_is_a_second_unless_given() -> None:
    assert sorted(set(dues(plan_of({"rate": "10/s", "duration": "3s", "arrivals": "burst"})))) == [0, S, 2 * S]


@given(open_scenarios(), st.integers(min_value=0, max_value=2**63 - 1))
@settings(max_examples=60, deadline=None)
def test_due_times_rise_and_stay_inside_their_phase(scenario: Scenario, seed: int) -> None:
    plan = Plan(scenario, seed)
    for phase in plan.phases:
        assert phase.end_ns is not None
        due = [due for block in plan.blocks(phase.number) for due in block.due]
        assert due == sorted(due)
        assert not due or (due[0] >= phase.start_ns and due[-1] < phase.end_ns)


@given(open_phases(), st.integers(min_value=0, max_value=100))
@settings(max_examples=60, deadline=None)
def test_the_count_is_that_of_the_integrated_rate(phase: dict[str, object], seed: int) -> None:
    plan = Plan(scenario_of(phase, {"rate": "1/s", "duration": "1s"}), seed)
    whole = integrated_rate(plan.scenario.phases[0])
    count = len(dues(plan))
    assert plan.phases[0].limit == count
    assert plan.expected_events(0) == count
    if phase["arrivals"] == "poisson":
        assert abs(count - whole) <= 8 * math.sqrt(whole) + 8
    else:
        assert count == math.ceil(whole)


def kolmogorov(sample: list[float] | np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """√n · D of a sample that should be uniform on [0, 1); 1.63 is passed once in a hundred."""
    values = np.sort(np.asarray(sample))
    steps = np.arange(len(values) + 1) / len(values)
    return float(np.sqrt(len(values)) * max(np.max(steps[1:] - values), np.max(values - steps[:-1])))


def test_poisson_gaps_are_exponential() -> None:
    plan = plan_of({"rate": "1000/s", "duration": "60s", "arrivals": "poisson"}, seed=11)
    gaps = np.diff(np.array(dues(plan))) / S
    assert len(gaps) > 55_000
    assert kolmogorov(-np.expm1(-1000 * gaps)) < 1.63
    assert kolmogorov(-np.expm1(-1030 * gaps)) > 1.63  # the test itself sees a rate that is 3 % off
    assert abs(float(np.corrcoef(gaps[:-1], gaps[1:])[0, 1])) < 0.015


def test_poisson_arrivals_on_a_ramp_follow_the_ramp() -> None:
    plan = plan_of({"from": "0/s", "to": "1000/s", "duration": "60s", "arrivals": "poisson"}, seed=12)
    times = np.array(dues(plan)) / (60 * S)
    assert kolmogorov(times**2) < 1.63  # Λ(t) / Λ(D) = (t / D)²
    assert kolmogorov(times) > 1.63


def test_the_mean_number_of_poisson_events_is_the_integrated_rate() -> None:
    counts = [
        len(dues(plan_of({"rate": "50/s", "duration": "4s", "arrivals": "poisson"}, seed))) for seed in range(200)
    ]
    assert abs(float(np.mean(counts)) - 200) < 4
    assert 0.75 < float(np.var(counts)) / 200 < 1.3

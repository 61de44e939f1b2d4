"""How the clocks of hosts are compared."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.clock_difference import RoundTrip, compare, compare_over_time, thinned

NS = st.integers(0, 10**9)


@given(ahead=st.integers(-(10**10), 10**10), trips=st.lists(st.tuples(NS, NS, NS), min_size=1))
def test_a_clock_is_never_further_off_than_the_residual_says(ahead: int, trips: list[tuple[int, int, int]]) -> None:
    """Whatever the ways there and back take: each trip is (when, ns there, ns back)."""
    found = compare(RoundTrip(when, when + there + ahead, when + there + back) for when, there, back in trips)
    assert abs(found.ahead_ns - ahead) <= found.residual_ns
    assert found.residual_ns <= (min(there + back for _, there, back in trips) + 1) // 2


@given(
    ahead=st.integers(-(10**12), 10**12),
    drift_ppm=st.integers(-300, 300),
    ways=st.lists(st.tuples(st.integers(0, 2 * 10**6), st.integers(0, 2 * 10**6)), min_size=1, max_size=400),
)
def test_instants_of_a_drifting_clock_are_right_to_within_the_longest_trip(
    ahead: int, drift_ppm: int, ways: list[tuple[int, int]]
) -> None:
    """Looks four times a second, with up to 2 ms there and back."""
    begin = 1_700_000_000 * 10**9

    def theirs(ours: int) -> int:
        return ours + ahead + (ours - begin) * drift_ppm // 10**6

    trips = []
    for number, (there, back) in enumerate(ways):
        asked = begin + number * 250_000_000
        trips.append(RoundTrip(asked, theirs(asked + there), asked + there + back))
    clock = compare_over_time(trips)
    instants = np.array([trip.asked_ns for trip in trips], dtype=np.int64)
    found = clock.ours(np.array([theirs(int(at)) for at in instants], dtype=np.int64))
    length = len(ways) * 250_000_000
    allowed = 4_000_000 + abs(drift_ppm) * length // 10**6  # where the drift is not told from noise, it is not used
    assert np.abs(found - instants).max() <= allowed


def test_a_drift_is_found_where_the_run_is_long_enough() -> None:
    generator = np.random.default_rng(3)
    trips = []
    for number in range(2400):  # ten minutes
        asked = 10**18 + number * 250_000_000
        there, back = generator.integers(50_000, 400_000, 2).tolist()
        told = asked + there + 5_000_000 + (asked - 10**18) * 40 // 10**6
        trips.append(RoundTrip(asked, told, asked + there + back))
    clock = compare_over_time(trips)
    assert abs(clock.drift - 40e-6) < 4e-6


def test_slow_answers_are_no_drift() -> None:
    generator = np.random.default_rng(4)
    trips = []
    for number in range(40):
        asked = 10**18 + number * 250_000_000
        there, back = generator.integers(0, 200_000_000, 2).tolist()
        trips.append(RoundTrip(asked, asked + there, asked + there + back))
    clock = compare_over_time(trips)
    assert clock.drift == 0.0
    assert abs(clock.ahead_ns) <= clock.residual_ns


def test_of_many_round_trips_the_shorter_halves_tell_the_same() -> None:
    generator = np.random.default_rng(5)
    trips = []
    for number in range(2401):
        asked = 10**18 + number * 250_000_000
        there, back = generator.integers(50_000, 400_000, 2).tolist()
        told = asked + there + 5_000_000 + (asked - 10**18) * 40 // 10**6
        trips.append(RoundTrip(asked, told, asked + there + back))
    half = thinned(trips)
    assert len(half) == 1201
    assert compare(half).residual_ns == compare(trips).residual_ns
    whole, part = compare_over_time(trips), compare_over_time(half)
    end = np.array([trips[-1].told_ns])
    assert abs(int(whole.ours(end)[0]) - int(part.ours(end)[0])) <= whole.residual_ns + part.residual_ns

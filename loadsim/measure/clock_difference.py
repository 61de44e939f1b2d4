"""How far another clock is ahead of ours, from round trips: at one moment, or over time.

The three instants of each round trip are arguments. Source: Cristian,
"Probabilistic clock synchronization" (1989): a reading is wrong by half its round trip at most, so the shortest wins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from loadsim.measure.hdr import Ints

_STRETCHES = 16
"""For a line, the round trips are divided into this many stretches of time, and the shortest of each is used."""
_SURE = 4.0
"""The drift is used where it is so many times its own standard error."""
_LEAST_STRETCHES = 4
"""With fewer the drift is not estimated."""


class RoundTrip(NamedTuple):
    """One request for the time: sent and answered by our clock, read by theirs; ns."""

    asked_ns: int
    told_ns: int
    answered_ns: int

    @property
    def took_ns(self) -> int:
        """Length of the round trip."""
        return self.answered_ns - self.asked_ns


class Clock(NamedTuple):
    """Their clock against ours: `ahead_ns`, give or take `residual_ns`."""

    ahead_ns: int
    residual_ns: int


class DriftingClock(NamedTuple):
    """Their clock against ours over time: it was ahead by `ahead_ns` at `at_ns` (by ours), and by `drift` ns more with
    every ns since, give or take `residual_ns`."""

    at_ns: int
    ahead_ns: int
    drift: float
    residual_ns: int

    def ours(self, theirs_ns: Ints) -> Ints:
        """Instants of their clock by ours, ns."""
        passed = (theirs_ns - (self.at_ns + self.ahead_ns)) / (1 + self.drift)
        return self.at_ns + np.rint(passed).astype(np.int64)


SAME = DriftingClock(0, 0, 0.0, 0)
"""A clock that is ours."""


def compare(trips: Iterable[RoundTrip]) -> Clock:
    """The offset by the shortest round trip, of at least one."""
    best = min(trips, key=lambda trip: trip.took_ns)
    return Clock(_ahead(best), (best.took_ns + 1) // 2)


def compare_over_time(trips: Sequence[RoundTrip]) -> DriftingClock:
    """The offset and drift of a clock by the round trips of a run, of at least one.

    A line through the shortest round trip of each stretch of time, each weighted by the square of its shortness
    (least squares); with few round trips, the offset of the shortest alone.
    """
    shortest = _shortest_of_stretches(trips)
    middle = [(trip.asked_ns + trip.answered_ns) // 2 for trip in shortest]
    if len(shortest) < _LEAST_STRETCHES:
        clock = compare(trips)
        return DriftingClock(middle[0], clock.ahead_ns, 0.0, clock.residual_ns)
    start = middle[0]
    x = np.array([at - start for at in middle], dtype=np.float64)
    base = _ahead(shortest[0])
    y = np.array([_ahead(trip) - base for trip in shortest])
    weight = np.array([1 / max(1, trip.took_ns) ** 2 for trip in shortest])
    weight /= weight.sum()
    centre_x, centre_y = float(weight @ x), float(weight @ y)
    width = float(weight @ (x - centre_x) ** 2)
    drift = float(weight @ ((x - centre_x) * (y - centre_y))) / width
    # Over a short run, or one with slow answers, the slope is mostly noise: then it is not used.
    rest = float(weight @ (y - centre_y - drift * (x - centre_x)) ** 2)
    if abs(drift) < _SURE * math.sqrt(rest / width / (len(x) - 2)):
        drift, rest = 0.0, float(weight @ (y - centre_y) ** 2)
    ahead = base + round(centre_y - drift * centre_x)
    bound = min((trip.took_ns + 1) // 2 for trip in shortest)
    return DriftingClock(start, ahead, drift, bound + round(math.sqrt(rest)))


def thinned(trips: Sequence[RoundTrip]) -> list[RoundTrip]:
    """The shorter of each two neighbours: half as many, which tell as much of the clock."""
    return [min(trips[place : place + 2], key=lambda trip: trip.took_ns) for place in range(0, len(trips), 2)]


def _ahead(trip: RoundTrip) -> int:
    return trip.told_ns - (trip.asked_ns + trip.answered_ns) // 2


def _shortest_of_stretches(trips: Sequence[RoundTrip]) -> list[RoundTrip]:
    first, last = trips[0].asked_ns, trips[-1].asked_ns
    best: dict[int, RoundTrip] = {}
    for trip in trips:
        stretch = (trip.asked_ns - first) * _STRETCHES // (last - first + 1)
        if stretch not in best or trip.took_ns < best[stretch].took_ns:
            best[stretch] = trip
    return [best[stretch] for stretch in sorted(best)]

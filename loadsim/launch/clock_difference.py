"""How far another host's clock is ahead of ours, from round trips.

The three instants of each round trip are arguments. Source: Cristian,
"Probabilistic clock synchronization" (1989): a reading is wrong by half its round trip at most, so the shortest wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class RoundTrip(NamedTuple):
    """One request for the time: sent and answered by our clock, read by theirs; ns."""

    asked_ns: int
    told_ns: int
    answered_ns: int


class Clock(NamedTuple):
    """Their clock against ours: `ahead_ns`, give or take `residual_ns`."""

    ahead_ns: int
    residual_ns: int


def compare(trips: Iterable[RoundTrip]) -> Clock:
    """The offset by the shortest round trip, of at least one."""
    asked, read, answered = min(trips, key=lambda trip: trip.answered_ns - trip.asked_ns)
    return Clock(read - (asked + answered) // 2, (answered - asked + 1) // 2)

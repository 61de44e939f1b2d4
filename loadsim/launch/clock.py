"""How far another host's clock is ahead of ours, from round trips.

Decides which round trip to believe. Knows no clock itself: the three instants of each are given. Source: Cristian,
"Probabilistic clock synchronization" (1989): a reading is wrong by half its round trip at most, so the shortest wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class RoundTrip(NamedTuple):
    """One question for the time: asked and answered by our clock, told by theirs; ns."""

    asked_ns: int
    told_ns: int
    answered_ns: int


class Clock(NamedTuple):
    """Their clock against ours: `ahead_ns`, give or take `residual_ns`."""

    ahead_ns: int
    residual_ns: int


def compare(trips: Iterable[RoundTrip]) -> Clock:
    """What the shortest of at least one round trip says."""
    asked, told, answered = min(trips, key=lambda trip: trip.answered_ns - trip.asked_ns)
    return Clock(told - (asked + answered) // 2, (answered - asked + 1) // 2)

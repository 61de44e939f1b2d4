"""Pauses of the generator, and which events they disturbed.

A pause is a gap in the heartbeat of a shard's loop: nothing was released, sent or read meanwhile. What it held back is
released at once when it ends, so the endpoint is still busier than it would be for a while: the pause has recovered
when no more events are in flight than before it, or after MOST_LENGTHS times its length. An event is disturbed when it
was due, or waited to be sent, between the beginning of a pause and its recovery. One that was only in flight is not:
how late its answer was read is known (`Column.receipt`). Instants are arguments, in ns of one clock.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from loadsim.compiled_step import step
from loadsim.measure.hdr import Ints

MOST_LENGTHS = 30
"""A pause counts as recovered after so many times its length, whatever is in flight: an endpoint that has been too slow
since then would be so without the pause."""
_KEPT = 4096
"""So many intervals are kept. Events that end later than so many pauses after they were due are few, and waited through
a later one."""
_NEVER = np.iinfo(np.int64).max

Interval = tuple[int, int]


class Pauses:
    """The pauses of one shard. `limit_ns`: a longer gap between two beats is one."""

    if step is not None:
        __slots__ = ("__dict__", "beaten_ns", "limit_ns", "recovering")  # what the compiled step reaches

    def __init__(self, limit_ns: int) -> None:
        self.limit_ns = limit_ns
        self.beaten_ns = 0
        """The last beat; 0 before the first one. A beat may be set here, where it is later and ends no pause."""
        self.recovering = False
        self.away_ns = 0
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._table: tuple[Ints, Ints] | None = None
        self._begin = self._before = self._deadline = 0
        self._seen: list[Interval] = []
        self._closed: list[Interval] = []

    def beat(self, now_ns: int, in_flight: Callable[[], int], less: int = 0) -> bool:
        """The loop is at work. True after a pause.

        Only then is `in_flight` called, and `less` taken off: the events that had begun and not ended at the last beat.
        """
        last = self.beaten_ns
        if now_ns <= last:
            return False  # a transport heard late of what it tells
        self.beaten_ns = now_ns
        if now_ns - last <= self.limit_ns or not last:
            return False
        length = now_ns - last
        self.away_ns += length
        self._seen.append((last, now_ns))
        if not self.recovering:
            self.recovering = True
            self._begin, self._before, self._deadline = last, in_flight() - less, 0
        self._deadline = max(self._deadline, now_ns + MOST_LENGTHS * length)
        self._table = None
        return True

    def settle(self, now_ns: int, in_flight: int) -> None:
        """To be asked while recovering, once what fell due in the pause has been released."""
        if self.recovering and (in_flight <= self._before or now_ns >= self._deadline):
            self.recovering = False
            self._starts.append(self._begin)
            self._ends.append(now_ns)
            self._closed.append((self._begin, now_ns))
            if len(self._starts) > _KEPT:
                del self._starts[: _KEPT // 2], self._ends[: _KEPT // 2]
            self._table = None

    def disturbed(self, due: Ints, left: Ints) -> NDArray[np.bool] | None:
        """Which events are; None when none can be. `left`: when each was sent, or ended without that."""
        if not self._starts and not self.recovering:
            return None
        if self._table is None:
            starts = [*self._starts, self._begin] if self.recovering else self._starts
            ends = [*self._ends, _NEVER] if self.recovering else self._ends
            self._table = np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64)
        return overlapping(self._table, due, left)

    def take(self, now_ns: int) -> tuple[list[Interval], list[Interval]]:
        """The pauses since the last call, and the intervals up to their recovery: those that ended since, and up to
        `now_ns` the one that has not."""
        seen, self._seen = self._seen, []
        closed, self._closed = self._closed, []
        return seen, [*closed, (self._begin, now_ns)] if self.recovering else closed


def overlapping(intervals: tuple[Ints, Ints], since: Ints, until: Ints) -> NDArray[np.bool]:
    """Which of the spans `since`..`until` touch one of the intervals: starts and ends, ascending and disjoint."""
    starts, ends = intervals
    place = np.searchsorted(ends, since)
    found: NDArray[np.bool] = np.append(starts, _NEVER)[place] <= until
    return found

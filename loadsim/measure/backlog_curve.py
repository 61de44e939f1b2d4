"""How many events were acknowledged and not yet done, over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loadsim.measure.hdr import Ints
from loadsim.measure.time_slices import width_for


@dataclass(frozen=True, slots=True, eq=False)
class BacklogCurve:
    """The backlog after each change: ascending instants (ns, since the start of the run) and values."""

    at: Ints
    values: Ints

    def value(self, ns: int) -> int:
        """The backlog at an instant."""
        place = int(np.searchsorted(self.at, ns, side="right"))
        return int(self.values[place - 1]) if place else 0

    def most(self) -> tuple[int, int] | None:
        """The greatest value, and the instant from which it was first so great; None without any event."""
        if not len(self.at):
            return None
        place = int(np.argmax(self.values))
        return int(self.values[place]), int(self.at[place])

    def average(self, until_ns: int) -> float:
        """The average from 0 to an instant, by time."""
        if until_ns <= 0:
            return 0.0
        ends = np.clip(np.append(self.at, until_ns), 0, until_ns)
        return float(np.diff(ends).astype(np.float64) @ self.values) / until_ns if len(self.at) else 0.0


def backlog_curve(acknowledged: Ints, done: Ints) -> BacklogCurve:
    """The curve of events by the instants at which they were acknowledged, and of those of them that were done, at
    which they were (ns; not before the acknowledgement). Events are in any order."""
    at = np.concatenate((acknowledged, done))
    step = np.concatenate((np.ones(len(acknowledged), dtype=np.int64), np.full(len(done), -1, dtype=np.int64)))
    order = np.argsort(at, kind="stable")
    at, values = at[order], np.cumsum(step[order])
    # One value for each instant: an event that is done as soon as it is acknowledged was never waiting.
    last = np.append(at[1:] != at[:-1], True) if len(at) else np.zeros(0, dtype=np.bool)
    return BacklogCurve(at[last], values[last])


def course(acknowledged: Ints, done: Ints, end_ns: int) -> tuple[Ints, Ints, Ints]:
    """Counts from the start until the ends of the slices of a run of this length: the moments, how many
    events were acknowledged, and how many of them were done."""
    width_ns = width_for(end_ns)
    moments = np.arange(1, max(1, -(-end_ns // width_ns)) + 1, dtype=np.int64) * width_ns
    by_then = [np.searchsorted(np.sort(each), moments, side="right").astype(np.int64) for each in (acknowledged, done)]
    return moments, by_then[0], by_then[1]

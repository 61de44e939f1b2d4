"""The course of one watched figure: values of the readings, and what is kept of them.

A counter becomes its growth per second, a histogram percentile 99 of what was counted since the reading before.
Instants are arguments, ns of one clock.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from msgspec.structs import replace

from loadsim.measure.result_watches import WatchSeries
from loadsim.model import NS_PER_S

MOST_POINTS = 3600
"""Most points that are kept, an hour of them; of a longer run each is the mean of two, then four readings."""
MOST_REASONS = 4
"""So many reasons for gaps are told apart."""
OTHER = "other reasons"
NOTHING_COUNTED = "nothing was counted since the reading before"


class Buckets(NamedTuple):
    """The buckets of a histogram: upper bounds, the last one infinite, and how many were counted up to each."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]


Raw = float | Buckets
"""What one reading gives."""


def growth(before: float, now: float) -> float:
    """By how much a counter grew. One that is less than before began again at 0."""
    return now - before if now >= before else now


def p99_between(before: Buckets, now: Buckets) -> float | None:
    """Percentile 99 of what was counted between two readings; None where nothing was.

    Linear within a bucket; beyond the last finite bound, that bound (as Prometheus' `histogram_quantile`).
    """
    same = before.bounds == now.bounds and all(a <= b for a, b in zip(before.counts, now.counts, strict=True))
    counts = [b - a for a, b in zip(before.counts, now.counts, strict=True)] if same else list(now.counts)
    if not counts or counts[-1] <= 0:
        return None
    rank = 0.99 * counts[-1]
    number = next(number for number, count in enumerate(counts) if count >= rank)
    top = now.bounds[number]
    if math.isinf(top):
        return now.bounds[number - 1] if number else None
    low, below = (now.bounds[number - 1], counts[number - 1]) if number else (min(0.0, top), 0.0)
    inside = counts[number] - below
    return low + (top - low) * (rank - below) / inside if inside > 0 else top


class WatchCourse:
    """Takes the readings of one watch, one after the other."""

    def __init__(self, reading: Literal["gauge", "rate", "p99"], every_ns: int) -> None:
        self._reading = reading
        self._every_ns = every_ns
        self._before: tuple[int, Raw] | None = None
        self._at_ns: list[int] = []
        self._values: list[float | None] = []
        self._together: list[tuple[int, float | None]] = []
        """Readings of the point that is not whole yet."""
        self._per_point = 1
        self._samples = self._gaps = 0
        self._why: dict[str, int] = {}
        self._sum = 0.0
        self._least, self._most = math.inf, -math.inf
        self._last: float | None = None

    def add(self, at_ns: int, raw: Raw) -> None:
        """Take what was read at an instant. The first reading of a counter or a histogram gives no value yet."""
        before, self._before = self._before, (at_ns, raw)
        if isinstance(raw, Buckets):
            if before is not None and isinstance(before[1], Buckets):
                self._take(at_ns, p99_between(before[1], raw), NOTHING_COUNTED)
        elif self._reading == "rate":
            if before is not None and not isinstance(before[1], Buckets) and at_ns > before[0]:
                self._take(at_ns, growth(before[1], raw) * NS_PER_S / (at_ns - before[0]), "")
        else:
            self._take(at_ns, raw, "it is not a number")

    def gap(self, at_ns: int, why: str) -> None:
        """Note that there was no reading at an instant."""
        self._take(at_ns, None, why)

    def _take(self, at_ns: int, value: float | None, why: str) -> None:
        if value is not None and not math.isfinite(value):
            value, why = None, "it is not a finite number"
        if value is None:
            self._gaps += 1
            reason = why if why in self._why or len(self._why) < MOST_REASONS else OTHER
            self._why[reason] = self._why.get(reason, 0) + 1
        else:
            self._samples += 1
            self._sum += value
            self._least, self._most, self._last = min(self._least, value), max(self._most, value), value
        self._together.append((at_ns, value))
        if len(self._together) == self._per_point:
            self._keep()

    def _keep(self) -> None:
        at_ns, value = mean_point(self._together)
        self._together = []
        self._at_ns.append(at_ns)
        self._values.append(value)
        if len(self._values) >= 2 * MOST_POINTS:
            pairs = list(zip(self._at_ns, self._values, strict=True))
            points = [mean_point(pairs[at : at + 2]) for at in range(0, len(pairs), 2)]
            self._at_ns, self._values = [at for at, _ in points], [value for _, value in points]
            self._per_point *= 2

    def series(self, empty: WatchSeries, began_ns: int) -> WatchSeries:
        """The course so far as the result holds it; what is read later does not change it.

        `empty`: the series without figures; `began_ns`: the start of the run.
        """
        if self._together:
            self._keep()
        known = self._samples > 0
        return replace(
            empty,
            every_s=self._per_point * self._every_ns / NS_PER_S,
            t_s=[round((at - began_ns) / NS_PER_S, 3) for at in self._at_ns],
            values=self._values.copy(),
            samples=self._samples,
            gaps=self._gaps,
            why_gaps=self._why.copy(),
            min=self._least if known else None,
            avg=self._sum / self._samples if known and math.isfinite(self._sum) else None,
            max=self._most if known else None,
            last=self._last,
        )


def mean_point(points: list[tuple[int, float | None]]) -> tuple[int, float | None]:
    """One point for several: the mean of their instants, and of the values that are known."""
    values = [value for _, value in points if value is not None]
    return sum(at for at, _ in points) // len(points), sum(values) / len(values) if values else None

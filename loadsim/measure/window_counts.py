"""Counts by window of recorded time, updated with the cells of every frame.

Windows lie side by side from the beginning of each stretch of recorded time, on slice borders. A rest that fills no
whole window is left out. Windows keep counts of their own, which do not get coarser in a long run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from loadsim.measure.cells import EMPTY, INDEX_MASK, SLICE_NS, Cells, Metric, Part, compact, select, slices_of
from loadsim.measure.distinct import distinct
from loadsim.measure.hdr import Ints


class Stretch(NamedTuple):
    """Recorded time without a gap, ns since the start of the run; `end_ns` None: not known before the run has ended."""

    start_ns: int
    end_ns: int | None


def stretches_of(phases: Iterable[tuple[int, int | None, bool]]) -> tuple[Stretch, ...]:
    """The stretches of recorded time in phases (start, end, record); adjacent phases are one stretch."""
    found: list[Stretch] = []
    for start, end, record in phases:
        if not record:
            continue
        if found and found[-1].end_ns == start:
            found[-1] = Stretch(found[-1].start_ns, end)
        else:
            found.append(Stretch(start, end))
    return tuple(found)


def recording_ends(phases: Sequence[tuple[int, int | None, bool]]) -> list[int | None]:
    """For each phase (start, end, record) the end of the recorded stretch that it belongs to; its own end when it is
    not recorded."""
    stretches = stretches_of(phases)
    return [
        next((s.end_ns for s in stretches if s.start_ns <= start and (s.end_ns is None or start < s.end_ns)), end)
        if record
        else end
        for start, end, record in phases
    ]


@dataclass(frozen=True, slots=True)
class Grid:
    """Windows of one width, numbered from 0 over all stretches. `width_ns` is a multiple of `slice_ns`."""

    stretches: tuple[Stretch, ...]
    width_ns: int
    slice_ns: int = SLICE_NS

    def numbers(self, slices: Ints) -> Ints:
        """The window of each slice; -1 when it lies in none."""
        found = np.full(len(slices), -1, dtype=np.int64)
        per_window = self.width_ns // self.slice_ns
        for base, first, count in self._laid():
            within = (slices - first) // per_window
            inside = within >= 0 if count is None else (within >= 0) & (within < count)
            found[inside] = base + within[inside]
        return found

    def start_ns(self, number: int) -> int:
        """Where a window begins, ns since the start of the run."""
        base, first, _ = [place for place in self._laid() if place[0] <= number][-1]
        return first * self.slice_ns + (number - base) * self.width_ns

    def end_ns(self, number: int) -> int:
        """Where a window ends."""
        return self.start_ns(number) + self.width_ns

    def whole(self, stopped_ns: int) -> list[int]:
        """The windows that had ended when the release of events stopped."""
        return [base + k for base, first, count in self._laid() for k in range(self._over(first, count, stopped_ns))]

    def left_out_ns(self, stopped_ns: int) -> int:
        """Recorded time outside of whole windows."""
        ends = [stopped_ns if end is None else min(end, stopped_ns) for _, end in self.stretches]
        recorded = sum(max(0, end - start) for (start, _), end in zip(self.stretches, ends, strict=True))
        return recorded - len(self.whole(stopped_ns)) * self.width_ns

    @property
    def count(self) -> int | None:
        """The number of windows; None when it is not known before the run has ended."""
        counts = [count for _, _, count in self._laid()]
        return None if None in counts else sum(count for count in counts if count is not None)

    def _over(self, first: int, count: int | None, stopped_ns: int) -> int:
        over = max(0, (stopped_ns - first * self.slice_ns) // self.width_ns)
        return over if count is None else min(count, over)

    def _laid(self) -> list[tuple[int, int, int | None]]:
        """For each stretch with windows: the number of its first window, its first whole slice, its number of
        windows."""
        found: list[tuple[int, int, int | None]] = []
        base = 0
        for start, end in self.stretches:
            first = -(-start // self.slice_ns)
            count = None if end is None else max(0, (end - first * self.slice_ns) // self.width_ns)
            if count != 0:
                found.append((base, first, count))
            base += count or 0
        return found


class WindowCounts:
    """Counts of one metric over some strata by window; without a grid the whole run is one window, number 0.

    Memory grows by the occupied buckets of a window, some kilobytes.
    """

    def __init__(
        self, metric: Metric, strata: Sequence[int], grid: Grid | None, parts: tuple[Part, ...] | None = None
    ) -> None:
        self._metric = metric
        self._strata = list(strata)
        self._grid = grid
        self._parts_of_metric = parts
        self._parts: dict[int, Cells] = {}

    def add(self, cells: Cells) -> set[int]:
        """Add the compacted cells of a frame, in base slices; returns the windows whose counts changed."""
        keys, counts = select(cells, self._metric, self._strata, self._parts_of_metric)
        indexes = keys & INDEX_MASK
        numbers = np.zeros(len(keys), dtype=np.int64) if self._grid is None else self._grid.numbers(slices_of(keys))
        touched = set(distinct(numbers[numbers >= 0]).tolist())
        for number in touched:
            mine = numbers == number
            self._parts[number] = compact([self.of(number), Cells(indexes[mine], counts[mine])])
        return touched

    def of(self, number: int) -> Cells:
        """Counts of one window by index (bucket, or outcome code), ascending."""
        return self._parts.get(number, EMPTY)

"""The parent's side of counting: adds up what the shards counted, in memory that the run's length does not change.

Decides how slices coarsen and how counts of several strata and shards become one. Knows nothing of names, of what a
stratum means, or of the figures that results carry.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.cells import (
    EMPTY,
    GROUP_SHIFT,
    INDEX_BITS,
    INDEX_MASK,
    LATE_ALL,
    METRICS_PER_STRATUM,
    SLICE_MASK,
    SLICE_NS,
    Cells,
    Metric,
    compact,
    first_key,
    joined,
    layout,
    select,
)
from loadsim.measure.hdr import Ints
from loadsim.measure.tally import COUNTERS, TallyDelta

MAX_SLICES = 600
"""More slices than this double the width of all of them."""
MAX_CELLS = 400_000
"""More cells than this (7 MB; adding them up takes a few times that) do it too, down to FEW_SLICES."""
FEW_SLICES = 60
_PENDING = 65_536


class Sliced(NamedTuple):
    """Counts of one metric: parallel int64 arrays, ascending by (slice, index), each pair once."""

    slices: Ints
    indexes: Ints
    counts: Ints


@dataclass(frozen=True, slots=True)
class Moments:
    """What is known exactly of a latency metric, in ns."""

    count: int
    min: int
    max: int
    sum: float
    sum_sq: float
    overflow: int

    @property
    def mean(self) -> float:
        """Arithmetic mean, ns."""
        return self.sum / self.count

    @property
    def stdev(self) -> float:
        """Population standard deviation, ns."""
        return float(np.sqrt(max(0.0, self.sum_sq / self.count - self.mean**2)))


class Merged:
    """All shards' counts as one.

    Every query of cells first adds up what came since the last one, which takes up to 0.2 s late in a large run: a live
    view asks for `counter`, `shard_counter`, `moments` and `recent`, which cost next to nothing.

    `strata`: how many there are. `watched`: the strata whose response times are kept per shard as well (default all);
    `recent`: so many of a shard's latest deltas make its last second.
    """

    def __init__(self, strata: int, watched: Iterable[int] | None = None, *, recent: int = 1) -> None:
        self.strata = strata
        self._latest = recent
        self._watched = np.isin(np.arange(strata), list(range(strata) if watched is None else watched))
        self._cells = EMPTY
        self._pending: list[Cells] = []
        self._pending_size = 0
        self._shift = 0
        self._moments: dict[int, NDArray[np.float64]] = {}
        self._counters: dict[int, Ints] = {}
        self._recent: dict[int, deque[Cells]] = {}
        self._responses: dict[int, Ints] = {}

    def add(self, shard: int, delta: TallyDelta) -> Cells:
        """Take one frame's delta, and give its cells, compacted.

        Raises ValueError when its arrays do not fit together or the number of strata.
        """
        cells, counters = compact([delta.cells()]), delta.counter_rows()
        if len(counters) != self.strata:
            raise ValueError(f"a frame counts {len(counters)} strata, not {self.strata}")
        if len(cells.keys) and not 0 <= cells.keys[0] <= cells.keys[-1] < first_key(self.strata, 0):
            raise ValueError("a frame carries cells of strata that the plan does not have")
        self._counters[shard] = counters
        self._moments[shard] = delta.moment_rows()
        self._recent.setdefault(shard, deque(maxlen=self._latest)).append(cells)
        self._watch(shard, cells)
        self._pending.append(_coarser(cells, self._shift))
        self._pending_size += len(cells.keys)
        if self._pending_size > max(_PENDING, len(self._cells.keys)):
            self._settle()
        return cells

    @property
    def slice_ns(self) -> int:
        """Width of a slice as it stands now; doubles as a run goes on."""
        self._settle()
        return SLICE_NS << self._shift

    @property
    def cells(self) -> int:
        """How many cells are held: what memory grows with."""
        self._settle()
        return len(self._cells.keys)

    @property
    def shards(self) -> list[int]:
        """The shards that were heard of."""
        return sorted(self._counters)

    def sliced(self, metric: Metric, strata: Iterable[int]) -> Sliced:
        """Counts of a metric over some strata, by slice and index."""
        self._settle()
        keys, counts = select(self._cells, metric, strata)
        within, counts = compact([Cells(keys & ((1 << GROUP_SHIFT) - 1), counts)])
        return Sliced(within >> INDEX_BITS, within & INDEX_MASK, counts)

    def counts(self, metric: Metric, strata: Iterable[int]) -> Ints:
        """Counts of a latency metric over some strata: dense int64 (layout(metric).counts_len,)."""
        self._settle()
        return _dense(select(self._cells, metric, strata), metric)

    def recent(self, metric: Metric, shards: Iterable[int] | None = None) -> Ints:
        """Dense counts of what the latest deltas of these shards (default: all) hold: the last second, for a live
        view."""
        wanted = self._recent if shards is None else [shard for shard in shards if shard in self._recent]
        latest = [cells for shard in wanted for cells in self._recent[shard]]
        return _dense(joined([select(cells, metric, range(self.strata)) for cells in latest]), metric)

    def codes(self, strata: Iterable[int]) -> dict[int, int]:
        """How many events ended with each code, ascending by code."""
        self._settle()
        keys, counts = select(self._cells, Metric.ended, strata)
        codes, counts = compact([Cells(keys & INDEX_MASK, counts)])
        return dict(zip(codes.tolist(), counts.tolist(), strict=True))

    def late(self, strata: Iterable[int], *, of_phase: bool) -> dict[int, int]:
        """How many answers came after their recording had ended, or after their phase had, by code, ascending."""
        self._settle()
        keys, counts = select(self._cells, Metric.late, strata)
        codes = keys & INDEX_MASK
        if not of_phase:
            codes, counts = codes[codes >= LATE_ALL], counts[codes >= LATE_ALL]
        codes, counts = compact([Cells(codes % LATE_ALL, counts)])
        return dict(zip(codes.tolist(), counts.tolist(), strict=True))

    def moments(self, metric: Metric, strata: Iterable[int]) -> Moments | None:
        """Exact moments of a latency metric over some strata; None without samples."""
        groups = [stratum * METRICS_PER_STRATUM + int(metric) for stratum in strata]
        rows = [rows[np.isin(rows[:, 0], groups)] for rows in self._moments.values()]
        found = np.concatenate(rows) if rows else np.zeros((0, 7))
        if not len(found):
            return None
        _, count, least, most, total, squares, overflow = found.T
        return Moments(
            count=int(count.sum()),
            min=int(least.min()),
            max=int(most.max()),
            sum=float(total.sum()),
            sum_sq=float(squares.sum()),
            overflow=int(overflow.sum()),
        )

    def counter(self, name: str, strata: Iterable[int]) -> int:
        """One of `tally.COUNTERS`, over some strata and all shards."""
        return sum(int(rows[list(strata), COUNTERS.index(name)].sum()) for rows in self._counters.values())

    def shard_counter(self, shard: int, name: str) -> Ints:
        """One of `tally.COUNTERS` of one shard as of its last frame: int64 (strata,); zeros when never heard of."""
        rows = self._counters.get(shard)
        return np.zeros(self.strata, dtype=np.int64) if rows is None else rows[:, COUNTERS.index(name)]

    def shard_response(self, shard: int) -> Ints:
        """Dense response counts of one shard over the watched strata."""
        return self._responses.get(shard, np.zeros(layout(Metric.response).counts_len, dtype=np.int64))

    def _watch(self, shard: int, cells: Cells) -> None:
        found = select(cells, Metric.response, np.flatnonzero(self._watched).tolist())
        kept = self._responses.setdefault(shard, np.zeros(layout(Metric.response).counts_len, dtype=np.int64))
        np.add.at(kept, found.keys & INDEX_MASK, found.counts)

    def _settle(self) -> None:
        """Add the pending parts in, then coarsen while there are too many slices or cells."""
        if not self._pending:
            return
        self._cells = compact([self._cells, *self._pending])
        self._pending, self._pending_size = [], 0
        while self._too_fine():
            self._shift += 1
            self._cells = compact([_coarser(self._cells, 1)])

    def _too_fine(self) -> bool:
        slices = _last_slice(self._cells) + 1
        return slices > MAX_SLICES or (len(self._cells.keys) > MAX_CELLS and slices > FEW_SLICES)


def _last_slice(cells: Cells) -> int:
    return int((cells.keys >> INDEX_BITS & SLICE_MASK).max(initial=0))


def _coarser(cells: Cells, doublings: int) -> Cells:
    """The same counts in slices 2^doublings as wide; keys are no longer distinct nor in order."""
    if not doublings:
        return cells
    slices = (cells.keys >> INDEX_BITS & SLICE_MASK) >> doublings
    rest = cells.keys & ~(SLICE_MASK << INDEX_BITS)
    return Cells(rest | slices << INDEX_BITS, cells.counts)


def _dense(cells: Cells, metric: Metric) -> Ints:
    # float64 weights are exact below 2^53 counts
    counts = np.bincount(cells.keys & INDEX_MASK, weights=cells.counts, minlength=layout(metric).counts_len)
    return counts.astype(np.int64)

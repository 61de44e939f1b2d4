"""The parent's side of counting: merges the counts of all shards.

`slices` holds the cells; this module adds the exact moments and counters of each shard and answers queries over strata.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from loadsim.measure.cells import (
    AFTER_RECORDING,
    INDEX_MASK,
    PARTS,
    Cells,
    Metric,
    Part,
    compact,
    first_key,
    group_of,
    layout,
    select,
    slices_of,
)
from loadsim.measure.hdr import Ints
from loadsim.measure.moments import Moments, together
from loadsim.measure.tally import COUNTERS, TallyDelta
from loadsim.measure.time_slices import Slices


class Sliced(NamedTuple):
    """Counts of one metric: parallel int64 arrays, ascending by (slice, index), each pair once."""

    slices: Ints
    indexes: Ints
    counts: Ints


class Merged:
    """All shards' counts as one.

    A query of cells first adds the cells that came since the last query, which takes some milliseconds. A live view
    uses `counter` and `shard_counter`, which are cheap.

    `strata`: the number of strata. `watched`: the strata whose response times are kept per shard too (default all).
    """

    def __init__(self, strata: int, watched: Iterable[int] | None = None) -> None:
        self.strata = strata
        self._watched = np.isin(np.arange(strata), list(range(strata) if watched is None else watched))
        self._slices = Slices()
        self._moments: dict[int, Ints] = {}
        self._counters: dict[int, Ints] = {}
        self._counted = np.zeros((strata, len(COUNTERS)), dtype=np.int64)
        self._responses: dict[int, Ints] = {}

    def add(self, shard: int, delta: TallyDelta) -> Cells:
        """Add the delta of one frame and return its cells, compacted.

        Raises ValueError when its arrays do not match each other or the number of strata.
        """
        cells, counters = compact([delta.cells()]), delta.counter_rows()
        if len(counters) != self.strata:
            raise ValueError(f"a frame counts {len(counters)} strata, not {self.strata}")
        if len(cells.keys) and not 0 <= cells.keys[0] <= cells.keys[-1] < first_key(self.strata, 0):
            raise ValueError("a frame carries cells of strata that the plan does not have")
        self._counted += counters - self._counters.get(shard, 0)
        self._counters[shard] = counters
        self._moments[shard] = delta.moment_rows()
        self._watch(shard, cells)
        self._slices.add(cells)
        return cells

    @property
    def slice_ns(self) -> int:
        """Present width of a slice; it doubles now and then in a long run."""
        return self._slices.width_ns

    @property
    def cells(self) -> int:
        """The number of cells held; memory grows with it."""
        return self._slices.held

    @property
    def shards(self) -> list[int]:
        """The shards that have sent a frame."""
        return sorted(self._counters)

    def sliced(self, metric: Metric, strata: Iterable[int], parts: Iterable[int] | None = None) -> Sliced:
        """Counts of a metric over some strata, of all parts or of some, by slice and index."""
        keys, counts = compact([self._slices.select(metric, strata, parts)])
        return Sliced(slices_of(keys), keys & INDEX_MASK, counts)

    def counts(self, metric: Metric, strata: Iterable[int], parts: Iterable[Part] | None = None) -> Ints:
        """Counts of a latency metric over some strata, of all parts or of some: dense int64
        (layout(metric).counts_len,)."""
        return _dense(self._slices.select(metric, strata, parts), metric)

    def codes(self, strata: Iterable[int]) -> dict[int, int]:
        """How many events ended with each code, ascending by code."""
        keys, counts = self._slices.select(Metric.ended, strata)
        codes, counts = compact([Cells(keys & INDEX_MASK, counts)])
        return dict(zip(codes.tolist(), counts.tolist(), strict=True))

    def after_end(self, strata: Iterable[int], *, of_phase: bool) -> dict[int, int]:
        """Answers that came after recording (or with `of_phase`, their phase) had ended, by code, ascending."""
        keys, counts = self._slices.select(Metric.after_end, strata)
        codes = keys & INDEX_MASK
        if not of_phase:
            codes, counts = codes[codes >= AFTER_RECORDING], counts[codes >= AFTER_RECORDING]
        codes, counts = compact([Cells(codes % AFTER_RECORDING, counts)])
        return dict(zip(codes.tolist(), counts.tolist(), strict=True))

    def moments(self, metric: Metric, strata: Iterable[int], parts: Iterable[Part] | None = None) -> Moments | None:
        """Exact moments of a latency metric over some strata, of all parts or of some; None without samples."""
        wanted = list(range(PARTS) if parts is None else parts)
        groups = [group_of(stratum, metric, part) for stratum in strata for part in wanted]
        rows = [rows[np.isin(rows[:, 0], groups)] for rows in self._moments.values()]
        return together(np.concatenate(rows)[:, 1:]) if rows else None

    def counter(self, name: str, strata: Iterable[int]) -> int:
        """One of `tally.COUNTERS`, over some strata and all shards."""
        return int(self._counted[list(strata), COUNTERS.index(name)].sum())

    def shard_counter(self, shard: int, name: str) -> Ints:
        """One of `tally.COUNTERS` of one shard as of its last frame: int64 (strata,); zeros before its first frame."""
        rows = self._counters.get(shard)
        return np.zeros(self.strata, dtype=np.int64) if rows is None else rows[:, COUNTERS.index(name)]

    def shard_response(self, shard: int) -> Ints:
        """Dense response counts of one shard over the watched strata."""
        return self._responses.get(shard, np.zeros(layout(Metric.response).counts_len, dtype=np.int64))

    def _watch(self, shard: int, cells: Cells) -> None:
        found = select(cells, Metric.response, np.flatnonzero(self._watched).tolist())
        kept = self._responses.setdefault(shard, np.zeros(layout(Metric.response).counts_len, dtype=np.int64))
        np.add.at(kept, found.keys & INDEX_MASK, found.counts)


def _dense(cells: Cells, metric: Metric) -> Ints:
    # float64 weights are exact below 2^53 counts
    counts = np.bincount(cells.keys & INDEX_MASK, weights=cells.counts, minlength=layout(metric).counts_len)
    return counts.astype(np.int64)

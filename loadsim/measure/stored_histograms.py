"""Counts from the histograms of a stored result: of the whole run, of each slice, and of several slices together.

Slices are joined by adding their counts, never by averaging their percentiles. A row of the series is a slice, or the
part of one that lies in one phase.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from loadsim.measure.cells import INDEX_BITS, INDEX_MASK, Cells, compact
from loadsim.measure.hdr import MICROSECONDS, HdrConfig, Ints, rank
from loadsim.measure.histogram_codec import decode
from loadsim.measure.merged_counts import Sliced
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import NOT_OK, histogram_key
from loadsim.model import NS_PER_S, US_PER_MS


@dataclass(frozen=True, slots=True)
class Whole:
    """One histogram: dense counts in the layout `config`, in µs."""

    config: HdrConfig
    counts: Ints

    @property
    def n(self) -> int:
        """How many values."""
        return int(self.counts.sum())

    def values_ms(self, quantiles: list[Fraction]) -> list[float]:
        """The value at each quantile, as its bucket's highest equivalent, in ms. The histogram is not empty."""
        running = np.cumsum(self.counts)
        ranks = [rank(quantile, int(running[-1])) for quantile in quantiles]
        found = self.config.highest_equivalent(np.searchsorted(running, ranks))
        return [value / US_PER_MS for value in found.tolist()]

    def above(self, ms: float) -> int:
        """How many values lie above a bucket that holds `ms`."""
        index = int(self.config.index(np.array([round(ms * US_PER_MS)]))[0])
        return int(self.counts[index + 1 :].sum())


@dataclass(frozen=True, slots=True)
class SlicedCounts:
    """Counts by (slice, bucket), or by (row, bucket), ascending; `parts` is how many slices or rows there are, empty
    ones included."""

    config: HdrConfig
    sliced: Sliced
    parts: int

    def highest_us(self, number: int) -> int:
        """The greatest value of one slice that holds any."""
        indexes = self.sliced.indexes[self.sliced.slices == number]
        return int(self.config.highest_equivalent(indexes.max()))

    def stretches(self, starts: Sequence[int]) -> list[Ints]:
        """Dense counts of every stretch, added up: from each of these slices (or rows) to the next."""
        edges = np.searchsorted(self.sliced.slices, [*starts, self.parts])
        return [
            np.bincount(self.sliced.indexes[start:end], self.sliced.counts[start:end], self.config.counts_len).astype(
                np.int64
            )
            for start, end in itertools.pairwise(edges.tolist())
        ]


def whole_of(result: RunResult, key: str) -> Whole | None:
    """The histogram under a key such as `service`; None when the result has none, or an empty one."""
    blob = result.histograms.get(key)
    if blob is None:
        return None
    config, counts = decode(blob)
    return Whole(config, counts) if counts.any() else None


def slice_numbers(result: RunResult) -> Ints:
    """The slice of each row of the series, counted from the start of the run."""
    starts = np.array([round(row.t_s * NS_PER_S) for row in result.series], dtype=np.int64)
    return starts // round(result.slice_s * NS_PER_S)


def slices_of(result: RunResult, metric: str) -> SlicedCounts:
    """The histograms by slice of `response` or `service`, from the first slice on; empty where there are none."""
    return _by_slice(result, rows_of(result, metric))


def ok_slices_of(result: RunResult, metric: str) -> SlicedCounts:
    """The same of events answered 2xx; see `ok_rows_of`."""
    return _by_slice(result, ok_rows_of(result, metric))


def _by_slice(result: RunResult, rows: SlicedCounts) -> SlicedCounts:
    if not rows.parts:
        return rows
    numbers = slice_numbers(result)
    numbers -= numbers[0]
    cells = Cells(numbers[rows.sliced.slices] << INDEX_BITS | rows.sliced.indexes, rows.sliced.counts)
    keys, counts = compact([cells])
    return SlicedCounts(rows.config, Sliced(keys >> INDEX_BITS, keys & INDEX_MASK, counts), int(numbers[-1]) + 1)


def ok_rows_of(result: RunResult, metric: str) -> SlicedCounts:
    """The histograms by row of `response` or `service` of events answered 2xx: what is left of all without those that
    were not. Empty in results of earlier versions."""
    everything = rows_of(result, metric)
    if not result.totals.by_status:
        return SlicedCounts(everything.config, Sliced(*(none[:0] for none in everything.sliced)), everything.parts)
    others = rows_of(result, histogram_key(metric, status=NOT_OK)).sliced
    slices, indexes, counts = everything.sliced
    width = everything.config.counts_len
    keys = slices * width + indexes
    places = np.searchsorted(keys, others.slices * width + others.indexes)
    left = counts.copy()
    left[places] -= others.counts
    kept = left > 0
    return SlicedCounts(everything.config, Sliced(slices[kept], indexes[kept], left[kept]), everything.parts)


def rows_of(result: RunResult, metric: str) -> SlicedCounts:
    """The histograms by row of `response` or `service`; empty when they do not match the rows of the series."""
    config = MICROSECONDS
    slices, indexes, counts = [], [], []
    blobs = result.series_histograms.get(metric, [])
    if len(blobs) != len(result.series):
        blobs = []
    for number, blob in enumerate(blobs):
        if blob is None:
            continue
        config, dense = decode(blob)
        occupied = np.flatnonzero(dense)
        slices.append(np.full(len(occupied), number, dtype=np.int64))
        indexes.append(occupied)
        counts.append(dense[occupied])
    none = [np.zeros(0, dtype=np.int64)]
    joined = Sliced(np.concatenate(slices or none), np.concatenate(indexes or none), np.concatenate(counts or none))
    return SlicedCounts(config, joined, len(blobs))

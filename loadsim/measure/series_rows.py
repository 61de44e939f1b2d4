"""The rows of a time series: the slices of a run, cut where a phase begins or ends, and the counts by row.

So a row never mixes the load of two phases, whatever their lengths and however wide the slices of a long run are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from loadsim.measure.cells import AFTER_PHASE, IN_PHASE, INDEX_BITS, INDEX_MASK, Cells, Metric, compact, slices_of
from loadsim.measure.distinct import distinct
from loadsim.measure.hdr import Ints
from loadsim.measure.merged_counts import Merged, Sliced
from loadsim.measure.strata import StratumNames

_BY_INSTANT = (Metric.due, Metric.sent, Metric.ended, Metric.retried)


class _Phase(NamedTuple):
    strata: list[int]
    start_ns: int
    end_ns: int


class SeriesRows:
    """Rows from the first in which a recorded event was due to the last in which one ended, without gaps.

    Counts are those of the recorded events that the endpoint should accept. What happened after the end of an event's
    phase, in a slice in which several phases end, is counted in the first of the rows that it may belong to.
    """

    def __init__(self, merged: Merged, names: StratumNames) -> None:
        self._merged = merged
        self._phases = [
            _Phase(names.select(phase=number, expect="accept"), *span)
            for number, span in enumerate(names.stretches_ns)
            if names.recorded[number]
        ]
        self._width = merged.slice_ns
        strata = [stratum for phase in self._phases for stratum in phase.strata]
        last = max(int(merged.sliced(metric, strata).slices.max(initial=-1)) for metric in _BY_INSTANT)
        whole = np.arange(last + 2, dtype=np.int64) * self._width
        borders = np.array([border for span in names.stretches_ns for border in span], dtype=np.int64)
        self._edges = distinct(np.concatenate((whole, borders[borders < whole[-1]])))
        found = {metric: self.counts(metric).slices for metric in _BY_INSTANT}
        first = min((int(found[metric][0]) for metric in (Metric.due, Metric.retried) if len(found[metric])), default=0)
        last = max(int(rows.max(initial=first - 1)) for rows in found.values())
        self._edges = self._edges[first : last + 2]

    def __len__(self) -> int:
        return len(self._edges) - 1

    @property
    def starts_ns(self) -> list[int]:
        """Where each row begins, ns since the start of the run."""
        found: list[int] = self._edges[:-1].tolist()
        return found

    @property
    def widths_ns(self) -> list[int]:
        """How long each row is."""
        found: list[int] = np.diff(self._edges).tolist()
        return found

    def counts(self, metric: Metric, parts: Sequence[int] | None = None) -> Sliced:
        """Counts of a metric, of all parts or of some, by row and index. Latencies are in the row of the due time."""
        found = []
        for (slices, indexes, counts), since_ns in self._by_phase(metric, parts):
            found.append(Cells(self._rows(slices, since_ns) << INDEX_BITS | indexes, counts))
        keys, together = compact(found)
        return Sliced(slices_of(keys), keys & INDEX_MASK, together)

    def _by_phase(self, metric: Metric, parts: Sequence[int] | None) -> Iterator[tuple[Sliced, int]]:
        """The counts of each phase by slice, and an instant before which none of them happened."""
        for strata, start_ns, end_ns in self._phases:
            if metric in _BY_INSTANT:
                yield self._merged.sliced(metric, strata, [IN_PHASE]), start_ns
                yield self._merged.sliced(metric, strata, [AFTER_PHASE]), end_ns
            else:
                yield self._merged.sliced(metric, strata, parts), start_ns

    def _rows(self, slices: Ints, since_ns: int) -> Ints:
        """The row of what happened in a slice, not before an instant."""
        begin = slices * self._width
        row = np.searchsorted(self._edges, np.maximum(begin, since_ns), side="right") - 1
        last = np.searchsorted(self._edges, begin + self._width, side="left") - 1
        return np.minimum(row, last)

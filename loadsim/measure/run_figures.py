"""The figures of a running run by phase, for a monitoring system: cumulative, and updated with every frame.

Latencies are those of events that should be accepted, as in the result: where a refusal is due, the time of an answer
says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from loadsim.measure.cells import (
    GROUP_SHIFT,
    GROUPS_PER_STRATUM,
    INDEX_MASK,
    PARTS,
    Cells,
    Metric,
    layout,
    unit_ns,
)
from loadsim.measure.distinct import distinct
from loadsim.measure.exponential_histogram import Exponential, exponential
from loadsim.measure.hdr import Ints
from loadsim.measure.moments import Moments
from loadsim.measure.progress import Progress
from loadsim.measure.strata import StratumNames
from loadsim.model import NS_PER_S

METRICS = (Metric.response, Metric.service, Metric.lag, Metric.receipt)
"""The latencies that are counted."""
MomentsOf = Callable[[Metric, Sequence[int]], Moments | None]
"""The exact moments of a metric over some strata, by the latest frames."""


class Ending(NamedTuple):
    """What events have in common that are counted together: numbers of their phase and case, and their outcome."""

    phase: int
    case: int
    code: int


class Latency(NamedTuple):
    """One latency of one phase. Buckets are in seconds."""

    metric: Metric
    phase: int
    buckets: Exponential
    moments: Moments


class RunFigures(NamedTuple):
    """The run at one moment, since its start."""

    progress: Progress
    ended: dict[Ending, int]
    latencies: list[Latency]


class FigureCounts:
    """Adds up the cells of all frames."""

    def __init__(self, names: StratumNames) -> None:
        strata = [names.unpack(stratum) for stratum in range(names.strata)]
        self._phase, _, self._case = np.array(strata, dtype=np.int64).reshape(-1, 3).T
        timed = [names.expects[case] == "accept" for _, _, case in strata]
        self._timed = np.array(timed, dtype=np.bool)
        self._strata = [names.select(phase=phase, expect="accept") for phase in range(len(names.phases))]
        self._ended: dict[Ending, int] = {}
        self._counts: dict[tuple[Metric, int], Ints] = {}
        self._made: dict[tuple[Metric, int], Latency] = {}
        """Those that have not changed since they were made."""

    def add(self, cells: Cells) -> None:
        """Take the compacted cells of a frame."""
        groups = cells.keys >> GROUP_SHIFT
        strata, metrics = groups // GROUPS_PER_STRATUM, groups % GROUPS_PER_STRATUM // PARTS
        indexes = cells.keys & INDEX_MASK
        self._add_ended(strata, indexes, cells.counts, np.flatnonzero(metrics == Metric.ended))
        for metric in METRICS:
            chosen = np.flatnonzero((metrics == metric) & self._timed[strata])
            phases = self._phase[strata[chosen]]
            for phase in distinct(phases).tolist():
                own = chosen[phases == phase]
                self._made.pop((metric, phase), None)
                empty = np.zeros(layout(metric).counts_len, dtype=np.int64)
                np.add.at(self._counts.setdefault((metric, phase), empty), indexes[own], cells.counts[own])

    def figures(self, progress: Progress, moments_of: MomentsOf) -> RunFigures:
        """The figures so far."""
        for metric, phase in self._counts.keys() - self._made.keys():
            moments = moments_of(metric, self._strata[phase])
            if moments is not None:
                buckets = exponential(self._counts[metric, phase], layout(metric), unit_ns(metric) / NS_PER_S)
                self._made[metric, phase] = Latency(metric, phase, buckets, moments)
        return RunFigures(progress, dict(self._ended), [self._made[key] for key in sorted(self._made)])

    def _add_ended(self, strata: Ints, codes: Ints, counts: Ints, chosen: Ints) -> None:
        rows = zip(self._phase[strata[chosen]], self._case[strata[chosen]], codes[chosen], strict=True)
        for row, count in zip(rows, counts[chosen].tolist(), strict=True):
            ending = Ending(*map(int, row))
            self._ended[ending] = self._ended.get(ending, 0) + count

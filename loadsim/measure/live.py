"""What a live view asks of the cells, kept up to date as frames come: a look then costs next to nothing.

Decides what "the last second" is: what the latest frame of each shard counted. Refuses to know quantiles and units.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from loadsim.measure.cells import EMPTY, INDEX_MASK, Cells, Metric, compact, layout, select
from loadsim.measure.hdr import Ints

METRICS = (Metric.response, Metric.lag)


class Live:
    """Counts of METRICS by bucket over `strata` strata: of the whole run, and of the latest frame of each shard."""

    def __init__(self, strata: int) -> None:
        self._strata = range(strata)
        self._total = {metric: np.zeros(layout(metric).counts_len, dtype=np.int64) for metric in METRICS}
        self._latest = {metric: np.zeros(layout(metric).counts_len, dtype=np.int64) for metric in METRICS}
        self._of_shard: dict[tuple[int, Metric], Cells] = {}

    def add(self, shard: int, cells: Cells) -> None:
        """Take the compacted cells of a shard's frame."""
        for metric in METRICS:
            keys, counts = select(cells, metric, self._strata)
            buckets = keys & INDEX_MASK
            before = self._of_shard.get((shard, metric), EMPTY)
            np.add.at(self._total[metric], buckets, counts)
            np.add.at(self._latest[metric], buckets, counts)
            np.subtract.at(self._latest[metric], before.keys, before.counts)
            self._of_shard[shard, metric] = Cells(buckets, counts)

    def total(self, metric: Metric) -> Cells:
        """Since the start of the run, by bucket, ascending."""
        return _occupied(self._total[metric])

    def latest(self, metric: Metric, shards: Iterable[int] | None = None) -> Cells:
        """Of the latest frames of these shards (default: all), by bucket, ascending."""
        if shards is None:
            return _occupied(self._latest[metric])
        return compact([self._of_shard.get((shard, metric), EMPTY) for shard in shards])


def _occupied(counts: Ints) -> Cells:
    buckets = np.flatnonzero(counts)
    return Cells(buckets, counts[buckets])

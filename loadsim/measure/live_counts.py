"""Counts for a live view, updated with every frame, so that reading them is cheap.

"The last second" is what the latest frame of each shard counted, or the latest frames where they come more often.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np

from loadsim.measure.cells import INDEX_MASK, Cells, Metric, compact, layout, select
from loadsim.measure.hdr import Ints

METRICS = (Metric.response, Metric.lag)


class Live:
    """Counts of METRICS by bucket over `strata` strata: of the whole run, and of a shard's latest `frames` frames."""

    def __init__(self, strata: int, frames: int = 1) -> None:
        self._strata = range(strata)
        self._total = {metric: np.zeros(layout(metric).counts_len, dtype=np.int64) for metric in METRICS}
        self._latest = {metric: np.zeros(layout(metric).counts_len, dtype=np.int64) for metric in METRICS}
        self._codes = np.zeros(INDEX_MASK + 1, dtype=np.int64)
        self._frames = frames
        self._of_shard: dict[tuple[int, Metric], deque[Cells]] = {}

    def add(self, shard: int, cells: Cells) -> None:
        """Take the compacted cells of a shard's frame."""
        for metric in METRICS:
            keys, counts = select(cells, metric, self._strata)
            buckets = keys & INDEX_MASK
            np.add.at(self._total[metric], buckets, counts)
            np.add.at(self._latest[metric], buckets, counts)
            kept = self._of_shard.setdefault((shard, metric), deque())
            kept.append(Cells(buckets, counts))
            if len(kept) > self._frames:
                np.subtract.at(self._latest[metric], *kept.popleft())

        ended = select(cells, Metric.ended, self._strata)
        np.add.at(self._codes, ended.keys & INDEX_MASK, ended.counts)

    def codes(self) -> dict[int, int]:
        """How many events ended with each code, ascending by code."""
        keys, counts = _occupied(self._codes)
        return dict(zip(keys.tolist(), counts.tolist(), strict=True))

    def total(self, metric: Metric) -> Cells:
        """Since the start of the run, by bucket, ascending."""
        return _occupied(self._total[metric])

    def latest(self, metric: Metric, shards: Iterable[int] | None = None) -> Cells:
        """Of the latest frames of these shards (default: all), by bucket, ascending."""
        if shards is None:
            return _occupied(self._latest[metric])
        return compact([cells for shard in shards for cells in self._of_shard.get((shard, metric), ())])


def _occupied(counts: Ints) -> Cells:
    buckets = np.flatnonzero(counts)
    return Cells(buckets, counts[buckets])

"""The figures of one latency metric of one group of events, in milliseconds, from counts and exact moments."""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.measure.cells import Metric, layout, unit_ns
from loadsim.measure.hdr import PERCENTILES, percentiles
from loadsim.measure.intervals import intervals
from loadsim.measure.merge import Merged
from loadsim.measure.result import Stats
from loadsim.model import NS_PER_MS


def stats_of(merged: Merged, metric: Metric, strata: Sequence[int], run_id: str | None = None) -> Stats:
    """Figures of `metric` over `strata`; with a run id, percentiles get their 95 % intervals too."""
    moments = merged.moments(metric, strata)
    if moments is None:
        return Stats(count=0)
    config, unit = layout(metric), unit_ns(metric)
    found = percentiles(merged.counts(metric, strata), config, list(PERCENTILES.values()))

    def shown(value: int) -> float:
        # Buckets are whole units, moments are ns: a percentile is kept between the exact minimum and maximum.
        return min(max(value * unit, moments.min), moments.max) / NS_PER_MS

    bounds = intervals(merged.sliced(metric, strata), config, PERCENTILES, run_id) if run_id is not None else None
    return Stats(
        count=moments.count,
        min=moments.min / NS_PER_MS,
        mean=moments.mean / NS_PER_MS,
        stdev=moments.stdev / NS_PER_MS,
        max=moments.max / NS_PER_MS,
        ci95={name: (shown(low), shown(high)) for name, (low, high) in bounds.items()} if bounds else None,
        overflow=moments.overflow,
        **{name: None if value is None else shown(value) for name, value in zip(PERCENTILES, found, strict=True)},
    )

"""The figures of one latency metric of one group of events, in milliseconds, from counts and exact moments."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from loadsim.measure.cells import Metric, Part, layout, unit_ns
from loadsim.measure.hdr import PERCENTILES, HdrConfig, Ints, percentiles, rank_buckets
from loadsim.measure.intervals import intervals
from loadsim.measure.merged_counts import Merged, Sliced
from loadsim.measure.moments import Moments
from loadsim.measure.result_events import Stats
from loadsim.model import NS_PER_MS, NS_PER_S


def stats_of(
    merged: Merged,
    metric: Metric,
    strata: Sequence[int],
    parts: Collection[Part] | None = None,
    *,
    with_intervals: bool = False,
) -> Stats:
    """Figures of `metric` over `strata`, of all parts or of some; `with_intervals`: with the 95 % intervals of
    percentiles too."""
    moments = merged.moments(metric, strata, parts)
    if moments is None:
        return Stats(count=0)
    counts = merged.counts(metric, strata, parts)
    cut_off = merged.counts(metric, strata, [Part.unfinished]) if parts is None else np.zeros_like(counts)
    sliced = merged.sliced(metric, strata, parts) if with_intervals else None
    return stats_from(moments, counts, cut_off, layout(metric), unit_ns(metric), sliced, merged.slice_ns)


def stats_from(
    moments: Moments, counts: Ints, cut_off: Ints, config: HdrConfig, unit: int, sliced: Sliced | None, slice_ns: int
) -> Stats:
    """Figures of dense counts in a layout whose unit has `unit` ns.

    `cut_off`: those of `counts` that are of unfinished events. `sliced`: the same counts by slices of `slice_ns`, for
    intervals; None: without.
    """
    found = percentiles(counts, config, list(PERCENTILES.values()))

    def shown(value: int) -> float:
        # Buckets are whole units, moments are ns: a percentile is kept between the exact minimum and maximum.
        return min(max(value * unit, moments.min), moments.max) / NS_PER_MS

    bounds = None if sliced is None else intervals(sliced, config, PERCENTILES)
    slice_s = slice_ns / NS_PER_S
    return Stats(
        count=moments.count,
        min=moments.min / NS_PER_MS,
        mean=moments.mean / NS_PER_MS,
        stdev=moments.stdev / NS_PER_MS,
        max=moments.max / NS_PER_MS,
        ci95={name: (shown(found.low), shown(found.high)) for name, found in bounds.stated.items()} if bounds else None,
        needs_s={name: slices * slice_s for name, slices in bounds.needs.items()} if bounds else None,
        overflow=moments.overflow,
        unfinished=int(cut_off.sum()),
        lower_bounds=_lower_bounds(counts, cut_off),
        **{name: None if value is None else shown(value) for name, value in zip(PERCENTILES, found, strict=True)},
    )


def _lower_bounds(counts: Ints, cut_off: Ints) -> list[str]:
    """The figures that would be greater if the unfinished events had gone on for ever."""
    if not cut_off.any():
        return []
    at_least = rank_buckets(counts, PERCENTILES.values())
    at_most = rank_buckets(counts - cut_off, PERCENTILES.values(), int(counts.sum()))
    moved = [name for name, low, high in zip(PERCENTILES, at_least, at_most, strict=True) if low != high]
    return [*moved, "mean", "max"]

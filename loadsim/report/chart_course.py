"""The run over time, as the page's charts show it: latencies, rates and counts in bins, and the heat map.

A bin is a stretch of neighbouring rows of the series in one phase, with its true length: no bin mixes the load of two
phases. Percentiles of a bin come from the added counts of its rows; one with too few samples for a percentile has none.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadsim.measure.hdr import PERCENTILES, Ints, percentiles
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import SeriesRow
from loadsim.measure.sample_sizes import least_count
from loadsim.measure.stored_histograms import SlicedCounts, ok_rows_of, rows_of
from loadsim.model import US_PER_MS

MOST_POINTS = 120
"""Largest number of bins in a chart; a screen cannot show more."""
FEWEST_POINTS = 12
BINS_PER_DECADE = 8
_WIDTHS_S = (0.25, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""Widths that read well, where slices fit into them."""
_RATE_WIDTH_S = 1.0
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Bins:
    """Stretches of rows: `first[i]` is the number of the first row of bin i. `width_s`: of every bin that no border
    of a phase cuts off."""

    width_s: float
    first: list[int]
    edges_s: list[float]
    """Where each bin begins and, as one value more, where the last ends; seconds since the start of the run."""

    @property
    def t_s(self) -> list[float]:
        """Where each bin begins."""
        return self.edges_s[:-1]

    @property
    def widths_s(self) -> list[float]:
        """How long each bin is."""
        return [end - start for start, end in itertools.pairwise(self.edges_s)]

    @property
    def middles_s(self) -> list[float]:
        """The middle of each bin."""
        return [round((start + end) / 2, 6) for start, end in itertools.pairwise(self.edges_s)]

    def of(self, rows: Sequence[SeriesRow]) -> list[Sequence[SeriesRow]]:
        """The rows of each bin."""
        return [rows[start:end] for start, end in itertools.pairwise([*self.first, len(rows)])]


@dataclass(frozen=True, slots=True)
class LatencyCourse:
    """Latencies over time in ms, by due time."""

    bins: Bins
    p50: list[float | None]
    p90: list[float | None]
    p99: list[float | None]
    max: list[float | None]
    ok_p99: list[float | None]
    """p99 of the events answered 2xx."""


@dataclass(frozen=True, slots=True)
class RateCourse:
    """Rates per second over time, and counts at the end of each bin."""

    bins: Bins
    planned: list[float]
    sent: list[float]
    """Deliveries: of one event there may be several."""
    completed: list[float]
    refused: list[float]
    """Answers that are not 2xx."""
    broken: list[float]
    """Events that ended without a complete answer."""
    in_flight: list[int | None]
    planned_so_far: list[int]
    sent_so_far: list[int]
    completed_so_far: list[int]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """How many events by time (rows of `counts`: bins) and latency (columns: from `edges_ms[i]` to `[i+1]`)."""

    bins: Bins
    edges_ms: list[float]
    counts: list[list[int]]


def latency_course(result: RunResult) -> LatencyCourse:
    """The series in as many bins as a chart can show, each with enough samples for p99 if possible."""
    rows = result.series
    counts = rows_of(result, "response")
    bins = _bins(result, _latency_width_s(result) if len(counts.sliced.counts) else 0.0)
    tops = [max((row.max_ms for row in group if row.max_ms is not None), default=None) for group in bins.of(rows)]
    if len(counts.sliced.counts):
        p50, p90, p99 = _percentiles(counts, bins, tops)
    else:  # no histograms by row: one point per row, as stored
        p50, p90, p99 = ([getattr(row, name) for row in rows] for name in ("p50_ms", "p90_ms", "p99_ms"))
    ok = ok_rows_of(result, "response")
    unknown: list[float | None] = [None] * len(bins.first)
    ok_p99 = _percentiles(ok, bins, tops)[2] if len(ok.sliced.counts) else unknown
    return LatencyCourse(bins=bins, p50=p50, p90=p90, p99=p99, max=tops, ok_p99=ok_p99)


def shared_axis(result: RunResult, bins: Bins) -> list[float]:
    """The two ends of the time axis that latency and the endpoint's own figures share, seconds since the start."""
    seen = [at for series in result.watches for at in (*series.t_s[:1], *series.t_s[-1:])]
    return [min([bins.edges_s[0], *seen]), max([bins.edges_s[-1], *seen])]


def rate_course(result: RunResult) -> RateCourse:
    """The series in bins of one second, or wider ones in a long run."""
    length = _length_s(result)
    bins = _bins(result, _wide_enough(max(length / MOST_POINTS, min(_RATE_WIDTH_S, length / FEWEST_POINTS)), result))
    groups, widths = bins.of(result.series), bins.widths_s

    def counts(name: str) -> list[int]:
        return [sum(getattr(row, name) for row in group) for group in groups]

    def rates(found: Sequence[int]) -> list[float]:
        return [n / width for n, width in zip(found, widths, strict=True)]

    due, completed, succeeded, failed = map(counts, ("due", "completed", "succeeded", "failed"))
    sent = [sum(row.sent if row.attempts is None else row.attempts for row in group) for group in groups]
    refused = [every - good for every, good in zip(completed, succeeded, strict=True)]
    broken = [max(0, every - bad) for every, bad in zip(failed, refused, strict=True)]
    return RateCourse(
        bins=bins,
        planned=rates(due),
        sent=rates(sent),
        completed=rates(completed),
        refused=rates(refused),
        broken=rates(broken),
        in_flight=[group[-1].in_flight for group in groups],
        planned_so_far=list(itertools.accumulate(due)),
        sent_so_far=list(itertools.accumulate(sent)),
        completed_so_far=list(itertools.accumulate(completed)),
    )


def heat_map(result: RunResult) -> HeatMap | None:
    """Response times by time and size; None without histograms by row."""
    rows = rows_of(result, "response")
    if not len(rows.sliced.counts):
        return None
    bins = _bins(result, _wide_enough(_length_s(result) / MOST_POINTS, result))
    highest = rows.config.highest_equivalent(rows.sliced.indexes) / US_PER_MS
    edges = latency_edges(float(highest.min()), float(highest.max()), BINS_PER_DECADE)
    column = np.clip(np.searchsorted(edges, highest, side="right") - 1, 0, len(edges) - 2)
    counts: Ints = np.zeros((len(bins.first), len(edges) - 1), dtype=np.int64)
    of_row = np.searchsorted(bins.first, rows.sliced.slices, side="right") - 1
    np.add.at(counts, (of_row, column), rows.sliced.counts)
    return HeatMap(bins=bins, edges_ms=edges, counts=counts.tolist())


def latency_edges(low_ms: float, high_ms: float, per_decade: int) -> list[float]:
    """Edges of bins of latency, evenly spaced on a logarithmic axis, from below `low_ms` to above `high_ms`."""
    first = math.floor(math.log10(max(low_ms, 0.001)) * per_decade)
    last = math.ceil(math.log10(high_ms) * per_decade + _EPSILON)
    edges: list[float] = (10.0 ** (np.arange(first, max(last, first + 1) + 1) / per_decade)).tolist()
    return edges


def _length_s(result: RunResult) -> float:
    return sum(_row_s(result, row) for row in result.series)


def _row_s(result: RunResult, row: SeriesRow) -> float:
    return result.slice_s if row.width_s is None else row.width_s


def _bins(result: RunResult, width_s: float) -> Bins:
    """Neighbouring rows of one phase in stretches of `width_s`, from the beginning of the phase. The rest of a phase is
    a bin of its own if it is half as long, else part of the bin before it."""
    rows, borders = result.series, _borders_s(result)
    first: list[int] = []
    for _, numbers in itertools.groupby(range(len(rows)), key=lambda i: bisect_right(borders, rows[i].t_s + _EPSILON)):
        stretch = list(numbers)
        begin, end = rows[stretch[0]].t_s, rows[stretch[-1]].t_s + _row_s(result, rows[stretch[-1]])
        places = [int((rows[i].t_s - begin) / width_s + _EPSILON) if width_s else i for i in stretch]
        starts = [i for i, place, before in zip(stretch, places, [-1, *places], strict=False) if place != before]
        if len(starts) > 1 and end - rows[starts[-1]].t_s < width_s / 2 - _EPSILON:
            starts.pop()
        first += starts
    last = [rows[-1].t_s + _row_s(result, rows[-1])] if rows else [0.0]
    return Bins(width_s or result.slice_s, first, [*(rows[i].t_s for i in first), *last])


def _borders_s(result: RunResult) -> list[float]:
    """Where a phase begins or ends, as the phases really lasted."""
    return list(itertools.accumulate(group.duration_s or 0.0 for group in result.by_phase.values()))


def _latency_width_s(result: RunResult) -> float:
    """The least width that gives at most MOST_POINTS, and enough samples for p99 as long as FEWEST_POINTS remain."""
    rows = result.series
    fewest = max(1, math.ceil(len(rows) / MOST_POINTS))
    most = max(fewest, len(rows) // FEWEST_POINTS)
    typical = float(np.median([row.due for row in rows if row.due] or [1]))
    wanted = max(fewest, math.ceil(least_count(PERCENTILES["p99"]) / max(typical, 1)))
    width = _wide_enough(min(wanted, most) * result.slice_s, result)
    return width if width <= most * result.slice_s else min(wanted, most) * result.slice_s


def _wide_enough(least_s: float, result: RunResult) -> float:
    """The least width of _WIDTHS_S, or multiple of the slice, that is not below `least_s`."""
    slice_s = result.slice_s or 1.0
    fitting = (width for width in _WIDTHS_S if (width / slice_s).is_integer() and width >= least_s - _EPSILON)
    return next(fitting, max(1, math.ceil(least_s / slice_s - _EPSILON)) * slice_s)


def _percentiles(rows: SlicedCounts, bins: Bins, tops: list[float | None]) -> tuple[list[float | None], ...]:
    quantiles = [PERCENTILES[name] for name in ("p50", "p90", "p99")]
    table: list[list[float | None]] = []
    for counts, top in zip(rows.stretches(bins.first), tops, strict=True):
        found = percentiles(counts, rows.config, quantiles)
        ceiling = math.inf if top is None else top
        table.append([None if value is None else min(value / US_PER_MS, ceiling) for value in found])
    return tuple([list(column) for column in zip(*table, strict=True)])

"""The numbers of the page's charts: the same figures are in each chart and in the table below it.

Percentiles over time come from the added counts of neighbouring slices. An interval with too few samples for a
percentile has none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from loadsim.judge.objectives import parse_objective, percentile_of
from loadsim.measure.hdr import PERCENTILES, Ints, percentiles
from loadsim.measure.intervals import intervals
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import SeriesRow, histogram_key
from loadsim.measure.sample_sizes import least_count
from loadsim.measure.stored_histograms import SlicedCounts, ok_slices_of, slices_of, whole_of
from loadsim.model import NS_PER_S, US_PER_MS, UsageError
from loadsim.plan.units import UnitError, parse_duration

MOST_POINTS = 120
"""Largest number of time intervals in a chart; a screen cannot show more."""
FEWEST_POINTS = 12
NINES = 6
OK = "ok"
"""The curve of response times of 2xx answers alone."""
STEPS_PER_NINE = 12
BINS_PER_DECADE = 8


@dataclass(frozen=True, slots=True)
class Limit:
    """An objective that a percentile chart can show: stay below (or above) `ms` up to quantile `q`."""

    text: str
    metric: str
    q: float
    ms: float
    passed: bool | None


@dataclass(frozen=True, slots=True)
class PercentileCurve:
    """One metric by percentile, all in ms. `band`: the 95 % interval of each point up to `firm`, None where the run is
    too short for one; empty without slices."""

    metric: str
    q: list[float]
    ms: list[float]
    band: list[tuple[float, float] | None]
    firm: int
    """Number of points with enough samples for a finite 95 % interval; the others are shown as uncertain."""


@dataclass(frozen=True, slots=True)
class Course:
    """The run over time, in intervals of `width_s`. Rates per second; latencies in ms, by due time."""

    width_s: float
    t_s: list[float]
    p50: list[float | None]
    p90: list[float | None]
    p99: list[float | None]
    max: list[float | None]
    ok_p99: list[float | None]
    """p99 of the events answered 2xx."""
    planned: list[float]
    sent: list[float]
    """Deliveries: of one event there may be several."""
    completed: list[float]
    refused: list[float]
    """Answers that are not 2xx."""
    broken: list[float]
    """Events that ended without a complete answer."""
    in_flight: list[int | None]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """How many events by time (rows of `counts`: intervals) and latency (columns: bins from `edges[i]` to `[i+1]`)."""

    width_s: float
    t_s: list[float]
    edges_ms: list[float]
    counts: list[list[int]]


def ladder() -> list[Fraction]:
    """Quantiles from 0 towards 1, evenly spaced on an axis of nines, with every named percentile among them."""
    steps = (1 - 10 ** (-step / STEPS_PER_NINE) for step in range(STEPS_PER_NINE * NINES + 1))
    return sorted({*(Fraction(f"{q:.9f}") for q in steps), *PERCENTILES.values()})


def percentile_curves(result: RunResult) -> list[PercentileCurve]:
    """`response`, `ok` (response of 2xx answers) and `service`; a closed run has no `service`, since its response time
    is its service time."""
    latencies = result.totals.latency_ms
    ok = result.totals.by_status.get("2xx", {})
    known = [("response", "response", latencies, slices_of), (OK, "response", ok, ok_slices_of)]
    known += [] if result.run.model == "closed" else [("service", "service", latencies, slices_of)]
    curves = []
    for name, metric, stats, sliced in known:
        whole = whole_of(result, histogram_key(metric, status="2xx") if name == OK else metric)
        if whole is None or metric not in stats:
            continue
        n = whole.n
        quantiles = [q for q in ladder() if n * (1 - q) >= 1 or q == 0]
        greatest = stats[metric].max or math.inf
        values = [min(value, greatest) for value in whole.values_ms(quantiles)]
        firm = sum(n >= least_count(q) for q in quantiles)
        band = _band(sliced(result, metric), quantiles[:firm])
        curves.append(PercentileCurve(name, [float(q) for q in quantiles], values, band, firm))
    return curves


def _band(found: SlicedCounts, quantiles: list[Fraction]) -> list[tuple[float, float] | None]:
    """The 95 % interval of each quantile, as the stored ones are made; empty when none has one."""
    names = {str(q): q for q in quantiles}
    stated = intervals(found.sliced, found.config, names).stated
    ends = [stated.get(name) for name in names] if stated else []
    return [None if each is None else (each.low / US_PER_MS, each.high / US_PER_MS) for each in ends]


def limits(result: RunResult) -> list[Limit]:
    """Every untagged objective on a percentile of response or service time."""
    found = []
    for row in result.verdict.objectives:
        try:
            objective = parse_objective(row.text)
        except UsageError:  # stored by a version with other words
            continue
        percentile = percentile_of(objective.aggregation)
        if objective.window_ns is not None:  # it bounds each window, not the whole
            continue
        if percentile is not None and not objective.tags and objective.metric in ("response", "service"):
            found.append(Limit(row.text, objective.metric, float(percentile) / 100, float(objective.value), row.passed))
    return found


def course(result: RunResult) -> Course:
    """The series in as many intervals as a chart can show, each with enough samples for p99 if possible."""
    rows = result.series
    slices = slices_of(result, "response")
    joined = _slices_per_point(rows, slices)
    width = joined * result.slice_s
    groups = [rows[i : i + joined] for i in range(0, len(rows), joined)]
    tops = [_top(group) for group in groups]
    if len(slices.sliced.counts):
        p50, p90, p99 = _percentiles(slices, joined, tops)
    else:  # no histograms by slice: one point per row, as stored
        p50, p90, p99 = ([getattr(row, name) for row in rows] for name in ("p50_ms", "p90_ms", "p99_ms"))
    ok = ok_slices_of(result, "response")
    ok_p99: list[float | None] = _percentiles(ok, joined, tops)[2] if len(ok.sliced.counts) else [None] * len(groups)

    def rate(group: list[SeriesRow], *names: str) -> float:
        return float(sum(getattr(row, name) for row in group for name in names)) / width

    completed = [rate(group, "completed") for group in groups]
    refused = [sum(row.completed - row.succeeded for row in group) / width for group in groups]
    return Course(
        width_s=width,
        t_s=[group[0].t_s for group in groups],
        p50=p50,
        p90=p90,
        p99=p99,
        max=tops,
        ok_p99=ok_p99,
        planned=[rate(group, "due") for group in groups],
        sent=[sum(row.sent if row.attempts is None else row.attempts for row in group) / width for group in groups],
        completed=completed,
        refused=refused,
        broken=[max(0.0, rate(group, "failed") - bad) for group, bad in zip(groups, refused, strict=True)],
        in_flight=[group[-1].in_flight for group in groups],
    )


def _slices_per_point(rows: list[SeriesRow], slices: SlicedCounts) -> int:
    """The fewest slices per point that give at most MOST_POINTS, then enough samples for p99, if points remain."""
    if not len(slices.sliced.counts):
        return 1
    fewest = max(1, math.ceil(len(rows) / MOST_POINTS))
    most = max(fewest, len(rows) // FEWEST_POINTS)
    needed = least_count(PERCENTILES["p99"])
    typical = float(np.median([row.due for row in rows if row.due] or [1]))
    return min(max(fewest, math.ceil(needed / max(typical, 1))), most)


def _top(group: list[SeriesRow]) -> float | None:
    return max((row.max_ms for row in group if row.max_ms is not None), default=None)


def _percentiles(slices: SlicedCounts, joined: int, tops: list[float | None]) -> tuple[list[float | None], ...]:
    quantiles = [PERCENTILES[name] for name in ("p50", "p90", "p99")]
    table: list[list[float | None]] = []
    for counts, top in zip(slices.stretches(joined), tops, strict=True):
        found = percentiles(counts, slices.config, quantiles)
        ceiling = math.inf if top is None else top
        table.append([None if value is None else min(value / US_PER_MS, ceiling) for value in found])
    return tuple([list(column) for column in zip(*table, strict=True)])


def heat_map(result: RunResult) -> HeatMap | None:
    """Response times by time and size; None without histograms by slice."""
    slices = slices_of(result, "response")
    if not len(slices.sliced.counts):
        return None
    joined = max(1, math.ceil(slices.parts / MOST_POINTS))
    highest = slices.config.highest_equivalent(slices.sliced.indexes) / US_PER_MS
    first = math.floor(math.log10(max(float(highest.min()), 0.001)) * BINS_PER_DECADE)
    last = math.ceil(math.log10(float(highest.max())) * BINS_PER_DECADE + 1e-9)
    edges = 10.0 ** (np.arange(first, max(last, first + 1) + 1) / BINS_PER_DECADE)
    column = np.clip(np.searchsorted(edges, highest, side="right") - 1, 0, len(edges) - 2)
    parts = -(-slices.parts // joined)
    counts: Ints = np.zeros((parts, len(edges) - 1), dtype=np.int64)
    np.add.at(counts, (slices.sliced.slices // joined, column), slices.sliced.counts)
    return HeatMap(
        width_s=joined * result.slice_s,
        t_s=[row.t_s for row in result.series[::joined]],
        edges_ms=edges.tolist(),
        counts=counts.tolist(),
    )


def phase_starts(result: RunResult) -> list[tuple[str, float]]:
    """Name and start (s since the run's start) of every recorded phase, as far as the scenario says when it begins."""
    phases = result.run.scenario.get("phases")
    starts, at = [], 0
    for phase in phases if isinstance(phases, list) else ():
        if not isinstance(phase, dict):
            break
        if phase.get("record", True):
            starts.append((str(phase.get("name", "")), at / NS_PER_S))
        try:
            at += parse_duration(str(phase.get("duration")))
        except UnitError:  # it ends by a count of events
            break
    return starts

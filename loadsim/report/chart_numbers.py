"""The numbers of the page's charts of a whole run: the same figures are in each chart and in the table below it.

Those over time are in `chart_course`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from loadsim.judge.objectives import parse_objective, percentile_of
from loadsim.measure.hdr import PERCENTILES, Ints
from loadsim.measure.intervals import intervals
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import histogram_key
from loadsim.measure.sample_sizes import least_count
from loadsim.measure.stored_histograms import SlicedCounts, ok_slices_of, slices_of, whole_of
from loadsim.model import NS_PER_S, US_PER_MS, UsageError
from loadsim.plan.units import UnitError, parse_duration
from loadsim.report.chart_course import latency_edges

NINES = 6
OK = "ok"
"""The curve of response times of 2xx answers alone."""
STEPS_PER_NINE = 12
HISTOGRAM_BINS_PER_DECADE = 25


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
class LatencyBins:
    """How many events by response time: `counts[i]` from `edges_ms[i]` to `[i+1]`; `ok`: of those answered 2xx."""

    edges_ms: list[float]
    counts: list[int]
    ok: list[int] | None
    """None in results of earlier versions."""


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


def latency_bins(result: RunResult) -> LatencyBins | None:
    """The histogram of response times; None where nothing was counted."""
    whole = whole_of(result, "response")
    if whole is None:
        return None
    occupied = np.flatnonzero(whole.counts)
    highest = whole.config.highest_equivalent(occupied) / US_PER_MS
    edges = latency_edges(float(highest.min()), float(highest.max()), HISTOGRAM_BINS_PER_DECADE)

    def binned(counts: Ints) -> list[int]:
        column = np.clip(np.searchsorted(edges, highest, side="left") - 1, 0, len(edges) - 2)
        found: list[int] = np.bincount(column, weights=counts[occupied], minlength=len(edges) - 1).astype(int).tolist()
        return found

    ok = whole_of(result, histogram_key("response", status="2xx"))
    known = None if not result.totals.by_status else [0] * (len(edges) - 1) if ok is None else binned(ok.counts)
    return LatencyBins(edges, binned(whole.counts), known)


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

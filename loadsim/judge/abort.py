"""Whether an objective can still hold, however the events to come turn out.

Decides by rank arithmetic over what was counted so far and how many events may still follow: the figure ends somewhere
between what it would be if all of them were good, and if none were. Refuses to know when that is asked, and what
becomes of the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from loadsim.judge.objectives import percentile_of, unit_of
from loadsim.judge.vocabulary import METRICS
from loadsim.judge.windows import US_PER_MS, counts_of
from loadsim.measure.cells import Cells, Metric, layout
from loadsim.measure.hdr import least_count, rank
from loadsim.model import NS_PER_S, Objective
from loadsim.plan import Plan, PlannedPhase

_UNITS = {"ms": " ms", "events": "", "events/s": "/s", "fraction": " %"}


def reach(objective: Objective, cells: Cells, to_come: int | None, width_s: float | None) -> tuple[float, float]:
    """Between which values the figure will lie in the end.

    `cells` as for `windows.value_of`; `to_come`: the most events that may still be added, None where nobody knows;
    `width_s`: the time that a rate per second is over, None where it is not known yet.
    """
    kind = METRICS[objective.metric]
    if kind == "trend":
        return _latency(objective, cells, to_come)
    counted, out_of = counts_of(objective, cells)
    if kind == "rate":
        if to_come is None or not out_of + to_come:
            return 0.0, 1.0
        return counted / (out_of + to_come), (counted + to_come) / (out_of + to_come)
    most = math.inf if to_come is None else float(counted + to_come)
    if objective.aggregation == "count":
        return float(counted), most
    return (counted / width_s, most / width_s) if width_s else (0.0, math.inf)


def why_never_certain(objective: Objective, plan: Plan) -> str:
    """Why a breach over the whole run cannot be certain before its end, and what would help; empty where it can.

    While nobody knows how many events are to come, only what cannot be made good any more is certain: a count or a
    maximum above its limit, a minimum below it. However bad a percentile or a share is, enough good events mend it.
    """
    if objective.window_ns is not None:
        return ""
    named = dict(objective.tags).get("phase")
    phases = [phase for phase in plan.phases if (phase.record if named is None else phase.name == named)]
    if METRICS[objective.metric] == "counter" and objective.aggregation == "rate" and length_s(phases) is None:
        return "nobody knows how long its events will take: limit their count"
    if any(plan.count(phase.number) is None for phase in phases) and not _only_gets_worse(objective):
        return (
            "nobody knows how many events a closed phase still brings: give their number, or judge windows ('over 10s')"
        )
    return ""


def _only_gets_worse(objective: Objective) -> bool:
    kind = METRICS[objective.metric]
    if kind == "counter" or objective.aggregation == "max":
        return objective.op in ("<", "<=", "==")
    return objective.aggregation == "min" and objective.op in (">", ">=", "==")


def length_s(phases: Sequence[PlannedPhase]) -> float | None:
    """How long phases will last; None where their events decide."""
    if any(phase.end_ns is None or (phase.model == "closed" and phase.limit is not None) for phase in phases):
        return None
    return sum((phase.end_ns or 0) - phase.start_ns for phase in phases) / NS_PER_S


def cannot_hold(objective: Objective, low: float, high: float) -> bool:
    """True when no value between the two meets the objective."""
    limit = objective.value
    return {
        "<": low >= limit,
        "<=": low > limit,
        ">": high <= limit,
        ">=": high < limit,
        "==": not low <= limit <= high,
        "!=": low == high == limit,
    }[objective.op]


def why_cannot_hold(objective: Objective, low: float, high: float, to_come: int | None, where: str = "") -> str:
    """In words with figures; `where` names the window."""
    unit = unit_of(objective.metric, objective.aggregation)
    below = objective.op in (">", ">=") or (objective.op == "==" and high < objective.value)
    value = (high if below else low) * (100 if unit == "fraction" else 1)
    text = f"{value:,.0f}" if unit == "events" else f"{value:,.4g}"
    said = f"{objective.aggregation} of {objective.metric}{where} is {text}{_UNITS[unit]}"
    if low == high:
        return said
    bound = f"{said} at {'most' if below else 'least'}"
    return bound if to_come is None else f"{bound}, whatever becomes of the {to_come:,} at most that are to come"


def _latency(objective: Objective, cells: Cells, to_come: int | None) -> tuple[float, float]:
    """Percentiles: with r good events more, rank ceil(q (n + r)) falls on the (rank - r)th of those counted."""
    config = layout(Metric[objective.metric])
    n = int(cells.counts.sum())
    number = percentile_of(objective.aggregation)
    if not n or (to_come is None and number is not None):
        return 0.0, math.inf
    # a bucket is as wide as its last digit: nothing is certain before the whole bucket lies beyond the limit
    lowest, highest = (
        config.lowest_equivalent(cells.keys) / US_PER_MS,
        config.highest_equivalent(cells.keys) / US_PER_MS,
    )
    if number is not None:
        quantile, total = Fraction(number) / 100, n + (to_come or 0)
        if total < least_count(max(quantile, 1 - quantile)):
            return 0.0, math.inf  # it will not be judged at all
        running, place = np.cumsum(cells.counts), rank(quantile, total)
        best = place - (to_come or 0)
        return (
            0.0 if best < 1 else float(lowest[np.searchsorted(running, best)]),
            math.inf if place > n else float(highest[np.searchsorted(running, place)]),
        )
    settled = to_come == 0
    if objective.aggregation == "max":
        return float(lowest[-1]), float(highest[-1]) if settled else math.inf
    if objective.aggregation == "min":
        return float(lowest[0]) if settled else 0.0, float(highest[0])
    least, most = float(lowest @ cells.counts), float(highest @ cells.counts)
    return (0.0 if to_come is None else least / (n + to_come)), most / n if settled else math.inf

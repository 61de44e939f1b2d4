"""Whether an objective can still be met, whatever the outcome of the events to come.

From the counts so far and the number of events that may still follow, rank arithmetic gives the range of the final
figure: its value if all events to come are good, and if none is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from loadsim.judge.objectives import percentile_of, unit_of
from loadsim.judge.vocabulary import METRICS
from loadsim.judge.window_objectives import counts_of
from loadsim.measure.cells import Cells, Metric, layout
from loadsim.measure.hdr import rank
from loadsim.measure.sample_sizes import least_count
from loadsim.model import NS_PER_S, US_PER_MS, Objective
from loadsim.plan import Plan, PlannedPhase

_UNITS = {"ms": " ms", "events": "", "events/s": "/s", "fraction": " %"}


def reach(objective: Objective, cells: Cells, to_come: int | None, width_s: float | None) -> tuple[float, float]:
    """The range of the final value of the figure.

    `cells` as for `window_objectives.value_of`. `to_come`: the most events that may still be added; None: not known.
    `width_s`: the time over which a rate per second is computed; None: not known yet.
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
    """Why a miss over the whole run cannot be certain before its end, and what would help; empty when it can.

    While the number of events to come is not known, only a count or a maximum above its limit, or a minimum below it,
    is certain. A percentile or a share can always be improved by enough good events.
    """
    if objective.window_ns is not None:
        return ""
    named = dict(objective.tags).get("phase")
    phases = [phase for phase in plan.phases if (phase.record if named is None else phase.name == named)]
    if METRICS[objective.metric] == "counter" and objective.aggregation == "rate" and length_s(phases) is None:
        return "the duration of its phases is not known: limit the count"
    if any(plan.count(phase.number) is None for phase in phases) and not _only_gets_worse(objective):
        return "the number of events of a closed phase is not known: give it, or judge windows ('over 10s')"
    return ""


def _only_gets_worse(objective: Objective) -> bool:
    kind = METRICS[objective.metric]
    if kind == "counter" or objective.aggregation == "max":
        return objective.op in ("<", "<=", "==")
    return objective.aggregation == "min" and objective.op in (">", ">=", "==")


def length_s(phases: Sequence[PlannedPhase]) -> float | None:
    """How long phases will last; None when it depends on their events."""
    if any(phase.end_ns is None or (phase.model == "closed" and phase.limit is not None) for phase in phases):
        return None
    return sum((phase.end_ns or 0) - phase.start_ns for phase in phases) / NS_PER_S


def cannot_hold(objective: Objective, low: float, high: float) -> bool:
    """True when no value from `low` to `high` meets the objective."""
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
    """The reason in words with figures; `where` names the window."""
    unit = unit_of(objective.metric, objective.aggregation)
    below = objective.op in (">", ">=") or (objective.op == "==" and high < objective.value)
    value = (high if below else low) * (100 if unit == "fraction" else 1)
    text = f"{value:,.0f}" if unit == "events" else f"{value:,.4g}"
    said = f"{objective.aggregation} of {objective.metric}{where} is {text}{_UNITS[unit]}"
    if low == high:
        return said
    bound = f"{said} at {'most' if below else 'least'}"
    return bound if to_come is None else f"{bound}, whatever the outcome of the events to come (at most {to_come:,})"


def _latency(objective: Objective, cells: Cells, to_come: int | None) -> tuple[float, float]:
    """For percentiles: with r more good events, rank ceil(q (n + r)) is the (rank - r)th of the counted values."""
    config = layout(Metric[objective.metric])
    n = int(cells.counts.sum())
    number = percentile_of(objective.aggregation)
    if not n or (to_come is None and number is not None):
        return 0.0, math.inf
    # A bucket has a width: only a bucket that lies wholly beyond the limit makes a miss certain.
    lowest, highest = (
        config.lowest_equivalent(cells.keys) / US_PER_MS,
        config.highest_equivalent(cells.keys) / US_PER_MS,
    )
    if number is not None:
        quantile, total = Fraction(number) / 100, n + (to_come or 0)
        if total < least_count(max(quantile, 1 - quantile)):
            return 0.0, math.inf  # too few samples: it will not be judged
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

"""The most favourable figure that an objective may have had without the generator's pauses."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from loadsim.judge.objectives import percentile_of
from loadsim.measure.hdr import HdrConfig, Ints, rank
from loadsim.model import Objective

US_PER_MS = 1000
UPPER, LOWER = ("<", "<="), (">", ">=")
_JUST = 1e-9


def best_between(objective: Objective, low: float, high: float) -> float | None:
    """The value from `low` to `high` that comes nearest to meeting the objective; None for `!=`."""
    if objective.op == "==":
        return min(max(objective.value, low), high)
    return {"<": low, "<=": low, ">": high, ">=": high}.get(objective.op)


def just_met(objective: Objective) -> float:
    """A value that meets the limit, and not by more than it must."""
    if objective.op in LOWER:
        return objective.value * (1 + _JUST)
    return objective.value * (1 - _JUST if objective.op in UPPER else 1)


def latency_without(config: HdrConfig, counts: Ints, disturbed: int, objective: Objective) -> float | None:
    """The figure of a latency in ms; disturbed events lie below all others where the limit is an upper one, above where
    it is a lower one. In a mean they do not count. None for `==` and `!=`."""
    number = percentile_of(objective.aggregation)
    occupied = np.flatnonzero(counts)
    low, high = config.lowest_equivalent(occupied), config.highest_equivalent(occupied)
    if objective.op not in (*UPPER, *LOWER):
        return None
    if not len(occupied):
        return 0.0 if objective.op in UPPER else just_met(objective)
    if objective.aggregation == "avg":
        return float(np.sum((low + high) / 2 * counts[occupied])) / int(counts.sum()) / US_PER_MS
    n = int(counts.sum()) + disturbed
    share = {"min": Fraction(0), "max": Fraction(1)}.get(objective.aggregation)
    place = rank(Fraction(number) / 100 if number is not None else share or Fraction(0), n)
    if objective.op in UPPER:
        place -= disturbed
    if place <= 0:
        return 0.0
    if place > n - disturbed:  # a disturbed event, which may have taken as long as the limit asks for
        return just_met(objective)
    return float(high[np.searchsorted(np.cumsum(counts[occupied]), place)]) / US_PER_MS

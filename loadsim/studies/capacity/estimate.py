"""Where the share of bad events crosses what the objectives allow, from all steps of a search together.

One step near the limit tells little: the tail of a loaded endpoint comes from a few busy periods, and whether such a
step passes is chance. A search that only ever goes down after a failure therefore ends too low. All steps together
determine a curve of rate against the excess (bad events over allowed ones), and the answer is where it passes 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from loadsim.measure.intervals import student975

MOST_EXCESS = 6.0
"""A step with so many times the allowed bad events has failed; how many more it had does not matter."""
LEAST_EXCESS = 0.25
"""A step with no more than this has passed."""
_REACH = 1.5
"""Steps are looked at, and the crossing is looked for, up to this factor beside the bracket."""
_RATES = 361
_SLOPES = np.geomspace(1.5, 1000, 64)
"""Relative growth of the excess per relative growth of the rate: from gentle to a cliff."""
_INFORMS = (0.2, MOST_EXCESS)
"""Steps with an excess between these show how bad events cluster."""


class Look(NamedTuple):
    """What one step says. `excess`: bad events as a multiple of the allowed number. `allowed`: that number.
    `inflation`: how much more the number of bad events varies than that of independent ones; None: not known."""

    rate: float
    excess: float
    allowed: float
    inflation: float | None


class Estimate(NamedTuple):
    """The rate at which the excess is 1, with its 95 % interval."""

    rate: float
    low: float
    high: float

    def within(self, precision: float) -> bool:
        """Whether the interval is no wider than a bracket of this relative precision."""
        return self.high / self.low - 1 <= precision


def pooled(looks: Sequence[Look]) -> float:
    """The excess of several steps of one rate together."""
    return sum(look.excess * look.allowed for look in looks) / sum(look.allowed for look in looks)


def estimate(looks: Sequence[Look], best: float, ceiling: float) -> Estimate:
    """The crossing by maximum quasi-likelihood, its interval by the profile of the deviance.

    The bad events of a step are taken for Poisson, scaled by their clustering; their number for an exponential of the
    rate near the crossing, as it is in an M/M/1 queue (McCullagh & Nelder, Generalized Linear Models, 1989, ch. 9).
    `best` and `ceiling`: the highest rate that passed and the lowest that did not, on which the search for the crossing
    is centred.
    """
    used = [look for look in looks if best / _REACH <= look.rate <= ceiling * _REACH]
    rates = np.geomspace(best / _REACH, ceiling * _REACH, _RATES)
    rates = np.sort(np.append(rates, [best, ceiling]))
    seen, allowed = (np.array([getattr(look, name) for look in used]) for name in ("excess", "allowed"))
    steps = np.array([look.rate for look in used]) / rates[:, None] - 1
    growth = np.exp(np.clip(_SLOPES[:, None, None] * steps, -50, 50))
    # Beyond the two limits a step says only on which side it lies.
    expected = np.maximum(np.clip(growth, np.minimum(seen, LEAST_EXCESS), np.maximum(seen, MOST_EXCESS)), 1e-12)
    logs = np.where(seen > 0, seen * np.log(np.maximum(seen, 1e-12) / expected), 0.0)
    profile = (2 * (allowed * (logs - (seen - expected))).sum(axis=-1)).min(axis=0)
    scale = _clustering(used)
    likely = rates[profile <= profile.min() + 0.02 * scale]
    held = rates[profile <= profile.min() + scale * student975(max(3, len(used) - 2)) ** 2]
    return Estimate(math.exp(float(np.log(likely).mean())), float(held[0]), float(held[-1]))


def _clustering(looks: Sequence[Look]) -> float:
    """How much more numbers of bad events vary than independent ones would, at least 1."""
    known = [
        (look.inflation, look.excess * look.allowed)
        for look in looks
        if look.inflation is not None and _INFORMS[0] < look.excess < _INFORMS[1]
    ]
    events = sum(weight for _, weight in known)
    return max(1.0, sum(inflation * weight for inflation, weight in known) / events) if events else 1.0

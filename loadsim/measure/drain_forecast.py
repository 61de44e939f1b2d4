"""How long a backlog will take, from the instants at which events were done while there was one.

The time for B more completions is B · m, with m the mean time between two. Its interval holds both what is random in
the future (the sum of B such times) and in the estimate of m (from n of them): variance B · s² + B² · s² / n. Times
between completions may depend on each other (several processors, pauses), so s² is estimated from the sums of
consecutive groups of them (batch means; Law & Kelton, "Simulation Modeling and Analysis", ch. 9).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from loadsim.measure.hdr import Ints
from loadsim.measure.intervals import student975
from loadsim.model import NS_PER_S

LEAST_DONE = 10
"""Fewer completions give no forecast."""
_GROUPS = 20
"""Groups of consecutive times between completions, at most."""
_LEAST_IN_GROUP = 5


class Forecast(NamedTuple):
    """Rate of completions, events per second, and the time that is left in seconds, with its 95 % interval."""

    rate: float
    left_s: float
    low_s: float
    high_s: float


def forecast(done: Ints, left: int, start_ns: int, now_ns: int) -> Forecast | None:
    """The time from `now_ns` until `left` more events are done; None with too few completions.

    `done`: ascending instants of completions since `start_ns`, ns, during which there was always a backlog.
    """
    n = len(done)
    if n < LEAST_DONE or left <= 0 or now_ns <= start_ns:
        return None
    gaps = np.diff(done, prepend=start_ns).astype(np.float64)
    waited = now_ns - int(done[-1])
    mean, begun = float(gaps.mean()), waited
    if waited > gaps.max():  # a queue that stopped is not fast: the time without a completion is part of what was seen
        mean, begun = (float(gaps.sum()) + waited) / n, 0
    groups = min(_GROUPS, n // _LEAST_IN_GROUP)
    parts = np.array_split(gaps, max(2, groups))
    size = n / len(parts)
    means = np.array([part.mean() for part in parts])
    variance = float(means.var(ddof=1)) * size
    spread = math.sqrt(left * variance + left**2 * variance / n) * student975(len(parts) - 1)
    spread += mean  # nobody knows how far the one at work has come
    expected = max(0.0, left * mean - begun)
    low, high = max(0.0, expected - spread), expected + spread
    return Forecast(NS_PER_S / mean, expected / NS_PER_S, low / NS_PER_S, high / NS_PER_S)

"""Statistics of repeated timings: median, spread, and whether an interval proves that a limit is met.

A wide spread gives no verdict. No clock is read here: the timings are arguments.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec

Proof = Literal["met", "missed", "unsure"]

LEAST_ROUNDS = 6
"""With fewer rounds there is no 95 % interval for a median."""
WIDEST = 0.10
"""Greatest distance of the quartiles, as a share of the median, that allows a verdict."""


class Spread(msgspec.Struct, frozen=True):
    """Median, quartiles (inclusive method) and extremes of n figures, in their unit."""

    median: float
    """The median."""
    q1: float
    """Lower quartile."""
    q3: float
    """Upper quartile."""
    low: float
    """The least."""
    high: float
    """The greatest."""
    n: int
    """Number of figures."""

    @property
    def width(self) -> float:
        """The distance of the quartiles as a share of the median; 0 where the median is 0."""
        return (self.q3 - self.q1) / self.median if self.median else 0.0

    def document(self, digits: int = 3) -> dict[str, float | int]:
        """The figures for JSON, rounded."""
        return {name: round(value, digits) for name, value in msgspec.structs.asdict(self).items()}


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one figure. Raises ValueError when there is none."""
    if not values:
        raise ValueError("no figures")
    low, high, median = min(values), max(values), statistics.median(values)
    if len(values) < 2:
        return Spread(median, low, high, low, high, 1)
    q1, _, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, q1, q3, low, high, len(values))


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the median by order statistics, for any distribution; None under LEAST_ROUNDS figures.

    The true median lies outside the k-th least and k-th largest of n with probability 2 P(X < k), X binomial(n, 1/2)
    (David and Nagaraja, Order Statistics, 7.1); k is the largest for which that is at most 5 %.
    """
    n = len(values)
    if n < LEAST_ROUNDS:
        return None
    k, below = 0, 1
    while 40 * below <= 2**n:  # 2 · below / 2ⁿ ≤ 0.05
        k += 1
        below += math.comb(n, k)
    ordered = sorted(values)
    return ordered[k - 1], ordered[n - k]


def batch_size(cost_ns: float, target_ns: float, most: int) -> int:
    """How many calls of `cost_ns` each fill `target_ns`, between 1 and `most`."""
    if cost_ns <= 0:
        return most
    return max(1, round(min(most, target_ns / cost_ns)))


def at_most(interval: tuple[float, float] | None, limit: float, widths: Sequence[float]) -> Proof:
    """Whether a figure with this interval is at most `limit`; unsure when the limit lies in it or a spread is too wide.

    `widths` are the spreads of everything the figure was computed from, as shares (`Spread.width`).
    """
    if interval is None or any(width > WIDEST for width in widths):
        return "unsure"
    low, high = interval
    if high <= limit:
        return "met"
    return "missed" if low > limit else "unsure"

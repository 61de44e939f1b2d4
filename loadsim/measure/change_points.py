"""Finds where a series changes its level for good, or begins to grow or fall, and where it merely wanders.

A change has to pass three tests. (1) The self-normalised statistic of Zhao, Jiang and Shao ("Segmenting time series via
self-normalization", J. R. Stat. Soc. B 84, 2022) of its ranks, over many windows around each place: it needs no
estimate of the correlation between neighbours, and outliers have little weight. (2) A step, or a level with a straight
line after or before it, fits the values around the place better than one straight line does: a steady growth has no
place at which it changes. (3) The two levels lie apart by several times what the values scatter, and by a fifth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEAST_POINTS = 30
"""In fewer points nothing is looked for."""
MOST_POINTS = 600
"""More points would take too long: make them fewer before."""
THRESHOLD = 140.0
"""About percentile 95 of the statistic's maximum over 45 and more independent values without a change (by simulation,
tests/measure/test_change_points.py)."""
HALF_THRESHOLD = 70.0
"""For a series whose changes count only where they coincide with those of another: it finds more of the places where a
series begins to grow, and more that are none."""
LEAST_SCATTERS = 3.0
"""The levels are apart by so many standard deviations (by the median absolute deviation) of the values around them."""
LEAST_SHARE = 0.2
"""And by this share of the greater one."""
_SHORTEST = 5
_WINDOWS = 10
"""A window on either side has a tenth of the points, or a multiple of that."""
_MUCH_BETTER = 0.7
"""The squares that a change leaves over are at most this part of those that one straight line does."""


class Change(NamedTuple):
    """One change. `at` is the number of the first value after it; `before` and `after` are the medians around it."""

    at: int
    begin: int
    """The values from here to `at` are those before it."""
    end: int
    """The values from `at` to here, without it, are those after it."""
    before: float
    after: float


def changes(values: Floats, threshold: float = THRESHOLD, *, logarithms: bool = False) -> list[Change]:
    """The changes of a series, in order; NaN is a gap. `threshold`: of the statistic. `logarithms`: the values are
    natural logarithms, and LEAST_SHARE is of what they are the logarithms of.

    Raises ValueError for more than MOST_POINTS values.
    """
    if len(values) > MOST_POINTS:
        raise ValueError(f"at most {MOST_POINTS} values, not {len(values)}")
    places = np.flatnonzero(np.isfinite(values))
    known = values[places]
    if len(known) < LEAST_POINTS:
        return []
    least = max(_SHORTEST, len(known) // _WINDOWS)
    edges = [0, *_split(ranks_of(known), 0, len(known), least, threshold), len(known)]
    found = []
    for number in range(1, len(edges) - 1):
        begin, end = edges[number - 1], edges[number + 1]
        fit = _best_fit(known[begin:end])
        if fit is None:
            continue
        at = edges[number] = begin + fit.at
        change = Change(
            at=int(places[at]),
            begin=int(places[begin]),
            end=int(places[end - 1]) + 1,
            before=float(np.median(known[begin:at])),
            after=float(np.median(known[at:end])),
        )
        share = _share_of_logarithms(change) if logarithms else _share(change)
        if share >= LEAST_SHARE and _beyond_scatter(change, known[begin:at], known[at:end], fit.kind):
            found.append(change)
    return found


def ranks_of(values: Floats) -> Floats:
    """The ranks of values, between 0 and 1; equal values share theirs."""
    ordered = np.sort(values)
    low, high = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    mean: Floats = (low + high) / (2.0 * len(values))
    return mean


def statistic(values: Floats, least: int) -> Floats:
    """For each number of values before it, how much speaks for a change there: the most over all windows that have a
    multiple of `least` values on either side."""
    n = len(values)
    sums = _Sums(values)
    best: Floats = np.zeros(n + 1)
    for left in range(least, n, least):
        for right in range(least, n - left + 1, least):
            at = np.arange(left, n - right + 1)
            begin, end = at - left, at + right
            width = left + right
            apart = sums.mean(begin, at) - sums.mean(at, end)
            contrast = left * right / width**1.5 * apart
            noise = (sums.bridge(begin, at) + sums.bridge(at, end)) / width**2
            best[at] = np.maximum(best[at], contrast**2 / np.maximum(noise, 1e-12))
    return best


class _Sums:
    """Running sums of a series, from which sums over any stretch follow at once."""

    def __init__(self, values: Floats) -> None:
        number = np.arange(len(values) + 1, dtype=np.float64)
        self._sum = np.concatenate(([0.0], np.cumsum(values)))
        self._of_sums = np.cumsum(self._sum)
        self._of_squares = np.cumsum(self._sum**2)
        self._of_products = np.cumsum(self._sum * number)

    def mean(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> Floats:
        """The mean of the values of stretches."""
        mean: Floats = (self._sum[end] - self._sum[begin]) / (end - begin)
        return mean

    def bridge(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> Floats:
        """Σ over t of (sum of the values to t − its share of the sum of the stretch)²: how far the running sum strays
        from a straight line."""
        slope = self.mean(begin, end)
        offset = self._sum[begin] - slope * begin
        count = (end - begin).astype(np.float64)
        first = (end * (end + 1) - begin * (begin + 1)) / 2.0
        second = (end * (end + 1) * (2 * end + 1) - begin * (begin + 1) * (2 * begin + 1)) / 6.0
        squares = self._of_squares[end] - self._of_squares[begin]
        products = self._of_products[end] - self._of_products[begin]
        sums = self._of_sums[end] - self._of_sums[begin]
        strayed: Floats = (
            squares + slope**2 * second + offset**2 * count - 2 * slope * products - 2 * offset * sums
        ) + 2 * slope * offset * first
        return np.maximum(strayed, 0.0)


def _split(ranks: Floats, begin: int, end: int, least: int, threshold: float) -> Iterator[int]:
    """Where the statistic is above the threshold: the greatest first, then on either side of it; in order."""
    if end - begin < 2 * least:
        return
    found = statistic(ranks[begin:end], least)
    at = int(found.argmax())
    if found[at] > threshold:
        yield from _split(ranks, begin, begin + at, least, threshold)
        yield begin + at
        yield from _split(ranks, begin + at, end, least, threshold)


class _Fit(NamedTuple):
    kind: Literal["step", "leaves", "settles"]
    at: int


def _best_fit(values: Floats) -> _Fit | None:
    """The change that fits the values best; None where one straight line does about as well."""
    low, high = np.quantile(values, (0.05, 0.95))
    values = np.clip(values, low, high)  # outliers are no reason for a change
    n = len(values)
    number = np.arange(n, dtype=np.float64)
    places = np.arange(2, n - 1)
    if not len(places):
        return None
    line = _left_over(values, number)
    after = np.maximum(0.0, number - places[:, np.newaxis] + 1)
    before = np.maximum(0.0, places[:, np.newaxis] - number)
    step = (number >= places[:, np.newaxis]).astype(np.float64)
    shapes: dict[Literal["step", "leaves", "settles"], Floats] = {"step": step, "leaves": after, "settles": before}
    left = {kind: np.array([_left_over(values, row) for row in shape]) for kind, shape in shapes.items()}
    kind = min(left, key=lambda each: float(left[each].min()))
    if left[kind].min() > _MUCH_BETTER * line:
        return None
    return _Fit(kind, int(places[left[kind].argmin()]))


def _left_over(values: Floats, shape: Floats) -> float:
    """The sum of squares that a multiple of a shape and a constant leave over."""
    around, shape = values - values.mean(), shape - shape.mean()
    whole, spread = float(around @ around), float(shape @ shape)
    return max(0.0, whole - float(around @ shape) ** 2 / spread) if spread else whole


def _beyond_scatter(change: Change, before: Floats, after: Floats, kind: Literal["step", "leaves", "settles"]) -> bool:
    """Whether the levels differ by more than the values around them scatter; a part that grows is no scatter."""
    squares = [_scatter(part) ** 2 for part, other in ((before, "settles"), (after, "leaves")) if kind != other]
    return abs(change.after - change.before) > LEAST_SCATTERS * float(np.sqrt(np.mean(squares)))


def _share(change: Change) -> float:
    """How far the levels are apart, as a share of the greater one."""
    greater = max(abs(change.before), abs(change.after))
    return abs(change.after - change.before) / greater if greater else 0.0


def _share_of_logarithms(change: Change) -> float:
    return 1.0 - math.exp(-abs(change.after - change.before))


def _scatter(values: Floats) -> float:
    """The standard deviation by the median absolute deviation, as of a normal distribution."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))

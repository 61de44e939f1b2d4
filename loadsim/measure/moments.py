"""Statistical moments of latencies (count, extremes, mean, squared deviations), merged without cancellation.

A sum of squares would lose the deviation of large values that lie close together; squared deviations from the mean do
not (Chan, Golub and LeVeque, 1979: Updating formulae and a pairwise algorithm for computing sample variances).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.hdr import Ints

COLUMNS = ("count", "min", "max", "mean", "deviations", "overflow")
"""Columns of a row of moments, in ns; `deviations`: the sum of the squared deviations from the mean, ns²."""

Rows = NDArray[np.float64]
"""float64 (k, 6), columns COLUMNS."""


@dataclass(frozen=True, slots=True)
class Moments:
    """The exact moments of a latency metric, in ns."""

    count: int
    min: int
    max: int
    mean: float
    deviations: float
    overflow: int

    @property
    def stdev(self) -> float:
        """Population standard deviation, ns."""
        return math.sqrt(self.deviations / self.count)


def rounding(moments: Moments) -> float:
    """Greatest error of mean and standard deviation by rounding, ns, in any order of merging.

    Each of at most `count` additions rounds by at most 2^-53 of the largest value; the bound is eight times that.
    """
    return moments.count * moments.max * 2.0**-50


def empty(k: int) -> Rows:
    """k rows without samples."""
    rows = np.zeros((k, len(COLUMNS)))
    rows[:, 1] = np.inf
    return rows


def of_stretches(values: Ints, starts: Ints, overflow: int) -> Rows:
    """Moments of each stretch of `values` that begins at one of `starts`; stretches are sorted, none is empty.

    `overflow`: values from this one on are counted as overflow.
    """
    ends = np.append(starts[1:], len(values))
    counts, least = ends - starts, values[starts]
    above = values - np.repeat(least, counts)  # integers: equal values have no deviation, and their own mean
    mean_above = np.add.reduceat(above, starts) / counts
    apart = above - np.repeat(mean_above, counts)
    rows = np.empty((len(starts), len(COLUMNS)))
    rows[:, 0] = counts
    rows[:, 1] = least
    rows[:, 2] = values[ends - 1]
    rows[:, 3] = least + mean_above
    rows[:, 4] = np.add.reduceat(apart * apart, starts)
    rows[:, 5] = 0
    if rows[:, 2].max() >= overflow:
        rows[:, 5] = np.add.reduceat((values >= overflow).astype(np.float64), starts)
    return rows


def paired(a: Rows, b: Rows) -> Rows:
    """Moments of both parts together, row by row; every row of `b` has samples."""
    rows = a + b
    share = b[:, 0] / rows[:, 0]
    apart = b[:, 3] - a[:, 3]
    rows[:, 1] = np.minimum(a[:, 1], b[:, 1])
    rows[:, 2] = np.maximum(a[:, 2], b[:, 2])
    rows[:, 3] = a[:, 3] + apart * share
    rows[:, 4] += apart * apart * a[:, 0] * share
    return rows


def together(rows: Rows) -> Moments | None:
    """Moments of all rows together; None without rows."""
    if not len(rows):
        return None
    count, least, most, mean, deviations, overflow = rows.T
    n, near = count.sum(), mean[0]
    whole = near + (count * (mean - near)).sum() / n
    return Moments(
        count=int(n),
        min=int(least.min()),
        max=int(most.max()),
        mean=float(whole),
        deviations=float((deviations + count * (mean - whole) ** 2).sum()),
        overflow=int(overflow.sum()),
    )

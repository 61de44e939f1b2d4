"""Statistical moments of latencies (count, extremes, sums of the values and of their squares), exact in integers.

Integer sums do not depend on the order in which parts are added, and nothing cancels: mean and deviation are rounded
once, at the end. A square of a value below 2^44 ns (4.9 h) needs 88 bits, so sums of squares are kept in two numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from loadsim.measure.hdr import Ints

COLUMNS = ("count", "min", "max", "total", "squares_high", "squares_low", "overflow")
"""Columns of a row of moments, in ns; the sum of the squares is `squares_high` * 2^44 + `squares_low`, in ns²."""
_COUNT, _MIN, _MAX, _TOTAL, _HIGH, _LOW, _OVERFLOW = range(len(COLUMNS))

VALUE_BITS = 44
_HALF_BITS = VALUE_BITS // 2
_HALF = (1 << _HALF_BITS) - 1
_LOWER = (1 << VALUE_BITS) - 1
_NONE_YET = np.iinfo(np.int64).max

Rows = Ints
"""int64 (k, 7), columns COLUMNS."""


@dataclass(frozen=True, slots=True)
class Moments:
    """The exact moments of a latency metric, in ns; it has at least one value."""

    count: int
    min: int
    max: int
    total: int
    """Sum of the values."""
    squares: int
    """Sum of their squares."""
    overflow: int

    @property
    def mean(self) -> float:
        """Arithmetic mean, ns, correctly rounded."""
        return self.total / self.count

    @property
    def stdev(self) -> float:
        """Population standard deviation, ns."""
        return math.sqrt(self.count * self.squares - self.total**2) / self.count


def empty(k: int) -> Rows:
    """k rows without samples."""
    rows = np.zeros((k, len(COLUMNS)), dtype=np.int64)
    rows[:, _MIN] = _NONE_YET
    return rows


def of_stretches(values: Ints, starts: Ints, overflow: int) -> Rows:
    """Moments of each stretch of `values` (0 to 2^44 - 1) that begins at one of `starts`; none is empty.

    `overflow`: values from this one on are counted as overflow.
    """
    ends = np.append(starts[1:], len(values))
    high, low = values >> _HALF_BITS, values & _HALF
    sums = [np.add.reduceat(each, starts) for each in (values, high * high, high * low, low * low)]
    total, high_squares, products, low_squares = sums
    # value² = high² 2^44 + 2 high low 2^22 + low²
    middle = 2 * products + (low_squares >> _HALF_BITS)
    rows = np.empty((len(starts), len(COLUMNS)), dtype=np.int64)
    rows[:, _COUNT] = ends - starts
    rows[:, _MIN] = np.minimum.reduceat(values, starts)
    rows[:, _MAX] = np.maximum.reduceat(values, starts)
    rows[:, _TOTAL] = total
    rows[:, _HIGH] = high_squares + (middle >> _HALF_BITS)
    rows[:, _LOW] = ((middle & _HALF) << _HALF_BITS) | (low_squares & _HALF)
    rows[:, _OVERFLOW] = 0
    if rows[:, _MAX].max() >= overflow:
        rows[:, _OVERFLOW] = np.add.reduceat((values >= overflow).astype(np.int64), starts)
    return rows


def paired(a: Rows, b: Rows) -> Rows:
    """Moments of both parts together, row by row."""
    rows = a + b
    rows[:, _MIN] = np.minimum(a[:, _MIN], b[:, _MIN])
    rows[:, _MAX] = np.maximum(a[:, _MAX], b[:, _MAX])
    rows[:, _HIGH] += rows[:, _LOW] >> VALUE_BITS
    rows[:, _LOW] &= _LOWER
    return rows


def together(rows: Rows) -> Moments | None:
    """Moments of all rows together; None without rows."""
    if not len(rows):
        return None
    columns = rows.T.tolist()
    count, total, high, low, overflow = (sum(columns[at]) for at in (_COUNT, _TOTAL, _HIGH, _LOW, _OVERFLOW))
    return Moments(
        count=count,
        min=min(columns[_MIN]),
        max=max(columns[_MAX]),
        total=total,
        squares=(high << VALUE_BITS) + low,
        overflow=overflow,
    )


class MomentTable:
    """Moments of groups 0 to `groups` - 1. Only groups with samples take up a row."""

    def __init__(self, groups: int) -> None:
        self._row_of = np.full(groups, -1, dtype=np.int32)
        self._groups: list[int] = []
        self._rows = empty(0)

    def rows_of(self, groups: Ints) -> Ints:
        """The row of each group, int64; a group that has none yet gets one."""
        rows = self._row_of[groups]
        if len(rows) and rows.min() < 0:
            # not np.unique, which imports a module of numpy when it is first called, in the middle of the load
            fresh = np.flatnonzero(np.bincount(groups[rows < 0]))
            self._row_of[fresh] = np.arange(len(self._groups), len(self._groups) + len(fresh))
            self._groups += fresh.tolist()
            self._rows = np.concatenate((self._rows, empty(len(fresh))))
            rows = self._row_of[groups]
        return rows.astype(np.int64)

    def add(self, rows: Ints, more: Rows) -> None:
        """Add moments to some rows, each row once."""
        self._rows[rows] = paired(self._rows[rows], more)

    def filled(self) -> Ints:
        """The groups with their moments: int64 (k, 8), ascending by group."""
        found = np.column_stack((np.array(self._groups, dtype=np.int64), self._rows))
        return found[np.argsort(found[:, 0])]

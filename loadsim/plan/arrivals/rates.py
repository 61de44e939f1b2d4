"""Rates of open phases, and when an event is due by them.

An arrival process has a rate λ(t), t from the phase's start. With Λ(t) = ∫λ, event i (from 0) is due where Λ(t) = i:

- constant rate r:  Λ(t) = r·t, so t = i / r, exactly, in integers;
- ramp from a to b over D:  Λ(t) = a·t + (b − a)·t² / 2D. The root of the quadratic, in the form that loses no digits:
  t = 2i / (a + √(a² + 2·i·(b − a)/D)), the closed inverse of the integrated rate.

Due times are whole nanoseconds, rounded down; an event is in the phase when its due time is before the end, so the
count is ⌈Λ(D)⌉.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from loadsim.model import NS_PER_S
from loadsim.plan.scenario import Phase

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_SAFE_INT64 = 1 << 50
"""A factor below this, times the offset in a block (2¹²), stays within int64."""


def ends_of(phase: Phase) -> tuple[Fraction, Fraction]:
    """The rate at the start and at the end of an open phase, in events per second."""
    if phase.rate is not None:
        return phase.rate, phase.rate
    if phase.from_ is None or phase.to is None:
        raise ValueError(f"the phase {phase.name!r} has no rate")
    return phase.from_, phase.to


def integrated_rate(phase: Phase) -> Fraction:
    """Λ(D): the mean number of events of an open phase, exactly."""
    start, end = ends_of(phase)
    return (start + end) / 2 * Fraction(phase.duration or 0, NS_PER_S)


def most_in(phase: Phase, span_ns: int) -> int:
    """The largest number of events due in a given number of ns, at the phase's highest rate."""
    return math.ceil(max(ends_of(phase)) * Fraction(span_ns, NS_PER_S)) + 1


def due_at_constant(rate: Fraction, first: int, count: int) -> Ints:
    """⌊i / rate⌋ in ns since the phase's start for i = first .. first + count − 1, in exact integer arithmetic."""
    numerator = NS_PER_S * rate.denominator
    divisor = rate.numerator
    # Only offsets within the block are computed by numpy; the block's own start is a Python integer, so that neither
    # a long run nor an odd rate can overflow.
    whole, rest = divmod(first * numerator, divisor)
    step, step_rest = divmod(numerator, divisor)
    fits = max(divisor, step) < _SAFE_INT64
    offsets: npt.NDArray[Any] = np.arange(count, dtype=np.int64 if fits else object)
    due: Ints = (whole + offsets * step + (rest + offsets * step_rest) // divisor).astype(np.int64)
    return due


def due_at(phase: Phase, position: Floats) -> Ints:
    """Λ⁻¹ of `position` (≥ 0, rising), in ns since the phase's start, below the phase's duration."""
    duration = phase.duration or 0
    start, end = (float(rate) for rate in ends_of(phase))
    slope = (end - start) / (duration / NS_PER_S)
    root = np.sqrt(np.maximum(start * start + 2.0 * slope * position, 0.0))
    below = start + root
    seconds = np.divide(2.0 * position, below, out=np.zeros_like(position), where=below > 0.0)
    due = np.minimum((seconds * NS_PER_S).astype(np.int64), duration - 1)
    # Neighbours closer than the rounding of a float must not change places.
    return np.maximum.accumulate(due)

"""Constant arrivals: event i is due where the integrated rate reaches i, so that gaps are even, or follow a ramp."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from loadsim.plan.arrivals.process import Ints, Place
from loadsim.plan.arrivals.rates import due_at, due_at_constant, ends_of, integrated_rate, most_in
from loadsim.plan.random_draws import BLOCK
from loadsim.plan.scenario import Phase


class Constant:
    """See Process."""

    keys: tuple[str, ...] = ()
    has_rate = True
    random = False

    def check(self, path: str, phase: Phase) -> None:
        """Nothing beyond the rules of rates."""

    def mean(self, phase: Phase) -> float:
        """The count."""
        return float(math.ceil(integrated_rate(phase)))

    def count(self, phase: Phase, _: Place) -> int:
        """⌈Λ(D)⌉."""
        return math.ceil(integrated_rate(phase))

    def blocks(self, phase: Phase, place: Place, count: int | None) -> Iterator[Ints]:
        """See Process."""
        whole = self.count(phase, place) if count is None else count
        for first in range(0, whole, BLOCK):
            yield due_of_indexes(phase, first, min(BLOCK, whole - first))

    def due(self, phase: Phase, place: Place, number: int) -> int | None:
        """See Process."""
        if number >= self.count(phase, place):
            return None
        within = number % BLOCK  # a rounded due time depends on those before it in the block
        return int(due_of_indexes(phase, number - within, within + 1)[within])

    def most(self, phase: Phase, span_ns: int) -> int | None:
        """At the highest rate."""
        return most_in(phase, span_ns)

    def long_enough(self, _phase: Phase, duration_ns: int) -> int:
        """Any: the first event is due at once."""
        return duration_ns

    def words(self, _phase: Phase, rate: str) -> str:
        """The rate alone."""
        return rate


def due_of_indexes(phase: Phase, first: int, count: int) -> Ints:
    """Due times of events first .. first + count − 1, in ns since the phase's start."""
    start, end = ends_of(phase)
    if start == end:
        return due_at_constant(start, first, count)
    return due_at(phase, np.arange(first, first + count, dtype=np.float64))

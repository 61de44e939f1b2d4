"""Poisson arrivals: the gaps are exponential, so that events fall together as those of many independent sources do.

In the inverse of the integrated rate, i is replaced by the i-th partial sum of unit exponentials. By the time-rescaling
theorem Λ⁻¹ of a unit-rate Poisson process is the Poisson process of rate λ (Çinlar, Introduction to Stochastic
Processes, 1975, section 4.7).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from loadsim.model import NS_PER_S
from loadsim.plan.arrivals.process import Ints, Place
from loadsim.plan.arrivals.rates import due_at, ends_of, integrated_rate
from loadsim.plan.random_draws import BLOCK, Stream, exponentials
from loadsim.plan.scenario import Phase

LEAST_MEAN = 5
"""With so many events on average, one phase in 150 has none."""


class Poisson:
    """See Process."""

    keys: tuple[str, ...] = ()
    has_rate = True
    random = True

    def check(self, path: str, phase: Phase) -> None:
        """Nothing beyond the rules of rates."""

    def mean(self, phase: Phase) -> float:
        """Λ(D)."""
        return float(integrated_rate(phase))

    def count(self, phase: Phase, place: Place) -> int:
        """By drawing them all."""
        return sum(len(due) for due in self.blocks(phase, place, None))

    def blocks(self, phase: Phase, place: Place, _: int | None) -> Iterator[Ints]:
        """See Process."""
        for positions in self._positions(phase, place):
            yield due_at(phase, positions)

    def due(self, phase: Phase, place: Place, number: int) -> int | None:
        """See Process. The gaps before it are drawn and added up, about 15 ns each."""
        block, within = divmod(number, BLOCK)
        positions = next(itertools.islice(self._positions(phase, place), block, None), None)
        if positions is None or within >= len(positions):
            return None
        return int(due_at(phase, positions)[within])

    @staticmethod
    def _positions(phase: Phase, place: Place) -> Iterator[npt.NDArray[np.float64]]:
        """The integrated rate at each arrival, by blocks."""
        whole = float(integrated_rate(phase))
        position = 0.0
        block = 0
        while position < whole:
            positions = position + np.cumsum(exponentials(place.seed, Stream.gaps, block, place.number))
            position = float(positions[-1])
            yield positions[: np.searchsorted(positions, whole)]
            block += 1

    def most(self, _phase: Phase, _span_ns: int) -> int | None:
        """Any number may fall together."""
        return None

    def long_enough(self, phase: Phase, duration_ns: int) -> int:
        """Such that no event at all would be rare: LEAST_MEAN events on average."""
        rate = sum(ends_of(phase)) / 2
        return max(duration_ns, math.ceil(LEAST_MEAN * NS_PER_S / rate)) if rate else duration_ns

    def words(self, _phase: Phase, rate: str) -> str:
        """See Process."""
        return f"{rate} (poisson arrivals)"

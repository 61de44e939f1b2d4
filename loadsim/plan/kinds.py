"""Of which type and in which case event i is: a pure function of (seed, i), whatever phase or shard it falls in.

Decides how weights and shares become choices. Refuses to know when an event is due.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loadsim.plan.chance import BLOCK, Stream, uniforms
from loadsim.plan.scenario import Scenario

Ints = npt.NDArray[np.int64]


class Kinds:
    """The kind of every index, as one number `type · cases + case`, drawn by blocks and kept for the last two."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._seed = seed
        shares = [case.share for case in scenario.cases]
        self._types = _cumulative([event.weight for event in scenario.events])
        self._cases = _cumulative([max(0.0, 1.0 - sum(shares)), *shares])
        self._recent: dict[int, Ints] = {}

    def block(self, number: int) -> Ints:
        """The kinds of indexes number · BLOCK .. + BLOCK − 1."""
        found = self._recent.get(number)
        if found is None:
            if len(self._recent) >= 2:
                del self._recent[next(iter(self._recent))]
            found = self._recent[number] = self._draw(number)
        return found

    def of(self, first: int, count: int) -> Ints:
        """The kinds of `count` indexes from `first` on."""
        if not count:
            return np.zeros(0, dtype=np.int64)
        low, high = first // BLOCK, (first + count - 1) // BLOCK
        joined = np.concatenate([self.block(number) for number in range(low, high + 1)]) if high > low else None
        start = first - low * BLOCK
        return (self.block(low) if joined is None else joined)[start : start + count]

    def _draw(self, number: int) -> Ints:
        types = _choose(self._types, self._seed, Stream.types, number)
        return types * len(self._cases) + _choose(self._cases, self._seed, Stream.cases, number)


def _cumulative(weights: Sequence[float]) -> npt.NDArray[np.float64]:
    """Upper bounds of each choice in [0, 1]; what rounding leaves open belongs to the last choice that has a weight."""
    relative = np.asarray(weights, dtype=np.float64) / max(weights)
    bounds = np.cumsum(relative)
    bounds /= bounds[-1]
    bounds[int(np.flatnonzero(relative)[-1]) :] = 1.0
    return bounds


def _choose(bounds: npt.NDArray[np.float64], seed: int, stream: Stream, number: int) -> Ints:
    if len(bounds) == 1:
        return np.zeros(BLOCK, dtype=np.int64)
    return np.searchsorted(bounds, uniforms(seed, stream, number), side="right").astype(np.int64)

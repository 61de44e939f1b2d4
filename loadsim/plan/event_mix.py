"""The type and the case of event i: a pure function of (seed, i) and of its phase's shares of cases.

The random number of an event does not depend on weights and shares, only the choice does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loadsim.plan.random_draws import BLOCK, Stream, uniforms
from loadsim.plan.scenario import Case, Phase, Scenario

Ints = npt.NDArray[np.int64]


class Mix:
    """Type and case of every index, as one number `type · cases + case`. Drawn in blocks, of which the last two
    are cached."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._seed = seed
        self._types = _cumulative([event.weight for event in scenario.events])
        self._cases = [_bounds(scenario.cases, phase) for phase in scenario.phases]
        self._recent: dict[tuple[int, int], Ints] = {}

    def block(self, number: int, phase: int) -> Ints:
        """The numbers of indexes number · BLOCK .. + BLOCK − 1, as far as they belong to that phase."""
        found = self._recent.get((number, phase))
        if found is None:
            if len(self._recent) >= 2:
                del self._recent[next(iter(self._recent))]
            found = self._recent[number, phase] = self._draw(number, phase)
        return found

    def of(self, first: int, count: int, phase: int) -> Ints:
        """The numbers of `count` indexes of a phase from `first` on."""
        if not count:
            return np.zeros(0, dtype=np.int64)
        low, high = first // BLOCK, (first + count - 1) // BLOCK
        joined = np.concatenate([self.block(number, phase) for number in range(low, high + 1)]) if high > low else None
        start = first - low * BLOCK
        return (self.block(low, phase) if joined is None else joined)[start : start + count]

    def _draw(self, number: int, phase: int) -> Ints:
        types = _choose(self._types, self._seed, Stream.types, number)
        bounds = self._cases[phase]
        return types * len(bounds) + _choose(bounds, self._seed, Stream.cases, number)


def _bounds(cases: Sequence[Case], phase: Phase) -> npt.NDArray[np.float64]:
    """Upper bounds of the cases of a phase; the genuine one, which is the first, gets the rest."""
    shares = [phase.shares.get(case.kind, case.share) for case in cases]
    return _cumulative([max(0.0, 1.0 - sum(shares)), *shares])


def _cumulative(weights: Sequence[float]) -> npt.NDArray[np.float64]:
    """Upper bounds of each choice in [0, 1]; the rest by rounding goes to the last choice with a weight."""
    relative = np.asarray(weights, dtype=np.float64) / max(weights)
    bounds = np.cumsum(relative)
    bounds /= bounds[-1]
    bounds[int(np.flatnonzero(relative)[-1]) :] = 1.0
    return bounds


def _choose(bounds: npt.NDArray[np.float64], seed: int, stream: Stream, number: int) -> Ints:
    if len(bounds) == 1:
        return np.zeros(BLOCK, dtype=np.int64)
    return np.searchsorted(bounds, uniforms(seed, stream, number), side="right").astype(np.int64)

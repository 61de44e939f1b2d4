"""The type and the case of event i: a pure function of (seed, i) and of its phase's shares of cases.

The random number of an event does not depend on weights and shares, only the choice does. Where a capture is chosen,
event i is its row i modulo their number, of the type of that row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from loadsim.model import Capture
from loadsim.plan.event_kinds import NOTHING_RECORDED
from loadsim.plan.random_draws import BLOCK, Stream, uniforms
from loadsim.plan.scenario import Case, Phase, Scenario

Ints = npt.NDArray[np.int64]


class Mix:
    """Type and case of every index, as one number `type · cases + case`. Drawn in blocks, of which the last two
    are cached."""

    def __init__(self, scenario: Scenario, seed: int, recorded: Mapping[str, Capture] = NOTHING_RECORDED) -> None:
        """`recorded`: the captures, by the type of their `[[events]]`."""
        self._seed = seed
        self._captured = _captured(scenario, recorded)
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
        if self._captured:
            types = self._of_rows(types, number * BLOCK)
        bounds = self._cases[phase]
        return types * len(bounds) + _choose(bounds, self._seed, Stream.cases, number)

    def _of_rows(self, chosen: Ints, first: int) -> Ints:
        """The types of the events from index `first` on, of which the places in `[[events]]` are chosen."""
        index = np.arange(first, first + len(chosen), dtype=np.int64)
        types = np.empty_like(chosen)
        for place, (base, numbers) in enumerate(self._captured):
            here = chosen == place
            types[here] = base if numbers is None else base + numbers[index[here] % len(numbers)]
        return types


def _captured(scenario: Scenario, recorded: Mapping[str, Capture]) -> list[tuple[int, Ints | None]]:
    """For each of the `[[events]]`, the number of its first type, and those of its rows; empty where each has one
    type."""
    found: list[tuple[int, Ints | None]] = []
    base = 0
    for event in scenario.events:
        capture = recorded.get(event.type)
        many = capture is not None and len(capture.names) > 1
        found.append((base, np.asarray(capture.numbers, dtype=np.int64) if many and capture is not None else None))
        base += len(capture.names) if capture is not None else 1
    return found if base > len(found) else []


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

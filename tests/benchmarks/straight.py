"""Genuine deliveries without the machinery of cases: what the benchmark of its cost compares with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from loadsim.cases import CONTENT_TYPE
from loadsim.events import EventSource
from loadsim.model import Secret
from loadsim.plan import Scenario
from loadsim.plan.event_mix import Ints, Mix
from loadsim.plan.random_draws import BLOCK, Stream, uniforms
from loadsim.signing import Scheme

Request = tuple[bytes, bytes]


class StraightMix(Mix):
    """Draws types alone."""

    def _draw(self, number: int, phase: int) -> Ints:
        if len(self._types) == 1:
            return np.zeros(BLOCK, dtype=np.int64)
        drawn = uniforms(self._seed, Stream.types, number)
        return np.searchsorted(self._types, drawn, side="right").astype(np.int64)


class StraightMaker:
    """One maker for each type: bodies, signatures, nothing else."""

    def __init__(self, scenario: Scenario, scheme: Scheme, secret: Secret, seed: int) -> None:
        self._table = [_straight(event.type, scheme, secret, seed) for event in scenario.events]

    def make_all(self, indexes: Sequence[int], events: Sequence[Sequence[int]], now_ns: int) -> list[Request]:
        """The requests of a batch; of `events` the second number is the phase times the types, plus the type."""
        table, size = self._table, len(self._table)
        places: dict[int, list[int]] = {}
        for place, event in enumerate(events):
            places.setdefault(event[1] % size, []).append(place)
        found: dict[int, Request] = {}
        for number, of_number in places.items():
            found.update(zip(of_number, table[number]([indexes[place] for place in of_number], now_ns), strict=True))
        return [found[place] for place in range(len(events))]


def _straight(name: str, scheme: Scheme, secret: Secret, seed: int) -> Callable[[Sequence[int], int], list[Request]]:
    bodies_of, headers_of = EventSource(name, seed).bodies, scheme.signer(secret).headers_of_all

    def make_all(indexes: Sequence[int], now_ns: int) -> list[Request]:
        bodies = bodies_of(indexes, now_ns)
        return list(zip(headers_of(bodies, now_ns, CONTENT_TYPE), bodies, strict=True))

    return make_all

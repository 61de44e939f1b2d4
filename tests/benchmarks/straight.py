"""Genuine deliveries without the machinery of cases: what the benchmark of its cost compares with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from loadsim.cases import CONTENT_TYPE
from loadsim.events import EventSource
from loadsim.model import Secret, SignedRequest
from loadsim.plan import Scenario
from loadsim.plan.chance import BLOCK, Stream, uniforms
from loadsim.plan.kinds import Ints, Kinds
from loadsim.signing import Scheme

Make = Callable[[int, int], SignedRequest]


class StraightKinds(Kinds):
    """Draws types alone."""

    def _draw(self, number: int, phase: int) -> Ints:
        if len(self._types) == 1:
            return np.zeros(BLOCK, dtype=np.int64)
        drawn = uniforms(self._seed, Stream.types, number)
        return np.searchsorted(self._types, drawn, side="right").astype(np.int64)


class StraightMaker:
    """One maker for each type: body, signature, nothing else."""

    def __init__(self, scenario: Scenario, scheme: Scheme, secret: Secret, seed: int) -> None:
        self._table = [_straight(event.type, scheme, secret, seed) for event in scenario.events]
        self._size = len(self._table)

    def maker_of(self, stratum: int) -> Make:
        """What makes the requests of one stratum: phases times types."""
        return self._table[stratum % self._size]


def _straight(name: str, scheme: Scheme, secret: Secret, seed: int) -> Make:
    body_of, headers_of = EventSource(name, seed).body, scheme.signer(secret).headers
    new = tuple.__new__

    def make(index: int, now_ns: int) -> SignedRequest:
        body = body_of(index, now_ns)
        return new(SignedRequest, (CONTENT_TYPE + headers_of(body, now_ns, ""), body))

    return make

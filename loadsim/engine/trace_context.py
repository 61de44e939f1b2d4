"""Puts the header `traceparent` on every delivery, where a run asks for it.

It is a header line of the request like any other, added before a transport gets it: no transport knows of it, and a run
without it does not use this module.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from loadsim.engine.transport_interface import Made
from loadsim.measure.trace_ids import HEADER, TraceIds

AHEAD = 1024
"""Header lines that are made at once: 0.1 µs for each, and no event waits longer than for these."""
_MOST = 4 * AHEAD
_BEFORE, _AFTER = f"{HEADER}: ".encode(), b"\r\n"


class SendAll(Protocol):
    """`Transport.send_all`."""

    def __call__(self, made: Iterable[Made], attempt: int = 1, /) -> None: ...


class _FirstLines(dict[int, bytes]):
    """The header lines of first deliveries, by index. What is asked for is made with those that follow in its shard."""

    def __init__(self, ids: TraceIds, shards: int) -> None:
        super().__init__()
        self._ids, self._shards = ids, shards

    def __missing__(self, index: int) -> bytes:
        if len(self) >= _MOST:
            self.clear()
        indexes = np.arange(index, index + AHEAD * self._shards, self._shards)
        self.update(zip(indexes.tolist(), self._ids.values(indexes, 1, _BEFORE, _AFTER), strict=True))
        return self[index]


def traced(send_all: SendAll, ids: TraceIds, shards: int = 1) -> SendAll:
    """`send_all` with the header added to each request. A shard has every `shards`-th index."""
    first = _FirstLines(ids, shards)

    def send(made: Iterable[Made], attempt: int = 1, /) -> None:
        if attempt == 1:
            made = [(on, (headers + first[index], body), index) for on, (headers, body), index in made]
        elif made := list(made):
            lines = ids.values([index for _, _, index in made], attempt, _BEFORE, _AFTER)
            made = [
                (on, (headers + line, body), index)
                for (on, (headers, body), index), line in zip(made, lines, strict=True)
            ]
        send_all(made, attempt)

    return send

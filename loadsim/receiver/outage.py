"""Being down: at the instants that were asked for nobody listens, and every connection is closed.

Decides how a process that is there looks as if it were not: its socket stops listening, so that the kernel refuses
connections itself. Works on Linux, where a socket may stop listening and begin again under the same number. Refuses to
know how requests are answered.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from typing import Protocol

from loadsim.receiver.counters import SharedCounters
from loadsim.receiver.options import Span
from loadsim.receiver.timer import Timer

BACKLOG = 4096
LOOK_S = 0.002
"""How often a worker looks whether the first request has come to one of its siblings."""


class Droppable(Protocol):
    """An HTTP engine that can go away and come back."""

    async def serve(self, sock: socket.socket) -> None:
        """Accept connections on a bound socket, which belongs to the engine from then on."""

    def drop(self) -> None:
        """Accept nothing, close every connection."""


class Outages:
    """Serves `listener` with `engine`, except in the `spans` after the first request of all workers.

    `spans` are in the order of time and apart from each other. A worker that is started in the middle of one stays
    away until its end.
    """

    def __init__(
        self, spans: Sequence[Span], counters: SharedCounters, timer: Timer, engine: Droppable, listener: socket.socket
    ) -> None:
        self._spans = spans
        self._counters = counters
        self._timer = timer
        self._engine = engine
        self._listener = listener

    async def begin(self) -> None:
        """Serve, unless this is the time to be away."""
        away_ns = time.monotonic_ns() - self._counters.first_ns
        if not self._counters.first_ns or not any(0 <= away_ns - after < length for after, length in self._spans):
            await self._serve()

    async def follow(self) -> None:
        """Go away and come back until all is over."""
        while not self._counters.first_ns:  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(LOOK_S)
        for after_ns, for_ns in self._spans:
            begin = self._counters.first_ns + after_ns
            if time.monotonic_ns() >= begin + for_ns:
                continue
            await self._timer.at(begin)
            self._engine.drop()
            try:
                self._listener.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # not listening: the worker before this one had stopped it already
            await self._timer.at(begin + for_ns)
            await self._serve()

    async def _serve(self) -> None:
        self._listener.listen(BACKLOG)
        await self._engine.serve(self._listener.dup())

"""Planned outages: for given spans of time the receiver refuses connections and closes the open ones.

The listening socket stops listening, so the kernel itself refuses connections, as for a process that is not there. This
works on Linux only, where a socket can stop listening and later listen again.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from typing import Protocol

from loadsim.receiver.connection_limits import BACKLOG
from loadsim.receiver.counters import SharedCounters
from loadsim.receiver.options import Span
from loadsim.receiver.timer import Timer

POLL_S = 0.002
"""How often a worker checks whether the first request has come to any worker."""


class Droppable(Protocol):
    """An HTTP engine that can stop and start again."""

    async def serve(self, sock: socket.socket) -> None:
        """Accept connections on a bound socket; the engine owns the socket from then on."""

    def drop(self) -> None:
        """Accept no more connections and close all open ones."""


class Outages:
    """Serves `listener` with `engine`, except in the `spans` after the first request of all workers.

    `spans` are in the order of time and do not overlap. A worker that starts during one begins to serve at its end.
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
        """Serve, unless an outage is on."""
        away_ns = time.monotonic_ns() - self._counters.first_ns
        if not self._counters.first_ns or not any(0 <= away_ns - after < length for after, length in self._spans):
            await self._serve()

    async def follow(self) -> None:
        """Stop and serve again for each outage, until all are over."""
        while not self._counters.first_ns:  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(POLL_S)
        for after_ns, for_ns in self._spans:
            begin = self._counters.first_ns + after_ns
            if time.monotonic_ns() >= begin + for_ns:
                continue
            await self._timer.at(begin)
            self._engine.drop()
            try:
                self._listener.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # not listening: the previous worker stopped it already
            await self._timer.at(begin + for_ns)
            await self._serve()

    async def _serve(self) -> None:
        self._listener.listen(BACKLOG)
        await self._engine.serve(self._listener.dup())

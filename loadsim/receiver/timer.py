"""Futures that complete at given instants: never early, and where the platform allows less than a millisecond late."""

from __future__ import annotations

import asyncio
import heapq

from loadsim.engine.pacer import best_pacer, monotonic_ns


class Timer:
    """Makes futures that complete at given instants of the monotonic clock (`time.monotonic_ns`), in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0
        self._pacer = best_pacer(loop)
        self._pacer.start(self._wake)

    def at(self, instant_ns: int) -> asyncio.Future[None]:
        """A future that completes at `instant_ns` or just after; it is complete at once when the instant has passed."""
        future: asyncio.Future[None] = self._loop.create_future()
        if instant_ns <= monotonic_ns():
            future.set_result(None)
            return future
        self._count += 1
        heapq.heappush(self._waiting, (instant_ns, self._count, future))
        if self._waiting[0][2] is future:
            self._pacer.arm(instant_ns)
        return future

    def _wake(self) -> None:
        now = monotonic_ns()
        while self._waiting and self._waiting[0][0] <= now:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)
        if self._waiting:
            self._pacer.arm(self._waiting[0][0])

    def close(self) -> None:
        """Stop; futures that still wait are cancelled."""
        for _, _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
        self._pacer.close()

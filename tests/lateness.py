"""A witness of how late this machine wakes whoever waits: for tests of what holds in real time on a machine at rest."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

PERIOD_S = 0.005
WORST_SHARE = 0.01


class Lateness:
    """By how much wake-ups came late while somebody watched, s."""

    def __init__(self) -> None:
        self._late_s: list[float] = []

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            due = time.monotonic() + PERIOD_S
            await asyncio.sleep(PERIOD_S)
            self._late_s.append(time.monotonic() - due)

    @property
    def p99_ms(self) -> float:
        """The lateness that one wake-up in a hundred exceeded."""
        ordered = sorted(self._late_s, reverse=True)
        return 1000 * ordered[int(len(ordered) * WORST_SHARE)]


@contextlib.asynccontextmanager
async def lateness() -> AsyncIterator[Lateness]:
    """Watches as long as the context lasts."""
    found = Lateness()
    watching = asyncio.create_task(found.watch())
    try:
        yield found
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

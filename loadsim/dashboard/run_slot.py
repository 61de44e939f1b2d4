"""The run slot: the dashboard's one load run at a time."""

from __future__ import annotations

import asyncio
import contextlib

from loadsim.dashboard.live_run import LiveRun
from loadsim.model import UsageError
from loadsim.plan import RunSpec


class RunSlot:
    """Starts load runs, one at a time, since two runs would disturb each other."""

    def __init__(self) -> None:
        self.run: LiveRun | None = None
        self._number = 0

    def start(self, spec: RunSpec, command: str) -> LiveRun:
        """Start a run. Raises UsageError while another one is in progress."""
        self.refuse_second()
        self._number += 1
        self.run = LiveRun(self._number, spec, command)
        self.run.start()
        return self.run

    def refuse_second(self) -> None:
        """Raise UsageError while a run is in progress."""
        if self.run is not None and not self.run.over:
            raise UsageError(f"{self.run.name} is still running, and two runs would disturb each other: stop it first")

    async def close(self) -> None:
        """Stop the run that is in progress, if any, and wait for its result."""
        if self.run is not None and not self.run.over:
            self.run.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await self.run.task

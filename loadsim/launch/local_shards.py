"""Starts shard processes on this machine and carries their messages.

The process `loadsim.cli.shard` is the same for every launcher.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from loadsim.child_processes import ending
from loadsim.engine.descriptor_limit import check_descriptors
from loadsim.engine.messages import Start, Stop, assignments, encode, read_message
from loadsim.engine.preflight import check_reachable
from loadsim.engine.resolved_endpoint import resolve
from loadsim.engine.silence_clock import LOOK_NS
from loadsim.launch.launcher import Beginning, Intake
from loadsim.launch.shard_process import ShardProcess
from loadsim.model import NS_PER_S, Secret
from loadsim.plan import HttpVersion, RunSpec, Target

LEAD_NS = 15_000_000
"""How far ahead the agreed start lies: time for the message to reach the shards, and for them to begin."""
LEAD_EACH_NS = 5_000_000
"""So much more for each shard: those that share a core begin one after another."""


class LocalShards:
    """The shard processes of one run: a `Launcher`."""

    def __init__(self, workers: int = 1, early: ShardProcess | None = None) -> None:
        """`early`: the first shard's process, where it was started before."""
        self.say: Callable[[str], None] = lambda _: None
        self.offered = workers
        self._intake: Intake
        self._early = early
        self._processes: list[ShardProcess] = []
        self._readers: list[asyncio.Task[None]] = []

    async def reserve(self, most: int) -> int:
        """As many as were asked for."""
        return min(self.offered, most)

    async def check_endpoint(self, target: Target, key_password: Secret | None) -> HttpVersion:
        """One connection, opened and closed. Raises UnreachableError."""
        wire = await asyncio.to_thread(resolve, target, key_password=key_password)
        return await asyncio.to_thread(check_reachable, wire, target.timeout / NS_PER_S)

    async def start(self, spec: RunSpec, shards: int, intake: Intake, on_ready: Callable[[], None]) -> Beginning:
        """Start every shard of the run, wait until all are ready, agree on the start, and return it.

        Raises the error of a shard that failed before the start.
        """
        self._intake = intake
        check_descriptors()
        for part in assignments(spec, shards):
            process = self._early or ShardProcess()
            self._early = None
            self._processes.append(process)
            await process.open()
            await self._say(part.shard, encode(part))
            self._readers.append(asyncio.create_task(self._listen(part.shard, process)))
        await intake.ready()
        on_ready()
        begins = Beginning.ahead(LEAD_NS + shards * LEAD_EACH_NS)
        for number in range(shards):
            await self._say(number, encode(Start(begins.wall_ns)))
        intake.collector.started(time.monotonic_ns())
        return begins

    async def wait(self) -> None:
        """Wait until every shard is done or lost; silent ones are given up."""
        while not all(state.ended for state in self._intake.collector.states):
            await asyncio.wait(
                [task for task in self._readers if not task.done()] or [asyncio.create_task(asyncio.sleep(0))],
                timeout=LOOK_NS / NS_PER_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for number in self._intake.collector.silent(time.monotonic_ns()):
                self._intake.lose(number, "no frame for 2.5 s")
                self._processes[number].kill()

    async def stop(self, *, drain: bool) -> None:
        """Tell every shard to release nothing more."""
        for state in self._intake.collector.states:
            if not state.ended:
                await self._say(state.number, encode(Stop(drain)))

    async def close(self) -> None:
        """End all shards."""
        for process in self._processes:
            process.hang_up()
        for process in self._processes:
            try:
                await asyncio.wait_for(process.wait(), 2.0)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._readers:
            await asyncio.wait(self._readers, timeout=2.0)  # what they said last may wait to be read
        for reader in self._readers:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
        for process in self._processes:
            process.close()

    async def _say(self, number: int, data: bytes) -> None:
        try:
            await self._processes[number].say(data)
        except (BrokenPipeError, ConnectionResetError):
            self._intake.lose(number, "the process ended")

    async def _listen(self, number: int, process: ShardProcess) -> None:
        while (data := await read_message(process.stdout)) is not None:
            if not self._intake.take(number, data):
                self._processes[number].kill()
        code = await process.wait()
        self._intake.lose(number, f"the process ended with {ending(code)}")

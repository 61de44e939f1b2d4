"""Starts shard processes on this machine and carries their messages.

Decides how a local shard is born, heard and ended; the same command, `loadsim shard`, serves every launcher. What the
messages amount to is `collect`'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from loadsim.launch.collect import Collector
from loadsim.launch.messages import (
    Failed,
    Frame,
    Last,
    PlanMessage,
    Ready,
    Start,
    Stop,
    encode,
    from_shard,
    read_message,
)
from loadsim.model import LoadsimError, UnreachableError, UsageError
from loadsim.processes import own_command, own_environment

READY_S = 30.0
LEAD_NS = 50_000_000
"""How far ahead the agreed start lies: time for the word to reach every shard."""
_ERRORS: dict[int, type[LoadsimError]] = {1: UnreachableError, 2: UsageError}


class LocalShards:
    """The shard processes of one run."""

    def __init__(
        self, plans: list[PlanMessage], collector: Collector, on_frame: Callable[[], None], on_ready: Callable[[], None]
    ) -> None:
        self._plans = plans
        self._collector = collector
        self._on_frame = on_frame
        self._on_ready = on_ready
        self._processes: list[asyncio.subprocess.Process] = []
        self._readers: list[asyncio.Task[None]] = []
        self._all_ready = asyncio.Event()
        self._failure: LoadsimError | None = None

    async def start(self) -> int:
        """Start every shard, wait until all are ready, agree on the start. Returns its wall-clock instant, ns.

        Raises what a shard failed with before it began.
        """
        for plan in self._plans:
            process = await asyncio.create_subprocess_exec(
                *own_command("loadsim", "shard"),
                env=own_environment(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=2**26,
                start_new_session=True,
            )
            self._processes.append(process)
            await self._say(plan.shard, encode(plan))
            self._readers.append(asyncio.create_task(self._listen(plan.shard, process)))
        try:
            await asyncio.wait_for(self._all_ready.wait(), READY_S)
        except TimeoutError:
            raise LoadsimError(f"a shard process was not ready within {READY_S:g} s") from None
        if self._failure is not None:
            raise self._failure
        self._on_ready()
        at_ns = time.time_ns() + LEAD_NS
        for plan in self._plans:
            await self._say(plan.shard, encode(Start(at_ns)))
        self._collector.started(time.monotonic_ns())
        return at_ns

    async def wait(self) -> None:
        """Until every shard is done or lost; silent ones are given up."""
        while not all(state.ended for state in self._collector.states):
            await asyncio.wait(
                [task for task in self._readers if not task.done()] or [asyncio.create_task(asyncio.sleep(0))],
                timeout=0.5,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for number in self._collector.silent(time.monotonic_ns()):
                self._collector.lose(number, "no frame for 2.5 s")
                self._kill(number)

    async def stop(self, *, drain: bool) -> None:
        """Tell every shard to release nothing more."""
        for state in self._collector.states:
            if not state.ended:
                await self._say(state.number, encode(Stop(drain)))

    async def close(self) -> None:
        """No shard survives this."""
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        for number, process in enumerate(self._processes):
            try:
                await asyncio.wait_for(process.wait(), 2.0)
            except TimeoutError:
                self._kill(number)
                await process.wait()
        for reader in self._readers:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    @property
    def pids(self) -> list[int]:
        """Process ids, by shard."""
        return [process.pid for process in self._processes]

    def _kill(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._processes[number].kill()

    async def _say(self, number: int, data: bytes) -> None:
        stdin = self._processes[number].stdin
        assert stdin is not None  # noqa: S101 - asked for as a pipe
        try:
            stdin.write(data)
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            self._collector.lose(number, "the process ended")

    async def _listen(self, number: int, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for as a pipe
        while (data := await read_message(process.stdout)) is not None:
            self._take(number, data)
        code = await process.wait()
        self._collector.lose(number, f"the process ended with {_ending(code)}")
        if self._collector.states[number].ready is None and self._failure is None:
            self._failure = LoadsimError(f"a shard process ended with {_ending(code)} before it was ready")
        self._all_ready_or_failed()

    def _take(self, number: int, data: bytes) -> None:
        now = time.monotonic_ns()
        message = from_shard.decode(data)
        if isinstance(message, Ready):
            self._collector.ready(number, message, now)
            self._all_ready_or_failed()
        elif isinstance(message, Frame):
            self._collector.frame(number, message, now)
            self._on_frame()
        elif isinstance(message, Last):
            self._collector.last(number, message, now)
            self._on_frame()
        elif isinstance(message, Failed):
            self._failure = _ERRORS.get(message.exit_code, LoadsimError)(message.text)
            self._collector.lose(number, message.text)
            self._all_ready_or_failed()

    def _all_ready_or_failed(self) -> None:
        if self._failure is not None or all(state.ready for state in self._collector.states):
            self._all_ready.set()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"

"""A worker process as its parent sees it: it is started, becomes ready, is stopped, and ends.

The parent sends the order and STOP to the worker's stdin; the worker writes READY to its stdout.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from typing import Protocol, Self

from loadsim.child_processes import own_command, own_environment
from loadsim.receiver.worker import READY, STOP, encode_order


class AnyOrder(Protocol):
    """The order that a process gets at its start: a msgspec struct that also names its program."""

    @property
    def module(self) -> str:
        """The module to run."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The file descriptors that the process inherits."""

    @property
    def whole_environment(self) -> bool:
        """Whether it gets the whole environment: a program of the user's own may read any variable."""


class WorkerProcess:
    """A worker's process. Made by `spawn`, which sends the order. `ready`: whether it began to serve.

    `said` is what it wrote instead of READY, if anything.
    """

    def __init__(self, process: Process, stdin: asyncio.StreamWriter, *, said: bytes) -> None:
        self._process = process
        self._stdin = stdin
        self.ready = said == READY
        self.said = "" if self.ready else said.decode("utf-8", "replace").strip()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @classmethod
    async def spawn(cls, order: AnyOrder) -> Self:
        """Start a worker, send it its order, and wait until it is ready or has ended."""
        process = await asyncio.create_subprocess_exec(
            *own_command(order.module),
            env=own_environment(everything=order.whole_environment),
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=order.descriptors,
            start_new_session=True,  # a Ctrl-C at the terminal is for the parent
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("pipes were asked for and not given")
        try:
            await _write(process.stdin, encode_order(order))
            said = await process.stdout.readline()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if said != READY:
            await process.wait()
        return cls(process, process.stdin, said=said)

    async def gone(self) -> str:
        """Wait for the end of the process; returns how it ended, in words."""
        code = await self._process.wait()
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"

    async def stop(self, timeout_s: float) -> None:
        """Ask it to answer what is in flight and to end; kill it when it still runs after `timeout_s`."""
        await _write(self._stdin, STOP)
        try:
            async with asyncio.timeout(timeout_s):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._stdin.close()


async def _write(stdin: asyncio.StreamWriter, words: bytes) -> None:
    try:
        stdin.write(words)
        await stdin.drain()
    except (ConnectionError, RuntimeError):
        pass  # it is gone: its missing READY, or its end, says so

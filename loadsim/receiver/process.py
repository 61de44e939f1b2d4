"""One worker seen from its parent: started, ready, told to stop, gone.

Decides how the two speak: the order and STOP by the worker's stdin, READY by its stdout. Refuses to know what is to be
done when a worker dies.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from typing import Protocol, Self

from loadsim.processes import own_command, own_environment
from loadsim.receiver.worker import READY, STOP, encode_order


class AnyOrder(Protocol):
    """What a process is told at its start: a msgspec struct that also says which program it is for."""

    @property
    def module(self) -> str:
        """What is to be run."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What is to be inherited."""

    @property
    def whole_environment(self) -> bool:
        """Whether it is a program of the user's own: nobody else knows which variables it reads."""


class WorkerProcess:
    """A worker's process. Made by `spawn`, which hands over the order; `ready` tells whether it began to answer.

    `said` is what it wrote in place of READY, if anything.
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
        """Start a worker, hand it its order, and wait until it answers or is gone."""
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
            await _tell(process.stdin, encode_order(order))
            said = await process.stdout.readline()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if said != READY:
            await process.wait()
        return cls(process, process.stdin, said=said)

    async def gone(self) -> str:
        """Wait for the end; how it came, in words."""
        code = await self._process.wait()
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"

    async def stop(self, timeout_s: float) -> None:
        """Tell it to answer what is in flight and go; kill it when it is still there after `timeout_s`."""
        await _tell(self._stdin, STOP)
        try:
            async with asyncio.timeout(timeout_s):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._stdin.close()


async def _tell(stdin: asyncio.StreamWriter, words: bytes) -> None:
    try:
        stdin.write(words)
        await stdin.drain()
    except (ConnectionError, RuntimeError):
        pass  # it is gone: its missing READY, or its end, says so

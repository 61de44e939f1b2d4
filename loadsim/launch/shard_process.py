"""A shard process on this machine: started, spoken to, ended.

It can be started before its plan is known, even before the event loop exists, so that it imports what it needs while
its parent does the same. Imports nothing that takes long, for that would come before the start.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

from loadsim.child_processes import generator_environment, own_command
from loadsim.engine.descriptor_limit import check_descriptors
from loadsim.model import LoadsimError

if TYPE_CHECKING:
    import asyncio

SHARD = "loadsim.cli.shard"
"""The module that a shard runs."""
LARGEST_BUFFER = 2**26
"""Bytes of a shard's messages that wait to be read."""


class ShardProcess:
    """The process, which waits for its plan. It is spoken to between `open` and `close`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            own_command(SHARD),
            env=generator_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self.stdout: asyncio.StreamReader
        """What it says, once it is open."""
        self._stdin: asyncio.StreamWriter | None = None
        self._pipes: list[asyncio.BaseTransport] = []

    async def open(self) -> None:
        """Connect its pipes to the running loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        self.stdout = asyncio.StreamReader(limit=LARGEST_BUFFER)
        read, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self.stdout), self._process.stdout)
        self._pipes.append(read)
        # the protocol of a reader is the only public one that lets a writer wait until its pipe takes more
        write, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), self._process.stdin
        )
        self._pipes.append(write)
        self._stdin = asyncio.StreamWriter(write, protocol, None, loop)

    async def say(self, data: bytes) -> None:
        """Write a message. Raises BrokenPipeError or ConnectionResetError when the process has ended."""
        assert self._stdin is not None  # noqa: S101 - it is open
        self._stdin.write(data)
        await self._stdin.drain()

    def hang_up(self) -> None:
        """Let its stdin end, which means stop at once."""
        if self._stdin is not None:
            self._stdin.close()

    async def wait(self) -> int:
        """Until it has ended: its exit code, negative for a signal."""
        import asyncio

        return await asyncio.to_thread(self._process.wait)

    def kill(self) -> None:
        """End it at once; no error where it has ended."""
        self._process.kill()

    def close(self) -> None:
        """Let go of its pipes, in the loop of `open`."""
        for transport in self._pipes:
            transport.close()

    def discard(self) -> None:
        """End it where nobody has waited for its end."""
        self._process.kill()
        self._process.wait()
        if not self._pipes:
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None  # noqa: S101 - asked for as a pipe
                pipe.close()


@contextlib.contextmanager
def early_shard(*, wanted: bool) -> Iterator[ShardProcess | None]:
    """The first shard of a run that is being prepared, where it will be one of this machine's. It has ended when the
    context ends, whether it was used or not. None where too few descriptors are allowed: that is said later, in one
    line, and not by a process that has too few to live."""
    if wanted:
        try:
            check_descriptors()
        except LoadsimError:
            wanted = False
    if not wanted:
        yield None
        return
    process = ShardProcess()
    try:
        yield process
    finally:
        process.discard()

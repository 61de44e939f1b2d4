"""`loadsim` as a process of its own that has imported everything before it begins.

Most tests that start the command want its process (signals, exit code, streams, shards as its children) and not its
imports, which take longer than what is tested. One server per test process imports the command once and forks a child
for each that is wanted; the child is led through `main` as `python -m loadsim` would lead it. Where the start itself
is the point, tests start the interpreter. Shards and receiver workers come from the server too, except where a test
looks for them among the children of their parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec

from loadsim.child_processes import own_command
from loadsim.launch import shard_process
from loadsim.launch.shard_process import SHARD
from loadsim.receiver import worker_process
from tests.command_server import WORKER, Order


class Pipe(NamedTuple):
    """Our end of what a command writes to."""

    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport


class Command:
    """A running `loadsim`, as an `asyncio.subprocess.Process` is one."""

    def __init__(self, pid: int, stdout: Pipe, stderr: Pipe, end: asyncio.Task[int]) -> None:
        self.pid = pid
        self.stdout, self.stderr = stdout.reader, stderr.reader
        self.returncode: int | None = None
        self._stdout = stdout
        self._end = end
        end.add_done_callback(self._ended)

    def _ended(self, end: asyncio.Task[int]) -> None:
        if not end.cancelled():
            self.returncode = end.result()

    def send_signal(self, number: int) -> None:
        """Raises ProcessLookupError when it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Like `send_signal`, but it may have ended."""
        with contextlib.suppress(ProcessLookupError):
            self.send_signal(signal.SIGKILL)

    def close_stdout(self) -> None:
        """Read no more of it, as `| head` does."""
        self._stdout.transport.close()

    async def wait(self) -> int:
        """The exit code, negative for a signal."""
        return await asyncio.shield(self._end)

    async def communicate(self) -> tuple[bytes, bytes]:
        """What is left of its streams, once it has ended."""
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        return out, err


_surroundings: dict[str, str] | None = None
_server: tuple[subprocess.Popen[bytes], tempfile.TemporaryDirectory[str]] | None = None


def prepare() -> None:
    """Keep the environment for the server as it is now: the test that asks for it first may have changed its own.

    Runs and receivers in this process have their processes from the server.
    """
    global _surroundings  # noqa: PLW0603 - as below
    _surroundings = dict(os.environ)  # noqa: TID251 - a process's own surroundings
    take_children_from(_address)


def close() -> None:
    """Stop the server, if one was started."""
    global _server
    if _server is None:
        return
    (process, directory), _server = _server, None
    with process, directory:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _address() -> str:
    """Where the server listens; it is started by the first who asks."""
    global _server  # noqa: PLW0603 - one per test process
    if _server is None:
        directory = tempfile.TemporaryDirectory(prefix="loadsim-")
        command = (sys.executable, "-P", "-m", "tests.command_server", f"{directory.name}/s")
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_surroundings)
        assert process.stdout is not None
        ready = process.stdout.readline()
        process.stdout.close()
        _server = process, directory
        assert ready, "the server of commands did not start"
    return f"{_server[1].name}/s"


async def start(*arguments: str, cwd: Path, env: Mapping[str, str], own_children: bool = True) -> Command:
    """Start `loadsim` with these arguments in `cwd`; nothing is on its stdin. `own_children`: it starts its shards and
    workers itself."""
    (out, out_end), (err, err_end), nothing = os.pipe(), os.pipe(), os.open(os.devnull, os.O_RDONLY)
    order = Order(arguments, str(cwd), dict(env), "" if own_children else _address())
    channel = _sent(order, _address(), (nothing, out_end, err_end))
    for end in (nothing, out_end, err_end):
        os.close(end)
    pid, ended = await _started(channel)
    return Command(pid, await _pipe(out), await _pipe(err), ended)


def _sent(order: Order, server: str, descriptors: Sequence[int]) -> socket.socket:
    """Send an order; where its process id and then its exit code are said."""
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(server)
    socket.send_fds(channel, [msgspec.json.encode(order) + b"\n"], descriptors)
    return channel


def _child(
    server: str, word: str, env: Mapping[str, str], descriptors: Sequence[int] = ()
) -> tuple[socket.socket, int, int]:
    """Order a shard or a worker: its channel, and our ends of its stdin and stdout. `descriptors`: further ones."""
    (theirs_in, stdin), (stdout, theirs_out) = os.pipe(), os.pipe()
    order = Order((word,), str(Path.cwd()), dict(env), descriptors=(0, 1, 2, *descriptors))
    channel = _sent(order, server, (theirs_in, theirs_out, 2, *descriptors))
    os.close(theirs_in)
    os.close(theirs_out)
    return channel, stdin, stdout


async def _started(channel: socket.socket) -> tuple[int, asyncio.Task[int]]:
    reader, writer = await asyncio.open_unix_connection(sock=channel)
    return _number(await reader.readline()), asyncio.create_task(_code(reader, writer))


def _number(line: bytes) -> int:
    assert line, "the server of commands is gone"
    return int(line)


async def _pipe(descriptor: int) -> Pipe:
    reader = asyncio.StreamReader()
    file = os.fdopen(descriptor, "rb", 0)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    return Pipe(reader, transport)


async def _code(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    try:
        return _number(await reader.readline())
    finally:
        writer.close()


class Shard:
    """A shard from the server, as the `subprocess.Popen` of a `ShardProcess` is one.

    To start an interpreter and to import what a shard needs takes longer than most tests take for all the rest.
    """

    def __init__(self, server: str, env: Mapping[str, str]) -> None:
        self._channel, stdin, stdout = _child(server, SHARD, env)
        self.stdin, self.stdout = os.fdopen(stdin, "wb", 0), os.fdopen(stdout, "rb", 0)
        self._replies = self._channel.makefile("rb")
        self.pid = _number(self._replies.readline())
        self._lock = threading.Lock()
        self.returncode: int | None = None

    def wait(self) -> int:
        """The exit code, negative for a signal."""
        with self._lock:
            if self.returncode is None:
                self.returncode = _number(self._replies.readline())
                self._replies.close()
                self._channel.close()
            return self.returncode

    def kill(self) -> None:
        """End it at once; no error where it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class Worker:
    """A receiver's worker from the server, as the `asyncio.subprocess.Process` of a `WorkerProcess` is one."""

    def __init__(self, pid: int, stdin: asyncio.StreamWriter, stdout: Pipe, end: asyncio.Task[int]) -> None:
        self.pid = pid
        self.stdin, self.stdout = stdin, stdout.reader
        self._end = end
        end.add_done_callback(lambda _: stdout.transport.close())

    @classmethod
    async def start(cls, server: str, env: Mapping[str, str], descriptors: Sequence[int]) -> Worker:
        """`descriptors`: those that it gets beside its streams."""
        channel, stdin, stdout = _child(server, WORKER, env, descriptors)
        pid, end = await _started(channel)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(stdin, "wb", 0)
        )
        return cls(pid, asyncio.StreamWriter(transport, protocol, None, loop), await _pipe(stdout), end)

    async def wait(self) -> int:
        """The exit code, negative for a signal."""
        return await asyncio.shield(self._end)

    def kill(self) -> None:
        """Raises ProcessLookupError when it has ended."""
        if self._end.done():
            raise ProcessLookupError
        os.kill(self.pid, signal.SIGKILL)


def take_children_from(address: Callable[[], str]) -> None:
    """From now on this process has its shards and its workers from the server that listens there."""

    def shard(_command: object, *, env: Mapping[str, str], **_: object) -> Shard:
        return Shard(address(), env)

    async def worker(*command: str, **options: Any) -> Worker | asyncio.subprocess.Process:
        if command != own_command(WORKER):
            return await asyncio.create_subprocess_exec(*command, **options)
        return await Worker.start(address(), options["env"], options["pass_fds"])

    like_asyncio = SimpleNamespace(create_subprocess_exec=worker, timeout=asyncio.timeout)
    setattr(shard_process, "subprocess", SimpleNamespace(Popen=shard, PIPE=subprocess.PIPE))  # noqa: B010
    setattr(worker_process, "asyncio", like_asyncio)  # noqa: B010

"""`loadsim` as a process of its own that has imported everything before it begins.

Most tests that start the command want its process (signals, exit code, streams, shards as its children) and not its
imports, which take longer than what is tested. One server per test process imports the command once and forks a child
for each that is wanted; the child is led through `main` as `python -m loadsim` would lead it. Where the start itself
is the point, tests start the interpreter; so do the receivers of these children, as ever. Shards come from the server
too where no test looks for them among the processes, see `Shard`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from loadsim.cli.main import COMMANDS, main
from loadsim.launch import shard_process
from loadsim.report import packed_text, plotly_script

ALSO = (
    *("aiohttp.web", "loadsim.receiver.embedded", "loadsim.report.html_page", "loadsim.run.spec_of_options", "uvloop"),
    *("loadsim.engine.direct_transport", "loadsim.engine.shard", "loadsim.run.run_secrets"),
)
"""What commands and shards import when they need it, beside the modules of the commands themselves."""
LEFT_OUT = ("dashboard",)
"""Commands that need an extra."""
LARGEST_ORDER = 1_000_000
STREAMS = 3


# -- the tests' side --------------------------------------------------------------------------------------------------


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

    Runs in this process have their shards from the server.
    """
    global _surroundings  # noqa: PLW0603 - as below
    _surroundings = dict(os.environ)  # noqa: TID251 - a process's own surroundings
    take_shards_from(_address)


def close() -> None:
    """Stop the server, if one was started."""
    global _server
    if _server is None:
        return
    (process, directory), _server = _server, None
    with process, directory:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)


def _address() -> str:
    """Where the server listens; it is started by the first who asks."""
    global _server  # noqa: PLW0603 - one per test process
    if _server is None:
        directory = tempfile.TemporaryDirectory(prefix="loadsim-")
        command = (sys.executable, "-P", "-m", "tests.commands", f"{directory.name}/s")
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_surroundings)
        assert process.stdout is not None
        ready = process.stdout.readline()
        process.stdout.close()
        _server = process, directory
        assert ready, "the server of commands did not start"
    return f"{_server[1].name}/s"


async def start(*arguments: str, cwd: Path, env: Mapping[str, str], own_shards: bool = True) -> Command:
    """Start `loadsim` with these arguments in `cwd`; nothing is on its stdin. `own_shards`: they are its children, and
    not the server's."""
    (out, out_end), (err, err_end), nothing = os.pipe(), os.pipe(), os.open(os.devnull, os.O_RDONLY)
    shards = "" if own_shards else _address()
    channel = _ordered(_address(), arguments, str(cwd), env, shards, (nothing, out_end, err_end))
    for end in (nothing, out_end, err_end):
        os.close(end)
    reader, writer = await asyncio.open_unix_connection(sock=channel)
    told = await reader.readline()
    assert told, "the server of commands is gone"
    return Command(int(told), await _pipe(out), await _pipe(err), asyncio.create_task(_code(reader, writer)))


def _ordered(
    server: str, arguments: Sequence[str], cwd: str, env: Mapping[str, str], shards: str, streams: Sequence[int]
) -> socket.socket:
    """Ask for a command; where its process id and then its exit code are said."""
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(server)
    order = {"arguments": arguments, "cwd": cwd, "env": dict(env), "shards": shards}
    socket.send_fds(channel, [json.dumps(order).encode() + b"\n"], streams)
    return channel


async def _pipe(descriptor: int) -> Pipe:
    reader = asyncio.StreamReader()
    file = os.fdopen(descriptor, "rb", 0)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    return Pipe(reader, transport)


async def _code(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    try:
        return int(await reader.readline())
    finally:
        writer.close()


class Shard:
    """`loadsim shard` from the server, as the `subprocess.Popen` of a `ShardProcess` is one.

    To start an interpreter and to import what a shard needs takes longer than most tests take for all the rest.
    """

    def __init__(self, server: str, env: Mapping[str, str]) -> None:
        (theirs_in, stdin), (stdout, theirs_out) = os.pipe(), os.pipe()
        self._channel = _ordered(server, ["shard"], str(Path.cwd()), env, "", (theirs_in, theirs_out, 2))
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin, self.stdout = os.fdopen(stdin, "wb", 0), os.fdopen(stdout, "rb", 0)
        self._told = self._channel.makefile("rb")
        self.pid = int(self._told.readline())
        self._lock = threading.Lock()
        self.returncode: int | None = None

    def wait(self) -> int:
        """The exit code, negative for a signal."""
        with self._lock:
            if self.returncode is None:
                self.returncode = int(self._told.readline())
                self._told.close()
                self._channel.close()
            return self.returncode

    def kill(self) -> None:
        """End it at once; no error where it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def take_shards_from(address: Callable[[], str]) -> None:
    """From now on this process has its shards from the server that listens there."""

    def started(_command: object, *, env: Mapping[str, str], **_: object) -> Shard:
        return Shard(address(), env)

    setattr(shard_process, "subprocess", SimpleNamespace(Popen=started, PIPE=subprocess.PIPE))  # noqa: B010


# -- the server -------------------------------------------------------------------------------------------------------


def serve(path: str) -> list[str] | None:
    """Fork a child for every order. Comes back in each child, with its arguments, and at the end in the server."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno())
    channels: dict[int, socket.socket] = {}  # by process
    gc.collect()
    gc.freeze()  # or the first collection in each child would copy everything
    os.write(1, b"ready\n")
    watched: list[Any] = [listener, woken, 0]
    while True:
        ready, _, _ = select.select(watched, (), ())
        if 0 in ready:
            return None
        if woken in ready:
            woken.recv(4096)
            _bury(channels)
        if listener in ready:
            channel, _ = listener.accept()
            pid, order = _forked(channel)
            if not pid:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (channel, listener, woken, waker, *channels.values()):
                    each.close()
                return _become(order)
            channels[pid] = channel


def _bury(channels: dict[int, socket.socket]) -> None:
    """Say of every child that has ended how it did."""
    with contextlib.suppress(ChildProcessError):
        while pid := (ended := os.waitpid(-1, os.WNOHANG))[0]:
            with channels.pop(pid) as channel, contextlib.suppress(BrokenPipeError):
                channel.sendall(b"%d\n" % os.waitstatus_to_exitcode(ended[1]))


def _forked(channel: socket.socket) -> tuple[int, dict[str, Any]]:
    """The child's process id, 0 in the child, and what it is to do; the child has its streams."""
    data, streams, _, _ = socket.recv_fds(channel, LARGEST_ORDER, STREAMS)
    while not data.endswith(b"\n"):
        data += channel.recv(LARGEST_ORDER)
    pid = os.fork()
    for number, stream in enumerate(streams):
        if not pid:
            os.dup2(stream, number)
        os.close(stream)
    if pid:
        channel.sendall(b"%d\n" % pid)
    return pid, json.loads(data)


def _become(order: dict[str, Any]) -> list[str]:
    """Take on a command's surroundings; its arguments."""
    os.chdir(order["cwd"])
    os.environ.clear()  # noqa: TID251 - a process's own surroundings
    os.environ.update(order["env"])  # noqa: TID251
    time.tzset()
    arguments: list[str] = order["arguments"]
    if arguments == ["shard"]:
        os.setsid()  # as a shard is started
    else:
        sys.path.insert(0, order["cwd"])
    if order["shards"]:
        take_shards_from(lambda: order["shards"])
    return arguments


if __name__ == "__main__":
    for module in (*(f"loadsim.cli.{name}" for name, _, _ in COMMANDS.values() if name not in LEFT_OUT), *ALSO):
        importlib.import_module(module)
    if library := plotly_script.library():
        packed_text.packed_library(library)  # which takes longer than all else that a small run does
    wanted = serve(sys.argv[1])
    if wanted is not None:
        sys.argv = ["loadsim", *wanted]
        main()

"""Real processes and a real endpoint for the tests of launching: commands, and a server that writes everything down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
from aiohttp import web

from loadsim.launch.shard_process import SHARD
from loadsim.measure.result import RunResult, load_result
from tests import commands

SECRET = "whsec_never_to_be_shown_5d41402a"
SECRET_ENV = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"
PATIENCE_S = 60.0
"""Longer than anything here takes on a busy machine: beyond it, something hangs."""


class Command(Protocol):
    """What tests need of a started command."""

    @property
    def stderr(self) -> asyncio.StreamReader | None:
        """What it says."""

    @property
    def pid(self) -> int:
        """The process."""

    @property
    def returncode(self) -> int | None:
        """None while it runs."""

    def send_signal(self, number: int, /) -> None:
        """Raises ProcessLookupError when it has ended."""

    def kill(self) -> None:
        """At once."""

    async def communicate(self) -> tuple[bytes, bytes]:
        """Wait for its end; what it wrote."""


@dataclass
class Endpoint:
    """A webhook endpoint that keeps every body and every index, and may answer badly, or not at all."""

    status: int = 200
    url: str = ""
    bodies: dict[int, bytes] = field(default_factory=dict)
    arrivals: list[int] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the latest event."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Answers wait for it."""
    _waiting: list[tuple[int, asyncio.Event]] = field(default_factory=list)

    async def seen(self, count: int) -> None:
        """Wait until so many events have arrived."""
        event = asyncio.Event()
        self._waiting.append((count, event))
        self._wake()
        async with asyncio.timeout(PATIENCE_S):
            await event.wait()

    async def handle(self, request: web.Request) -> web.Response:
        """Take one event."""
        body = await request.read()
        self.headers = request.headers
        index = int(request.headers["X-Loadsim-Id"].split("/")[1])
        self.arrivals.append(index)
        self.bodies[index] = body
        self._wake()
        await self.gate.wait()
        return web.Response(status=self.status, text="no" if self.status >= 400 else "yes")

    def _wake(self) -> None:
        for count, event in self._waiting:
            if len(self.arrivals) >= count:
                event.set()


@contextlib.asynccontextmanager
async def endpoint(status: int = 200, *, answering: bool = True, at: str = "127.0.0.1") -> AsyncIterator[Endpoint]:
    """An endpoint on a free port; with `answering` False it keeps all it gets waiting until its gate opens."""
    served = Endpoint(status)
    if answering:
        served.gate.set()
    runner = web.ServerRunner(web.Server(served.handle, access_log=None), shutdown_timeout=0)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, at, 0)
    await site.start()
    try:
        served.url = f"http://{at}:{runner.addresses[0][1]}/hook"
        yield served
    finally:
        served.gate.set()
        await runner.cleanup()


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@contextlib.asynccontextmanager
async def started(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    command: tuple[str, ...] = (),
    own_children: bool = True,
) -> AsyncIterator[Command]:
    """`loadsim` with the secret in its environment; it does not outlive the context, whatever happens there.

    `command`: how it is to be started, where that matters. `own_children`: see `tests.commands.start`.
    """
    words = tuple(map(str, arguments))
    surroundings = {**os.environ, SECRET_ENV: SECRET, **(env or {})}  # noqa: TID251 - a child's surroundings
    process: Command
    if command:
        process = await asyncio.create_subprocess_exec(
            *command,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=cwd,
            env=surroundings,
        )
    else:
        process = await commands.start(*words, cwd=cwd, env=surroundings, own_children=own_children)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def finish(process: Command, within_s: float = PATIENCE_S) -> Done:
    """Wait for the end of a command, not longer than `within_s`."""
    async with asyncio.timeout(within_s):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


async def loadsim(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    """Run `loadsim` to its end."""
    async with started(*arguments, cwd=cwd, env=env, own_children=False) as process:
        return await finish(process)


def stored(cwd: Path) -> RunResult:
    """The one result under `reports/`."""
    (path,) = (cwd / "reports").glob("*/result.json")
    return load_result(path.read_bytes(), source=str(path))


def balanced(result: RunResult) -> bool:
    """Whether the accounts of the whole run balance."""
    t = result.totals
    return t.planned == t.sent + t.dropped and t.sent == t.completed + sum(t.errors.values()) + t.unfinished


def children_of(pid: int) -> list[int]:
    """The processes that a process started, in that order."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except FileNotFoundError:
        return []


def shards_of(pid: int) -> list[int]:
    """The shard processes that a run started, by shard number."""
    return [child for child in children_of(pid) if SHARD in command_line(child)]


def command_line(pid: int) -> list[str]:
    """The arguments of a process as everybody on the machine can read them; empty when it has ended."""
    place = Path(f"/proc/{pid}")
    try:
        # For a moment after its program was started a process has none yet; for good it has none when it has ended.
        while not (line := (place / "cmdline").read_bytes()):
            if (place / "stat").read_bytes().rpartition(b") ")[2][:1] in b"ZX":
                return []
            time.sleep(0.001)
    except (FileNotFoundError, ProcessLookupError):
        return []
    return line.decode(errors="replace").split("\0")


async def until(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """Poll what tells of itself in no other way, such as the process table."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(0.02)


def pending(pid: int, number: int) -> bool:
    """Whether a signal that was sent to a process has not been taken yet."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    waiting = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(mask >> (number - 1) & 1 for mask in waiting)


def plain(text: str) -> dict[str, object]:
    """A JSON text that must be one object and nothing else."""
    return msgspec.json.decode(text, type=dict[str, object])

"""Real Dask schedulers and workers as processes of their own on loopback, for the tests of runs on a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client

from tests.launch.support import PATIENCE_S, SECRET, SECRET_ENV

SCHEDULER = (*("-P", "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--no-show", "--port", "0"),)
WORKER = (*("-P", "-m", "distributed.cli.dask_worker", "--no-nanny", "--no-dashboard"), "--nthreads", "1")


@dataclass
class Cluster:
    """A scheduler's address and processes, the workers' by their host."""

    address: str
    scheduler: asyncio.subprocess.Process
    workers: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    def shards(self, host: str) -> list[int]:
        """The shard processes of a host's worker."""
        return children(self.workers[host].pid)


async def kept(address: str) -> str:
    """What a scheduler holds of its clients' runs: tasks and events with all their arguments, and its log."""

    def look(dask_scheduler: Any = None) -> str:
        from distributed.protocol.pickle import dumps

        events = {topic: list(found.events) for topic, found in dask_scheduler._broker._topics.items()}
        tasks = [dumps(task.run_spec) for task in dask_scheduler.tasks.values()]
        return repr((dumps(events), tasks, dask_scheduler.get_logs()))

    async with Client(address, asynchronous=True, set_as_default=False) as client:
        found: str = await client.run_on_scheduler(look)
    return found


def children(pid: int) -> list[int]:
    """What a process started, whichever of its threads did."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def alive(pid: int) -> bool:
    """Whether a process is there and not merely unburied."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextlib.asynccontextmanager
async def spawned(
    *arguments: str, within: tuple[str, ...] = (), env: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process whose log can be read; it does not outlive the context, frozen or not."""
    process = await asyncio.create_subprocess_exec(
        *(*within, sys.executable, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, SECRET_ENV: SECRET, **(env or {})},  # noqa: TID251 - a child's surroundings
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.communicate()


async def told(process: asyncio.subprocess.Process, words: str) -> str:
    """The first line of a process's log that contains `words`; the rest is read away."""
    assert process.stderr is not None
    line = ""
    async with asyncio.timeout(PATIENCE_S):
        while words not in line:
            line = (await process.stderr.readline()).decode()
            assert line, f"the process ended without a word of {words!r}"
    return line


@contextlib.asynccontextmanager
async def cluster(
    *hosts: str,
    at: str = "127.0.0.1",
    options: tuple[str, ...] = (),
    within: Mapping[str, tuple[str, ...]] | None = None,
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[Cluster]:
    """A scheduler at `at` and one worker at each host's address, all of which have met.

    `within`: what a host's worker is started by, such as `ip netns exec`; `env`: what the workers have in theirs.
    """
    async with contextlib.AsyncExitStack() as stack:
        scheduler = await stack.enter_async_context(spawned(*SCHEDULER, "--host", at, *options))
        address = (await told(scheduler, "Scheduler at:")).split()[-1]
        found = Cluster(address, scheduler)
        for host in hosts:
            command = (*WORKER, address, "--host", host, *options)
            found.workers[host] = await stack.enter_async_context(
                spawned(*command, within=(within or {}).get(host, ()), env=env)
            )
        for _ in hosts:
            await told(scheduler, "Register worker")
        for process in (scheduler, *found.workers.values()):
            stack.push_async_callback(_cancelled, asyncio.create_task(_read_away(process)))
        yield found


async def _read_away(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    while await process.stderr.readline():
        pass


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

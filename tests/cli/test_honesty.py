"""Who was the limit: a starved generator is INVALID and says what it could do, a slow endpoint is not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loadsim.model import NS_PER_MS, Secret
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.options import ReceiverOptions
from tests.launch.support import (
    SECRET,
    SECRET_ENV,
    Done,
    balanced,
    endpoint,
    finish,
    loadsim,
    shards_of,
    started,
    stored,
)


async def under(limits: list[str], *arguments: str, cwd: Path) -> Done:
    """`loadsim` started by a command that limits it."""
    process = await asyncio.create_subprocess_exec(
        *limits,
        *(sys.executable, "-m", "loadsim", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, SECRET_ENV: SECRET},  # noqa: TID251 - a child's surroundings
    )
    return await finish(process)


@contextlib.asynccontextmanager
async def busy(core: int, count: int) -> AsyncIterator[None]:
    """Neighbours that keep a core busy."""
    command = ("taskset", "-c", str(core), sys.executable, "-c", "while True: pass")
    # each in a session of its own: a scheduler that groups by session gives each the share of the shard
    neighbours = [await asyncio.create_subprocess_exec(*command, start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            await neighbour.wait()


@pytest.mark.needs("taskset")
async def test_a_generator_that_has_to_share_its_core_is_invalid(tmp_path: Path) -> None:
    core = max(os.sched_getaffinity(0))
    async with endpoint() as served:
        wanted = ("run", served.url, "-r", "1000/s", "-d", "2s", "-q", "--timeout", "2s")
        async with started(*wanted, cwd=tmp_path) as process:
            await served.seen(1)  # it has begun: its start is not what is to be slow
            (shard,) = shards_of(process.pid)
            os.sched_setaffinity(shard, {core})
            async with busy(core, 16):
                done = await finish(process)
    assert done.code == 3, done.out + done.err
    (reason, *_) = stored(tmp_path).validity.reasons
    assert "the generator was late: lag p99" in reason
    assert "could do" in reason
    assert "INVALID" in done.out


async def test_a_rate_above_what_the_generator_can_do_says_what_it_could(tmp_path: Path) -> None:
    async with endpoint() as served:
        wanted = ("-r", "5000000/s", "-d", "200ms", "-q", "--timeout", "1s", "--objective", "success: rate >= 0%")
        done = await loadsim("run", served.url, *wanted, cwd=tmp_path)
    assert done.code == 3, done.out + done.err
    result = stored(tmp_path)
    assert balanced(result)
    (reason, *_) = result.validity.reasons
    assert "the generator was late" in reason or "were woken before it ended" in reason
    assert re.search(r"it could do about [1-9][\d,]*/s of the \S+/s asked for|it fired \S+/s, but not in time", reason)


@pytest.mark.needs("prlimit")
async def test_a_descriptor_limit_below_its_connections_is_said_before_and_after(tmp_path: Path) -> None:
    async with endpoint() as served:
        limits = ["prlimit", "--nofile=80:80"]
        done = await under(limits, "run", served.url, "-c", "120", "-d", "1s", "-q", cwd=tmp_path)
    assert done.code == 3, done.out + done.err
    assert done.err.count("\n") == 1
    assert "allows 48 connections per process, the scenario may open 120" in done.err
    assert "ulimit -n 152" in done.err
    result = stored(tmp_path)
    (reason,) = result.validity.reasons
    assert "Too many open files" in reason
    assert "could do" in reason
    assert result.totals.succeeded == result.totals.sent


async def test_a_slow_endpoint_is_not_the_generators_fault(tmp_path: Path) -> None:
    options = ReceiverOptions(slots=2, delay_ns=50 * NS_PER_MS)
    scenario = tmp_path / "slow.toml"
    async with await start_receiver(options, Secret(SECRET)) as receiver:
        scenario.write_text(
            f'name = "slow"\n[target]\nurl = "{receiver.url}"\nconnections = 4\ntimeout = "1s"\n'
            '[validity]\nlag = "500ms"\n[[phases]]\nname = "load"\nrate = "150/s"\nduration = "2s"\n',
            encoding="utf-8",
        )
        done = await loadsim("run", scenario, "-q", cwd=tmp_path)
    assert done.code == 99, done.out + done.err
    result = stored(tmp_path)
    assert result.validity.valid
    assert any(note.startswith("limited by connections: 4 busy") for note in result.limits.notes)
    wait, lag, response = (result.totals.latency_ms[name] for name in ("wait", "lag", "response"))
    assert wait.p50 is not None
    assert lag.p50 is not None
    assert response.p50 is not None
    assert wait.p50 > 200 > lag.p50
    assert response.p50 > wait.p50


async def test_1500_connections_in_one_process(tmp_path: Path) -> None:
    options = ReceiverOptions(engine="bare", admin=None)
    async with await start_receiver(options, Secret(SECRET)) as receiver:
        done = await loadsim("run", receiver.url, "-c", "1500", "-n", "6000", "-q", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    result = stored(tmp_path)
    assert result.limits.connections_peak == 1500
    assert result.totals.succeeded == 6000

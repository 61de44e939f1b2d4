"""Who was the limit: a starved generator is INVALID and says what it could do, a slow endpoint is not."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from loadsim.engine.scripted_endpoint import Reply
from loadsim.model import NS_PER_MS, Secret
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.options import ReceiverOptions
from loadsim.report.what_limited import limit_lines
from tests.conftest import slow_but
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
from tests.launch.virtual import limited_to, run_virtually

HELD_S = 0.5


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


async def test_what_a_frozen_generator_did_is_not_the_endpoints_fault(tmp_path: Path) -> None:
    async with endpoint() as served:
        wanted = ("run", served.url, "-r", "500/s", "-d", "1s", "-q", "--timeout", "1h", "--objective", "max < 150ms")
        async with started(*wanted, cwd=tmp_path) as process:
            await served.seen(1)
            (shard,) = shards_of(process.pid)
            os.kill(shard, signal.SIGSTOP)
            await asyncio.sleep(HELD_S)  # what falls due meanwhile is late, however long it takes until we are back
            os.kill(shard, signal.SIGCONT)
            done = await finish(process)
    result = stored(tmp_path)
    assert balanced(result)
    assert "the generator was late" in " ".join(result.validity.warnings)
    assert "Warnings" in done.out
    assert result.limits.longest_pause_s >= HELD_S / 2
    row = result.verdict.objectives[0]
    assert row.observed is not None
    assert row.without_generator is not None
    assert row.without_generator < row.observed
    if row.without_generator < 150:  # else the endpoint, which is in this process, was slow itself
        assert done.code == 3, done.out + done.err
        assert "may be pauses of the generator, up to" in " ".join(result.validity.reasons)
        assert row.passed is None
        assert "INVALID" in done.out


OPEN = {"target": {"url": "http://127.0.0.1:9/"}, "phases": [{"name": "load", "rate": "1000/s", "duration": "1s"}]}


def test_being_late_is_a_warning_and_decides_nothing_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    # it sleeps through the beginning of the phase
    result = run_virtually(monkeypatch, OPEN, lambda *_: Reply(NS_PER_MS), misses=[30 * NS_PER_MS] * 1000)
    assert balanced(result)
    assert result.verdict.outcome == "pass"
    (warning,) = result.validity.warnings
    assert "the generator was late: " in warning
    assert "it could do" not in warning, "nobody knows"


def test_a_generator_that_is_behind_to_the_end_says_what_it_could_do(monkeypatch: pytest.MonkeyPatch) -> None:
    phases = [{"name": "load", "rate": "1000/s", "duration": "4s"}]
    late = [1_500 * NS_PER_MS] * 1000  # again and again
    result = run_virtually(monkeypatch, {**OPEN, "phases": phases}, lambda *_: Reply(NS_PER_MS), misses=late)
    assert balanced(result)
    assert result.verdict.outcome == "invalid"
    (reason,) = result.validity.reasons
    assert "the load was not offered as planned" in reason
    assert "it could do about 750/s of the 1,000/s asked for" in reason


def test_a_generator_in_time_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_virtually(monkeypatch, OPEN, lambda *_: Reply(NS_PER_MS)).verdict.outcome == "pass"


@pytest.mark.slow
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
    (reason,) = [reason for reason in result.validity.reasons if "Too many open files" in reason]
    assert "could do" in reason
    assert result.totals.succeeded == result.totals.sent


@pytest.mark.needs("prlimit")
@pytest.mark.parametrize("descriptors", slow_but([18], [12, 14, 18, 32]))
@pytest.mark.parametrize("target", ["URL", "embedded"])
async def test_a_descriptor_limit_below_any_use_is_one_line(tmp_path: Path, target: str, descriptors: int) -> None:
    async with endpoint() as served:
        url = target.replace("URL", served.url)
        limits = ["prlimit", f"--nofile={descriptors}:{descriptors}"]
        done = await under(limits, "run", url, "-c", "4", "-n", "10", "-q", cwd=tmp_path)
    assert (done.code, done.out) == (1, ""), done.err
    (line,) = done.err.splitlines()
    assert line.startswith("loadsim: ")
    assert "ulimit -n" in line
    assert served.arrivals == []


@pytest.mark.slow
@pytest.mark.needs("prlimit")
async def test_a_descriptor_limit_that_may_be_raised_is_raised(tmp_path: Path) -> None:
    async with endpoint() as served:
        done = await under(
            ["prlimit", "--nofile=12:1024"], "run", served.url, "-c", "4", "-n", "10", "-q", cwd=tmp_path
        )
    assert (done.code, done.err) == (0, ""), done.out
    assert stored(tmp_path).totals.succeeded == 10


def test_a_slow_endpoint_is_not_the_generators_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {
        "target": {"url": "http://127.0.0.1:9/", "connections": 4, "timeout": "1s"},
        "phases": [{"name": "load", "rate": "150/s", "duration": "20s"}],
    }
    result = run_virtually(monkeypatch, document, limited_to(slots=2, delay_ms=50))
    assert result.verdict.outcome == "fail"
    assert result.validity.valid
    assert any(line.startswith("limited by connections: 4 busy") for line in limit_lines(result))
    wait, lag, response = (result.totals.latency_ms[name] for name in ("wait", "lag", "response"))
    assert wait.p50 is not None
    assert response.p50 is not None
    assert response.p50 > wait.p50 > 2_000
    assert lag.max == 0


@pytest.mark.slow
async def test_1500_connections_in_one_process(tmp_path: Path) -> None:
    options = ReceiverOptions(engine="bare", admin=None)
    async with await start_receiver(options, Secret(SECRET)) as receiver:
        done = await loadsim("run", receiver.url, "-c", "1500", "-n", "6000", "-q", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    result = stored(tmp_path)
    assert result.limits.connections_peak == 1500
    assert result.totals.succeeded == 6000

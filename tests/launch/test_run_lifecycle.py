"""Whole runs in real processes: what goes out, how a run is stopped, and what is kept when a part of it dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from loadsim.judge import evaluate
from loadsim.launch.run_lifecycle import Run
from loadsim.measure.result import RunResult
from loadsim.model import NS_PER_S, Secret
from loadsim.plan import RunSpec, from_document
from tests.launch.support import (
    PATIENCE_S,
    SECRET,
    Command,
    Endpoint,
    balanced,
    children_of,
    command_line,
    endpoint,
    finish,
    loadsim,
    pending,
    shards_of,
    started,
    stored,
    until,
)

FOR_LONG = ("-r", "100/s", "-d", "1h")
INTERPRETER = (sys.executable, "-m", "loadsim")


async def said(process: Command, words: str) -> None:
    """Read the command's stderr up to a line that contains `words`."""
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE_S):
        while words not in (line := (await process.stderr.readline()).decode()):
            assert line, f"the command ended without a word of {words!r}"


@contextlib.asynccontextmanager
async def two_shards(served: Endpoint, cwd: Path, duration: str) -> AsyncIterator[tuple[Command, list[int]]]:
    """A run in two shards from which events are coming, and their process ids.

    Without answers neither can end, however late whatever the test does with it comes.
    """
    options = ("-w", "2", "-r", "100/s", "-d", duration, "--timeout", "60s")
    async with started("run", served.url, *options, cwd=cwd) as process:
        await served.seen(10)
        pids = shards_of(process.pid)
        assert len(pids) == 2
        yield process, pids


def ended(run: Run) -> list[int]:
    """How many events have ended by the latest frame of each shard."""
    return [state.frame.ended if state.frame is not None else 0 for state in run._collector.states]


def lost(result: RunResult) -> list[tuple[int, str]]:
    return [(shard.shard, shard.reason) for shard in result.shards if shard.lost]


# -- what goes out ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_same_seed_and_epoch_give_the_same_bodies_from_any_number_of_shards(tmp_path: Path) -> None:
    sent = []
    for workers in ("1", "2"):
        async with endpoint() as served:
            options = ("-r", "200/s", "-d", "500ms", "--seed", "5", "--epoch", "1746123456", "-w", workers)
            done = await loadsim("run", served.url, *options, "--objective", "med < 10s", cwd=tmp_path)
            assert done.code in (0, 3), done.err  # 3: a busy machine may make the generator late
            sent.append(served.bodies)
    assert len(sent[0]) == 100
    assert sent[0] == sent[1]


@pytest.mark.slow
async def test_every_event_of_a_run_is_unlike_the_others_and_another_seed_gives_others(tmp_path: Path) -> None:
    sent = []
    for seed in ("5", "6"):
        async with endpoint() as served:
            await loadsim("run", served.url, "-n", "50", "--seed", seed, "--epoch", "1746123456", cwd=tmp_path)
            assert len(set(served.bodies.values())) == len(served.arrivals) == 50
            sent.append(set(served.bodies.values()))
    assert not sent[0] & sent[1]


async def test_secrets_show_nowhere(tmp_path: Path) -> None:
    token = "tok_0cc175b9c0f1b6a8"
    async with endpoint(401, answering=False) as served:
        url = served.url + "?sig=query_92eb5ffee6ae2fec"
        options = ("-r", "100/s", "-d", "1s", "-H", "Authorization: env:MY_TOKEN", "-w", "2")
        async with started("run", url, *options, cwd=tmp_path, env={"MY_TOKEN": token}, command=INTERPRETER) as process:
            await served.seen(5)
            pids = [process.pid, *children_of(process.pid)]
            assert len(pids) == 3
            shown = [argument for pid in pids for argument in command_line(pid)]
            served.gate.set()
            done = await finish(process)
    assert done.code in (3, 99)
    for path in (tmp_path / "reports").rglob("*.*"):
        if path.is_file():
            shown.append(path.read_text(encoding="utf-8"))
            assert "query_92eb" not in shown[-1], path
    assert len(shown) > 10
    for secret in (SECRET, token):
        assert not [text for text in (*shown, done.out, done.err) if secret in text]


@pytest.mark.slow
async def test_modules_of_the_users_directory_stand_in_for_nothing(tmp_path: Path) -> None:
    for name in ("queue", "secrets", "signal"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working directory')\n")
    installed = (sys.executable, "-P", "-m", "loadsim")  # as the `loadsim` script: without the directory on its path
    async with started("run", "embedded", "-n", "20", "-q", cwd=tmp_path, command=installed) as process:
        done = await finish(process)
    assert (done.code, done.err) == (0, "")


# -- stopping ---------------------------------------------------------------------------------------------------------


async def test_one_ctrl_c_lets_what_is_under_way_end_and_keeps_the_result(tmp_path: Path) -> None:
    async with endpoint(answering=False) as served, started("run", served.url, *FOR_LONG, cwd=tmp_path) as process:
        await served.seen(10)
        process.send_signal(signal.SIGINT)
        await said(process, "Ctrl-C again")
        served.gate.set()
        done = await finish(process)
    result = stored(tmp_path)
    assert done.code == 130, done.err
    assert result.run.interrupted
    assert balanced(result)
    assert result.totals.succeeded == result.totals.planned == len(served.arrivals)
    assert "planned" in done.out


async def test_a_second_ctrl_c_ends_at_once_and_keeps_the_result(tmp_path: Path) -> None:
    options = (*FOR_LONG, "--timeout", "10m")
    async with endpoint(answering=False) as served, started("run", served.url, *options, cwd=tmp_path) as process:
        await served.seen(10)
        process.send_signal(signal.SIGINT)
        await said(process, "Ctrl-C again")
        process.send_signal(signal.SIGINT)
        done = await finish(process)
    result = stored(tmp_path)
    assert done.code == 130, done.err
    assert balanced(result)
    assert result.totals.unfinished == result.totals.planned >= 10


async def test_ctrl_c_before_the_first_event_leaves_nothing_behind(tmp_path: Path) -> None:
    connected, over = asyncio.Event(), asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()  # and no TLS handshake: the look whether anything is there goes on until we close
        await over.wait()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        options = (*FOR_LONG, "--timeout", "60s")
        async with started("run", f"https://127.0.0.1:{port}/", *options, cwd=tmp_path) as process:
            async with asyncio.timeout(PATIENCE_S):
                await connected.wait()
            process.send_signal(signal.SIGINT)
            await until(lambda: not pending(process.pid, signal.SIGINT))
            over.set()
            done = await finish(process)
    assert (done.code, done.out, done.err.strip()) == (130, "", "loadsim: interrupted")
    assert not list((tmp_path / "reports").iterdir())


async def test_a_run_that_is_killed_takes_its_processes_with_it(tmp_path: Path) -> None:
    async with started("run", "embedded", *FOR_LONG, "-w", "2", cwd=tmp_path) as process:
        await until(lambda: len(shards_of(process.pid)) == 2)
        pids = children_of(process.pid)
        assert len(pids) == 3  # the embedded receiver's worker is the third
        process.kill()
        await finish(process)
        await until(lambda: not any(command_line(pid) for pid in pids))


# -- lost shards ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("own_children")
async def test_a_killed_shard_ends_invalid_with_what_was_measured(tmp_path: Path) -> None:
    """What was measured: of a shard that has been heard; here that is known, and not a matter of time."""
    async with endpoint() as served:
        spec = planned(served, rate="100/s", duration="1h")
        run = Run(msgspec.structs.replace(spec, workers=2, frame_s=0.05))
        fired = asyncio.create_task(run.execute())
        await run.started.wait()
        await until(lambda: min(ended(run)) >= 20)
        before = ended(run)
        os.kill(shards_of(os.getpid())[1], signal.SIGKILL)
        await until(lambda: run.progress().lost_shards == (1,))
        await until(lambda: ended(run)[0] >= before[0] + 20)  # the other goes on
        run.interrupt()
        result = await fired
    assert lost(result) == [(1, "the process ended with signal 9")]
    assert balanced(result)
    assert result.shards[0].completed >= before[0] + 20
    assert result.shards[1].completed >= before[1]
    judged = evaluate(result, (), spec.scenario.validity)
    assert judged.verdict.outcome == "invalid"
    assert any("shard 1" in reason and "signal 9" in reason for reason in judged.validity.reasons)


@pytest.mark.slow
async def test_a_shard_killed_before_its_first_frame_leaves_the_others_books(tmp_path: Path) -> None:
    async with endpoint(answering=False) as served, two_shards(served, tmp_path, "600ms") as (process, pids):
        os.kill(pids[0], signal.SIGKILL)
        served.gate.set()
        done = await finish(process)
    result = stored(tmp_path)
    assert done.code == 3, done.out
    assert [number for number, _ in lost(result)] == [0]
    assert result.verdict.outcome == "invalid"
    assert "INVALID" in done.out
    assert balanced(result)
    assert result.shards[1].completed == 30


async def test_a_frozen_shard_is_found_by_its_silence(tmp_path: Path) -> None:
    async with endpoint(answering=False) as served, two_shards(served, tmp_path, "1s") as (process, pids):
        os.kill(pids[1], signal.SIGSTOP)
        served.gate.set()
        done = await finish(process)
    assert done.code == 3, done.out
    assert lost(stored(tmp_path)) == [(1, "no frame for 2.5 s")]
    assert not command_line(pids[1])


@pytest.mark.slow
async def test_a_run_that_is_stopped_and_continued_hears_what_was_said_meanwhile(tmp_path: Path) -> None:
    """Ctrl-Z and fg, or a machine that was frozen: longer than a shard may be silent."""
    async with endpoint() as served, two_shards(served, tmp_path, "6s") as (process, pids):
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(4)
        assert all(command_line(pid) for pid in pids)
        process.send_signal(signal.SIGCONT)
        done = await finish(process, within_s=60)
    assert done.code in (0, 3), done.err  # 3: a busy machine may make the generator late
    result = stored(tmp_path)
    assert lost(result) == []
    assert result.totals.completed == 600


@pytest.mark.slow
async def test_all_shards_killed_is_a_result_too(tmp_path: Path) -> None:
    async with endpoint() as served, two_shards(served, tmp_path, "1h") as (process, pids):
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        done = await finish(process)
    assert done.code == 3, done.out
    assert [number for number, _ in lost(stored(tmp_path))] == [0, 1]
    assert "Traceback" not in done.err


async def test_a_run_that_is_told_to_go_leaves_no_process(tmp_path: Path) -> None:
    async with endpoint() as served, two_shards(served, tmp_path, "1h") as (process, pids):
        process.send_signal(signal.SIGTERM)
        await finish(process)
        await until(lambda: not any(command_line(pid) for pid in pids))


async def test_a_wall_clock_that_is_set_back_leaves_a_run_that_ends_after_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = SimpleNamespace(time_ns=lambda: time.time_ns() - 3600 * NS_PER_S, monotonic_ns=time.monotonic_ns)
    monkeypatch.setattr("loadsim.launch.run_lifecycle.time", back)
    async with endpoint() as served:
        run = Run(planned(served, connections=2, events=40))
        result = await run.execute()
    assert result.run.ended_at >= result.run.started_at
    assert 0 < run.progress().elapsed_s < 600


async def test_a_live_view_may_ask_for_frames_more_often_and_what_has_ended_cannot_be_interrupted() -> None:
    heard: list[int] = []
    async with endpoint(answering=False) as served:
        run = Run(msgspec.structs.replace(planned(served, connections=2, events=40), frame_s=0.01))

        def hear() -> None:
            heard.append(run.progress().done)
            if len(heard) == 4:
                served.gate.set()

        result = await run.execute(hear)
    assert result.shards[0].frames == len(heard) > 3
    assert not result.shards[0].reason, "none is missing"
    assert heard == sorted(heard)
    assert heard[-1] == result.totals.sent
    run.interrupt()
    assert not run.interrupted


def planned(served: Endpoint, **load: object) -> RunSpec:
    document = {
        "name": "planned here",
        "target": {"url": served.url},
        "events": [{"type": "desktop.activity_tracking.captured"}],
        "phases": [{"name": "load", **load}],
    }
    return RunSpec(scenario=from_document(document, "test"), seed=1, secret=Secret(SECRET), run_id="here")

"""How commands end: every signal that ends one means the same, and what was measured outlives whatever goes wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from loadsim.launch.collect import Collector
from loadsim.launch.local_shards import LocalShards
from loadsim.launch.objective_watch import ObjectiveWatch
from loadsim.launch.run_lifecycle import BrokenRunError, Run
from loadsim.measure.result import load_result
from loadsim.model import LoadsimError
from loadsim.run.options import RunOptions
from loadsim.run.run_store_judge import run_load
from loadsim.run.spec_of_options import compose
from tests.conftest import slow_but
from tests.launch.support import (
    SECRET,
    SECRET_ENV,
    balanced,
    children_of,
    command_line,
    endpoint,
    finish,
    shards_of,
    started,
    stored,
    until,
)
from tests.launch.test_run_lifecycle import FOR_LONG, INTERPRETER, planned, said


def files(cwd: Path, pattern: str) -> list[Path]:
    return list(cwd.glob(pattern))


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


# -- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", slow_but(ENDING[:1], ENDING))
async def test_a_run_ends_in_order_and_keeps_its_result(tmp_path: Path, number: signal.Signals) -> None:
    async with endpoint() as served, started("run", served.url, *FOR_LONG, cwd=tmp_path) as process:
        await served.seen(10)
        process.send_signal(number)
        done = await finish(process)
    result = stored(tmp_path)
    assert done.code == 130, done.err
    assert result.run.interrupted
    assert balanced(result)
    assert result.totals.succeeded == result.totals.planned == len(served.arrivals)
    assert "planned" in done.out


@pytest.mark.parametrize("number", slow_but(ENDING[:1], ENDING))
async def test_before_the_first_event_nothing_is_left(tmp_path: Path, number: signal.Signals) -> None:
    connected = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()  # and never a TLS handshake: the look whether anything is there takes its whole timeout
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with started("run", url, *FOR_LONG, "--raw", "--timeout", "2s", cwd=tmp_path) as process:
            async with asyncio.timeout(30):
                await connected.wait()
            process.send_signal(number)
            done = await finish(process)
    assert (done.code, done.out, done.err.strip()) == (130, "", "loadsim: interrupted")
    assert not list((tmp_path / "reports").iterdir())


async def test_a_signal_to_every_process_of_a_run_loses_nothing(tmp_path: Path) -> None:
    options = (*FOR_LONG, "-w", "2")
    async with endpoint() as served, started("run", served.url, *options, cwd=tmp_path) as process:
        await served.seen(10)
        for pid in (*shards_of(process.pid), process.pid):
            os.kill(pid, signal.SIGTERM)
        done = await finish(process)
    result = stored(tmp_path)
    assert done.code == 130, done.err
    assert not any(shard.lost for shard in result.shards)
    assert result.totals.succeeded == result.totals.planned == len(served.arrivals)


@pytest.mark.slow
async def test_a_hangup_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """As under nohup: the terminal may go, the run goes on."""
    nohup = ("sh", "-c", 'trap "" HUP; exec "$0" "$@"', *INTERPRETER)
    async with endpoint() as served, started("run", served.url, *FOR_LONG, cwd=tmp_path, command=nohup) as process:
        await served.seen(10)
        process.send_signal(signal.SIGHUP)
        await served.seen(len(served.arrivals) + 50)
        process.send_signal(signal.SIGTERM)
        done = await finish(process)
    assert done.code == 130, done.err
    assert stored(tmp_path).totals.succeeded >= 50


@pytest.mark.slow
async def test_where_ctrl_c_is_ignored_the_others_are_not(tmp_path: Path) -> None:
    """A shell that is not interactive starts its background jobs so."""
    background = ("sh", "-c", 'trap "" INT; exec "$0" "$@"', *INTERPRETER)
    async with started("dashboard", "--no-browser", "--port", "0", cwd=tmp_path, command=background) as process:
        await said(process, "press Ctrl-C to stop")
        process.send_signal(signal.SIGTERM)
        assert (await finish(process)).code == 0
    async with started("receive", "--port", "0", "--admin", "127.0.0.1:0", cwd=tmp_path, command=background) as process:
        await said(process, "press Ctrl-C to stop")
        process.send_signal(signal.SIGTERM)
        assert (await finish(process)).code == 0


@pytest.mark.parametrize("number", slow_but(ENDING[:1], ENDING))
@pytest.mark.parametrize(
    ("command", "kept"),
    [
        (
            ("capacity", "URL", "--from", "50/s", "--step", "1h"),
            ("reports/*capacity-*/capacity.json", "reports/*capacity-*/step-01-*.json"),
        ),
        (
            ("ab", "URL", "--aa", "-r", "50/s", "-d", "1h"),
            ("reports/*ab-*/ab.json", "reports/*ab-*/runs/*/result.json"),
        ),
    ],
)
async def test_studies_keep_what_they_have(
    tmp_path: Path, number: signal.Signals, command: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    async with endpoint() as served:
        words = (served.url if word == "URL" else word for word in command)
        async with started(*words, cwd=tmp_path) as process:
            await served.seen(10)
            process.send_signal(number)
            done = await finish(process)
    assert done.code == 130, done.err
    assert all(files(tmp_path, pattern) for pattern in kept)


@pytest.mark.parametrize("number", slow_but([signal.SIGTERM], [signal.SIGTERM, signal.SIGHUP]))
@pytest.mark.parametrize(
    ("command", "words", "kept"),
    [
        pytest.param(
            ("bench", "receiver", "--step", "1s"),
            "step 1 of at most",
            "reports/*/receiver.json",
            marks=(pytest.mark.slow, pytest.mark.long),
        ),
        (("bench", "verify", "--scheme", "trackpilots", "--rounds", "1000"), "", "reports/*/verify.json"),
    ],
)
async def test_benchmarks_keep_what_they_have(
    tmp_path: Path, number: signal.Signals, command: tuple[str, ...], words: str, kept: str
) -> None:
    async with started(*command, cwd=tmp_path) as process:
        await said(process, words)
        process.send_signal(number)
        done = await finish(process, within_s=60)
    assert done.code == 130, done.err
    assert len(files(tmp_path, kept)) == 1


async def test_the_calibration_is_interrupted_and_leaves_no_process(tmp_path: Path) -> None:
    async with started("bench", "engine", "--step", "60s", cwd=tmp_path) as process:
        await said(process, "highest rate")
        await until(lambda: bool(shards_of(process.pid)))
        pids = shards_of(process.pid)
        process.send_signal(signal.SIGTERM)
        done = await finish(process)
        await until(lambda: not any(command_line(pid) for pid in pids))
    assert (done.code, done.err.splitlines()[-1]) == (130, "loadsim: interrupted")


@pytest.mark.slow
@pytest.mark.long
async def test_a_run_whose_receiver_is_stopped_for_good_says_that_its_ledger_is_not_whole(tmp_path: Path) -> None:
    options = ("-r", "50/s", "-d", "1s", "--timeout", "1s", "--objective", "lost: count == 0")
    async with started("run", "embedded", *options, cwd=tmp_path) as process:
        await said(process, "seed")  # the shard is there before the receiver
        (receiver,) = set(children_of(process.pid)) - set(shards_of(process.pid))
        os.kill(receiver, signal.SIGSTOP)
        done = await finish(process, within_s=90)
    result = stored(tmp_path)
    assert done.code == 3, done.out
    assert result.reconciliation is not None
    assert "worker 0 of the receiver has not entered what came" in result.reconciliation.problem
    assert any("has not entered what came" in reason for reason in result.validity.reasons)


# -- whatever goes wrong after the first event ------------------------------------------------------------------------


def failing(*_: object, **__: object) -> None:
    raise KeyError("unforeseen")


async def test_a_listener_that_fails_ends_the_run_and_not_its_result() -> None:
    heard = []

    def listen() -> None:
        heard.append(1)
        raise KeyError("unforeseen")

    async with endpoint() as served:
        run = Run(msgspec.structs.replace(planned(served, duration="1h", connections=4), frame_s=0.05))
        with pytest.raises(BrokenRunError, match="KeyError: 'unforeseen'") as raised:
            await asyncio.wait_for(run.execute(listen), 60)
    result = raised.value.result
    assert heard
    assert balanced(result)
    assert 0 < result.totals.completed <= len(served.arrivals)
    assert not any(shard.lost for shard in result.shards), "it ended in order"


@pytest.mark.parametrize(
    ("owner", "name"),
    slow_but(
        [("loadsim.run.run_store_judge", "evaluate"), (Collector, "silent")],
        [
            (ObjectiveWatch, "check"),
            (Collector, "silent"),
            (LocalShards, "close"),
            ("loadsim.run.run_store_judge", "known_limits"),
            ("loadsim.run.run_store_judge", "evaluate"),
            ("loadsim.report.report_formats", "run_files"),
        ],
        several=True,
    ),
)
async def test_the_result_is_on_disk_whatever_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SECRET_ENV, SECRET)
    if isinstance(owner, str):
        monkeypatch.setattr(f"{owner}.{name}", failing)
    elif name == "close":
        close: Callable[[LocalShards], object] = LocalShards.close

        async def closed_and_failed(shards: LocalShards) -> None:
            await close(shards)  # type: ignore[misc]
            failing()

        monkeypatch.setattr(owner, name, closed_and_failed)
    else:
        monkeypatch.setattr(owner, name, failing)
    async with endpoint() as served:
        spec = compose(served.url, RunOptions(rate="100/s", duration="1500ms"))
        with pytest.raises(LoadsimError, match="KeyError: 'unforeseen'") as raised:
            await asyncio.wait_for(run_load(spec, no_watch), 60)
    (path,) = (tmp_path / "reports").glob("*/result.json")
    assert f"saved in {path.parent.relative_to(tmp_path)}/" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 1
    assert load_result(path.read_bytes(), "result").totals.completed > 0


async def test_a_frame_that_cannot_be_taken_in_costs_its_shard_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    take: Callable[..., None] = Collector.frame

    def frame(collector: Collector, shard: int, *rest: object) -> None:
        if shard == 1:
            failing()
        take(collector, shard, *rest)

    monkeypatch.setattr(Collector, "frame", frame)
    async with endpoint() as served:
        spec = msgspec.structs.replace(planned(served, events=2000, connections=4), workers=2)
        result = await asyncio.wait_for(Run(spec).execute(), 60)
    assert [shard.lost for shard in result.shards] == [False, True]
    assert "KeyError: 'unforeseen'" in result.shards[1].reason
    assert result.shards[0].completed == 1000


@pytest.mark.slow
async def test_a_terminal_that_goes_away_takes_nothing_with_it(tmp_path: Path) -> None:
    """The master side of a pseudo terminal is closed, which hangs the command up and breaks both of its streams."""
    import pty

    master, slave = pty.openpty()
    async with endpoint() as served:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadsim", "run", served.url, *FOR_LONG),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=tmp_path,
            env={**os.environ, SECRET_ENV: SECRET, "TERM": "xterm"},  # noqa: TID251 - a child's surroundings
            start_new_session=True,
        )
        os.close(slave)
        await served.seen(50)
        os.close(master)
        process.send_signal(signal.SIGHUP)
        code = await asyncio.wait_for(process.wait(), 60)
    assert code == 130
    result = stored(tmp_path)
    assert result.verdict.outcome != "none"
    assert result.totals.succeeded >= 50


class NoWatch:
    """Nothing stands beside the run."""

    async def __aenter__(self) -> None:
        """Begin."""

    async def __aexit__(self, *_: object) -> None:
        """End."""


def no_watch(run: Run) -> NoWatch:
    return NoWatch()

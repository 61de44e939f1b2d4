"""Whole searches in real processes: against a receiver of known capacity, and against endpoints that go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loadsim.judge import objectives_of, vocabulary_of_scenario
from loadsim.measure.result import load_result
from loadsim.model import NS_PER_MS, NS_PER_S, Secret, UnreachableError
from loadsim.plan import Case, RunSpec, from_document
from loadsim.plan.arrivals import PROCESSES
from loadsim.plan.arrivals.constant import Constant
from loadsim.plan.scenario import Phase
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.options import ReceiverOptions
from loadsim.studies.capacity.procedure import CapacityOutcome, CapacityRequest, CapacitySearch
from loadsim.studies.capacity.result import CapacityResult
from tests.conftest import slow_but
from tests.lateness import lateness
from tests.launch.support import endpoint, loadsim
from tests.launch.virtual import OneShard, limited_to, virtual_shards

SECRET = Secret("whsec_test")
PATIENCE_S = 300.0
QUIET_MS = 5.0
"""A machine on which one wake-up in a hundred is later than this is no witness of what a receiver can do."""


def request(
    url: str,
    out: Path,
    lowest: int,
    *,
    objectives: tuple[str, ...] = (),
    lag: str = "1h",
    timeout: str = "1h",
    **changes: Any,
) -> CapacityRequest:
    """A quick search. How late the generator is on a machine that does something else too is no matter here."""
    document = {
        "name": "known",
        "target": {"url": url, "timeout": timeout},
        "events": [{"type": "desktop.activity_tracking.captured"}],
        "phases": [{"name": "unused", "rate": "1/s", "duration": "1s"}],
        "objectives": list(objectives),
        "validity": {"lag": lag},
    }
    scenario = from_document(document, "test")
    load = RunSpec(
        scenario=scenario,
        seed=1,
        objectives=objectives_of(scenario.objectives, vocabulary_of_scenario(scenario)),
        secret=SECRET,
        out=out,
    )
    base = CapacityRequest(
        load=load,
        lowest=Fraction(lowest),
        highest=None,
        step_ns=NS_PER_S // 2,
        settle_ns=NS_PER_S // 10,
        precision=Fraction(25, 1000),
    )
    return replace(base, **changes)


async def search(wanted: CapacityRequest, say: Callable[[str], None] = lambda _: None) -> CapacityOutcome:
    async with asyncio.timeout(PATIENCE_S):
        return await CapacitySearch(wanted, say, say).execute()


def assert_kept(outcome: CapacityOutcome) -> None:
    """The search and every step can be read back from where they are kept."""
    path = outcome.directory / "capacity.json"
    assert msgspec.json.decode(path.read_bytes(), type=CapacityResult) == outcome.result
    for row in outcome.result.steps:
        step = load_result((outcome.directory / row.result).read_bytes(), source=row.result)
        assert step.run.name.startswith("known at ")
        assert row.result in (outcome.directory / "summary.md").read_text(encoding="utf-8").replace("\\", "")


@pytest.mark.parametrize(
    ("slots", "delay_ms", "lowest"),
    slow_but([(20, 50, 255)], [(20, 50, 255), (20, 50, 10), (2, 10, 1), (5, 100, 40)], several=True),
)
def test_it_lands_within_five_percent_of_a_known_capacity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slots: int, delay_ms: int, lowest: int
) -> None:
    monkeypatch.setattr("loadsim.launch.run_lifecycle.LocalShards", OneShard)
    wanted = request(
        "http://127.0.0.1:9/",
        tmp_path,
        lowest,
        objectives=("p(95) < 250ms",),
        lag="10ms",
        timeout="2s",
        highest=Fraction(4_000 * slots, delay_ms),
        step_ns=2 * NS_PER_S,
        settle_ns=NS_PER_S,
    )
    with virtual_shards(monkeypatch, limited_to(slots, delay_ms)) as loop:
        outcome = loop.run_until_complete(CapacitySearch(wanted, lambda _: None).execute())
    assert outcome.result.ending == "found", outcome.result.reason
    assert outcome.result.rate == pytest.approx(slots / delay_ms * 1000, rel=0.05)
    kinds = [row.kind for row in outcome.result.steps]
    assert kinds[0] == "doubling"
    assert kinds[-1] in ("confirming", "refining")
    assert any(row.outcome == "fail" for row in outcome.result.steps)
    assert_kept(outcome)


@pytest.mark.slow
@pytest.mark.long
async def test_so_it_does_with_a_real_receiver_in_real_time(tmp_path: Path) -> None:
    slots, delay_ms = 20, 50
    known = slots / (delay_ms / 1000)
    # from 255/s the bisection meets no rate so near the capacity that two seconds do not tell on which side it lies
    times: dict[str, Any] = {"step_ns": 2 * NS_PER_S, "settle_ns": NS_PER_S // 4, "precision": Fraction(45, 1000)}
    async with (
        await start_receiver(ReceiverOptions(slots=slots, delay_ns=delay_ms * NS_PER_MS), SECRET) as receiver,
        lateness() as machine,
    ):
        outcome = await search(
            request(receiver.url, tmp_path, 255, objectives=("p(95) < 250ms",), lag="150ms", timeout="2s", **times)
        )
    # Nothing makes a receiver with so many slots faster; a busy machine makes it slower.
    assert outcome.result.rate is None or outcome.result.rate < known * 1.05
    if machine.p99_ms > QUIET_MS:
        pytest.skip(f"this machine was busy: it woke who waited {machine.p99_ms:.1f} ms late")
    assert outcome.result.ending == "found", outcome.result.reason
    assert outcome.result.rate == pytest.approx(known, rel=0.05)
    assert_kept(outcome)


@pytest.mark.slow
async def test_up_to_the_rate_asked_for(tmp_path: Path) -> None:
    async with endpoint() as served:
        outcome = await search(request(served.url, tmp_path, 40, highest=Fraction(60)))
    assert (outcome.result.ending, outcome.result.rate, outcome.result.at_least) == ("found", 60, True)
    assert [(row.kind, row.rate) for row in outcome.result.steps] == [
        ("doubling", 40),
        ("doubling", 60),
        ("confirming", 60),
    ]
    assert len(set(served.bodies.values())) == len(served.bodies)
    assert_kept(outcome)


async def test_even_the_lowest_rate_fails(tmp_path: Path) -> None:
    async with endpoint(status=503) as served:
        outcome = await search(request(served.url, tmp_path, 50, step_ns=20 * NS_PER_S))
    (row,) = outcome.result.steps
    assert (outcome.result.ending, outcome.result.rate, row.outcome) == ("none", None, "fail")
    assert row.stopped_early
    assert "cannot be met" in outcome.result.reason
    assert_kept(outcome)


@contextlib.asynccontextmanager
async def mortal() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """An endpoint that stops listening, and cuts who is there, when its event is set."""
    death = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
                await reader.readexactly(length)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)

    async def die() -> None:
        await death.wait()
        server.close()
        for writer in writers:
            writer.transport.abort()

    dying = asyncio.create_task(die())
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", death
    finally:
        death.set()
        await dying


@pytest.mark.slow
async def test_an_endpoint_that_dies_in_the_middle_ends_the_search_and_leaves_what_was_learned(tmp_path: Path) -> None:
    async with mortal() as (url, death):

        def say(line: str) -> None:
            if line.startswith("step 3"):
                death.set()

        outcome = await search(request(url, tmp_path, 20), say)
    assert outcome.result.ending == "lost"
    assert outcome.result.rate is not None
    assert "stopped answering" in outcome.result.reason
    assert "refused" in outcome.result.reason
    assert_kept(outcome)


def test_nothing_there_at_all_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError):
        asyncio.run(search(request("http://127.0.0.1:9/", tmp_path, 20)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_an_interrupted_search_keeps_its_steps(tmp_path: Path) -> None:
    async with endpoint() as served:
        wanted = request(served.url, tmp_path, 20)

        def say(line: str) -> None:
            if line.startswith("step 2"):
                running.interrupt()

        running = CapacitySearch(wanted, say, say)
        outcome = await running.execute()
    assert outcome.result.ending == "interrupted"
    assert [row.outcome for row in outcome.result.steps] == ["pass", "interrupted"]
    assert_kept(outcome)


async def test_the_command(tmp_path: Path) -> None:
    scenario = tmp_path / "small.toml"
    async with endpoint() as served:
        scenario.write_text(
            f'name = "small"\n[target]\nurl = "{served.url}"\n[validity]\nlag = "1h"\n'
            '[[phases]]\nname = "load"\nrate = "1/s"\nduration = "1s"\n',
            encoding="utf-8",
        )
        options = ("--from", "30/s", "--to", "30/s", "--step", "1s", "--settle", "0s")
        done = await loadsim("capacity", scenario, *options, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "FOUND" in done.out
    assert "at least 30/s" in done.out
    assert re.search(r"step 2 of at most \d+, about .+ left: 30/s \(confirming\)", done.err)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--from", "50"], "--from"),
        (["--from", "100/s", "--to", "50/s"], "below"),
        (["--from", "0/s"], "must lie between"),
        (["--from", "200000000/s"], "must lie between"),
        (["--step", "0s"], "--step"),
        (["--precision", "half"], "write a share"),
        (["--effects", "http://127.0.0.1:9/"], "--effects: only with --by effects"),
        (["--by", "effects"], "name where the effects are seen"),
        (["--objective", "response{phase:load}: p(99) < 1s"], "phase"),
    ],
)
async def test_what_cannot_be_searched_is_refused(arguments: list[str], expected: str, tmp_path: Path) -> None:
    done = await loadsim("capacity", "http://127.0.0.1:9/", *arguments, cwd=tmp_path)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert expected in done.err


def test_a_step_has_every_secret_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadsim.launch.run_lifecycle.LocalShards", OneShard)
    wanted = request("http://127.0.0.1:9/", tmp_path, 100, highest=Fraction(100), objectives=("med < 1s",))
    scenario = msgspec.structs.replace(
        wanted.load.scenario, cases=(Case(kind="retired_secret", share=0.5, expect="refuse"),)
    )
    load = msgspec.structs.replace(wanted.load, scenario=scenario, old_secret=Secret("whsec_of_last_year"))
    with virtual_shards(monkeypatch, limited_to(8, 1)) as loop:
        outcome = loop.run_until_complete(CapacitySearch(replace(wanted, load=load), lambda _: None).execute())
    step = outcome.result.steps[0]
    result = load_result((outcome.directory / step.result).read_bytes(), source=step.result)
    assert result.by_case["retired_secret"].sent > 0


class _Hurried(Constant):
    """A process with a rate and a key of its own, as somebody may add one."""

    keys = ("speed",)


def test_a_step_has_the_arrivals_of_its_scenario_with_every_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROCESSES, "hurried", _Hurried())
    phase = Phase(name="unused", rate=Fraction(1), duration=NS_PER_S, arrivals="hurried", speed=3.0)
    wanted = request("http://127.0.0.1:9/", tmp_path, 100)
    scenario = msgspec.structs.replace(wanted.load.scenario, phases=(phase,))
    wanted = replace(wanted, load=msgspec.structs.replace(wanted.load, scenario=scenario))
    *_, step = CapacitySearch(wanted, lambda _: None).scenario_at(Fraction(50)).phases
    assert (step.arrivals, step.speed, step.rate) == ("hurried", 3.0, Fraction(50))

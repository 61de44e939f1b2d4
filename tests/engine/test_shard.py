"""One shard process, spoken to as a launcher speaks: over its stdin and stdout."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest

from loadsim import __version__
from loadsim.engine.arrivals import Arrivals
from loadsim.engine.engine import Engine
from loadsim.engine.messages import (
    Alive,
    Assignment,
    Failed,
    Frame,
    FromShard,
    Last,
    Ready,
    Start,
    Stop,
    ToShard,
    assignments,
    encode,
    from_shard,
    read_message,
)
from loadsim.engine.recorder import Recorder
from loadsim.engine.request_batches import RequestMaking
from loadsim.engine.scripted_endpoint import START_NS, Reply, ScriptedTransport, VirtualLoop
from loadsim.engine.shard import ShardRun
from loadsim.launch.shard_process import SHARD
from loadsim.measure.hdr import Ints
from loadsim.measure.tally import Tally
from loadsim.model import NS_PER_MS, NS_PER_S, NS_PER_US, Secret
from loadsim.plan import Plan, RunSpec, from_document
from tests.launch.support import PATIENCE_S, endpoint
from tests.launch.virtual import virtual_shards

TYPES = ("desktop.activity_tracking.captured", "desktop.app_tracking.captured")


class Shard:
    """A real shard process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self.stdin, self.stdout = process, process.stdin, process.stdout

    def tell(self, *messages: ToShard) -> None:
        for message in messages:
            self.stdin.write(encode(message))

    async def hear(self) -> FromShard | None:
        async with asyncio.timeout(PATIENCE_S):
            data = await read_message(self.stdout)
        return None if data is None else from_shard.decode(data)

    async def hear_all(self) -> list[FromShard]:
        """Everything up to the end of its stdout."""
        heard = []
        while (message := await self.hear()) is not None:
            heard.append(message)
        return heard

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def shard(*options: str, stderr: IO[bytes] | None = None) -> AsyncIterator[Shard]:
    """`options` are the interpreter's."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *options, "-m", SHARD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        limit=2**26,
    )
    try:
        yield Shard(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def document(url: str, **phase: Any) -> dict[str, Any]:
    return {
        "name": "t",
        "target": {"url": url, "connections": 8, "timeout": "60s"},
        "events": [{"type": name, "weight": 1 + number} for number, name in enumerate(TYPES)],
        "phases": [{"name": "load", **(phase or {"rate": "400/s", "duration": "500ms"})}],
    }


def spec(doc: dict[str, Any], **changes: Any) -> RunSpec:
    values = {"run_id": "run-1", "seed": 11, "secret": Secret("a secret"), **changes}
    return RunSpec(scenario=from_document(doc, "test"), **values)


def message(doc: dict[str, Any], number: int = 0, shards: int = 1, lease_s: float = 0.0, **changes: Any) -> Assignment:
    return assignments(spec(doc, **changes), shards, lease_s)[number]


def now() -> Start:
    return Start(time.time_ns() + 20_000_000)


async def test_the_shards_together_send_the_plan_and_nothing_else() -> None:
    async with endpoint() as served, shard() as first, shard() as second:
        doc = document(served.url, rate="301/s", duration="700ms", arrivals="poisson")
        plan = Plan(from_document(doc, "test"), 11)
        expected = {index for block in plan.blocks(0) for index in block.index}
        for number, one in enumerate((first, second)):
            one.tell(message(doc, number, 2))
            assert isinstance(await one.hear(), Ready)
        begin = now()
        first.tell(begin)
        second.tell(begin)
        for number, one in enumerate((first, second)):
            last = (await one.hear_all())[-1]
            assert isinstance(last, Last)
            assert sum(last.frame.planned) == len({i for i in expected if i % 2 == number})
        assert sorted(served.arrivals) == sorted(expected)
        for index, body in served.bodies.items():
            assert TYPES[plan.kind_of(index)[0]].encode() in body


async def test_frames_are_numbered_and_cumulative() -> None:
    async with endpoint() as served, shard() as one:
        one.tell(message(document(served.url, rate="200/s", duration="1200ms"), frame_s=0.1))
        assert isinstance(await one.hear(), Ready)
        one.tell(now())
        *frames, last = await one.hear_all()
        assert isinstance(last, Last)
        told = [frame for frame in frames if isinstance(frame, Frame)] + [last.frame]
        assert [frame.seq for frame in told] == list(range(1, len(told) + 1))
        assert len(told) >= 2
        assert [frame.ended for frame in told] == sorted(frame.ended for frame in told)
        assert (sum(last.frame.planned), last.frame.ended) == (240, 240)
        assert await one.ended() == 0


async def test_nothing_is_imported_while_events_are_sent(tmp_path: Path) -> None:
    """An import holds up the events of the first second, as a pause does."""
    with (tmp_path / "imports").open("w+b") as log:
        async with endpoint() as served, shard("-X", "importtime", stderr=log) as one:
            one.tell(message(document(served.url, connections=8, events=3000), frame_s=0.1))
            assert isinstance(await one.hear(), Ready)
            before = log.tell()
            one.tell(now())
            last = (await one.hear_all())[-1]
            assert isinstance(last, Last)
            assert last.frame.ended == 3000
            assert await one.ended() == 0
        log.seek(before)
        assert b"import time:" not in log.read()
        log.seek(0)
        assert b"loadsim.engine.shard" in log.read()


async def test_a_shard_whose_parent_is_gone_stops_at_once() -> None:
    async with endpoint() as served, shard() as one:
        one.tell(message(document(served.url, rate="100/s", duration="1h")))
        await one.hear()
        one.tell(now())
        await served.seen(5)
        one.stdin.close()
        assert await one.ended() == 0


@pytest.mark.parametrize("with_plan", [False, True])
async def test_a_shard_that_is_never_started_goes_with_its_parent(with_plan: bool) -> None:
    async with endpoint() as served, shard() as one:
        if with_plan:
            one.tell(message(document(served.url)))
            assert isinstance(await one.hear(), Ready)
        one.stdin.close()
        assert await one.ended() == 0
        assert served.arrivals == []


async def test_the_terminals_ctrl_c_is_the_parents_business() -> None:
    async with endpoint(answering=False) as served, shard() as one:
        one.tell(message(document(served.url, rate="200/s", duration="600ms")))
        await one.hear()
        one.tell(now())
        await served.seen(5)
        os.kill(one.process.pid, signal.SIGINT)
        served.gate.set()
        last = (await one.hear_all())[-1]
        assert isinstance(last, Last)
        assert last.frame.ended == 120


async def test_stop_with_drain_lets_what_is_under_way_end() -> None:
    async with endpoint(answering=False) as served, shard() as one:
        one.tell(message(document(served.url, rate="100/s", duration="1h")))
        await one.hear()
        one.tell(now())
        await served.seen(4)
        one.tell(Stop(drain=True))
        served.gate.set()
        last = (await one.hear_all())[-1]
        assert isinstance(last, Last)
        assert last.frame.ended == sum(last.frame.planned) == len(served.arrivals)


async def test_another_version_is_refused_in_words() -> None:
    async with shard() as one:
        plan = message(document("http://127.0.0.1:9/"))
        plan.version, plan.spec = "0.0.0", msgspec.Raw(msgspec.msgpack.encode({"of": "another shape"}))
        one.tell(plan)
        (failed,) = await one.hear_all()
        assert isinstance(failed, Failed)
        assert "0.0.0" in failed.text
        assert __version__ in failed.text


async def test_the_first_word_must_be_the_plan() -> None:
    async with shard() as one:
        one.tell(Start(0))
        (failed,) = await one.hear_all()
        assert isinstance(failed, Failed)
        assert "plan" in failed.text


async def test_a_shard_that_hears_nothing_for_its_lease_stops_by_itself() -> None:
    async with endpoint() as served, shard() as one:
        one.tell(message(document(served.url, rate="100/s", duration="1h"), lease_s=0.5), now())
        heard = await one.hear_all()
        assert await one.ended() == 0
    assert isinstance(heard[-1], Last)


def test_every_word_renews_the_lease() -> None:
    loop = VirtualLoop()
    plan = message(document("http://127.0.0.1:9/"), lease_s=2.5)

    async def go() -> list[ToShard]:
        reader, heard = asyncio.StreamReader(), list[ToShard]()
        for number in (1, 2, 3):
            loop.at_ns(START_NS + number * 2_400_000_000, reader.feed_data, encode(Alive()))
        run = ShardRun(plan, reader, lambda _: None, _no_keys)
        while (word := await run._hear()) is not None:
            heard.append(word)
        return heard

    assert loop.run_until_complete(go()) == [Alive()] * 3
    assert loop.now_ns() - START_NS == pytest.approx(3 * 2_400_000_000 + 2_500_000_000)
    loop.close()


BROKEN = [
    *((Arrivals, "_release"), (Engine, "_beat"), (RequestMaking, "follow_wall")),
    *((ShardRun, "_frame"), (ShardRun, "_hear")),
]
"""The timer's callback, the heartbeat's, the sweep, the frames, and hearing the parent."""


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken[1])
@pytest.mark.parametrize("error", [RuntimeError("nobody expected this"), StopIteration("nobody expected this")])
def test_an_error_where_nothing_waits_for_it_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, broken: tuple[type, str], error: Exception
) -> None:
    def break_it(loop: VirtualLoop) -> None:
        loop.at_ns(START_NS + 2 * NS_PER_MS, monkeypatch.setattr, *broken, failing(error))

    with pytest.raises(RuntimeError, match=r"nobody expected this|raised StopIteration"):
        virtually(monkeypatch, break_it, duration="1h")


def test_an_error_at_the_last_wake_up_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """By then nothing more is awaited than what is in flight."""

    def break_it(loop: VirtualLoop) -> None:
        loop.at_ns(START_NS + 25 * NS_PER_MS, monkeypatch.setattr, Engine, "flush", failing(RuntimeError("no flush")))

    with pytest.raises(RuntimeError, match="no flush"):
        virtually(monkeypatch, break_it, duration="30ms")


def test_an_error_in_a_frame_while_connections_are_closed_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = ShardRun._frame

    def fail_once(_: ShardRun) -> None:
        monkeypatch.setattr(ShardRun, "_frame", frame)
        raise RuntimeError("no frame")

    async def close(_: object) -> None:
        monkeypatch.setattr(ShardRun, "_frame", fail_once)
        await asyncio.sleep(3)

    monkeypatch.setattr(ScriptedTransport, "close", close)
    with pytest.raises(RuntimeError, match="no frame"):
        virtually(monkeypatch, lambda _: None, duration="30ms")


def test_an_error_of_a_librarys_callback_is_reported_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_it(loop: VirtualLoop) -> None:
        future = loop.create_future()
        future.cancel()
        loop.at_ns(START_NS + 5 * NS_PER_MS, future.set_result, None)

    heard = virtually(monkeypatch, break_it, duration="30ms")
    assert isinstance(heard[-1], Last)
    assert "InvalidStateError" in caplog.text


def test_what_is_counted_before_a_frame_delays_events_by_a_step_or_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand outcomes are counted in three steps of a millisecond each, while an event is due every millisecond.

    By two, since this loop looks at its timers after what is ready; uvloop looks at the sockets between two steps.
    """
    lags: list[int] = []
    folding, dispatch = Tally.folding, Engine.dispatch

    def slow_by(loop: VirtualLoop) -> None:
        def slowly(tally: Tally, rows: Ints) -> Iterator[None]:
            for _ in folding(tally, rows):
                loop.spend(len(rows) * NS_PER_US)
                yield

        monkeypatch.setattr(Tally, "folding", slowly)

    def noted(engine: Engine, index: int, stratum: int, due: int, woken: int) -> None:
        lags.append(woken - due)
        dispatch(engine, index, stratum, due, woken)

    monkeypatch.setattr(Engine, "dispatch", noted)
    heard = virtually(monkeypatch, slow_by, duration="2500ms", rate="1000/s")
    assert [each.ended for each in heard if isinstance(each, Frame)][-1] >= 1900
    assert NS_PER_MS // 2 < max(lags) < 2 * NS_PER_MS


def test_a_frame_does_not_wait_for_many_slow_turns_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where each turn signs 64 events with a long RSA key: the parent would take the shard for lost."""
    take_step = Recorder.step

    def slow(loop: VirtualLoop) -> None:
        def step(recorder: Recorder) -> None:
            take_step(recorder)
            loop.spend(250 * NS_PER_MS)

        monkeypatch.setattr(Recorder, "step", step)

    heard = virtually(monkeypatch, slow, duration="2500ms", rate="1000/s")
    frames = [each for each in heard if isinstance(each, Frame)]
    assert frames[0].elapsed_ns < 1500 * NS_PER_MS
    assert frames[0].ended > 900


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def virtually(
    monkeypatch: pytest.MonkeyPatch, begin: Callable[[VirtualLoop], None], *, duration: str, rate: str = "100/s"
) -> list[FromShard]:
    """What a shard says on virtual time. `begin` is called as it is about to start. TimeoutError: it hangs."""
    heard: list[FromShard] = []

    async def go(loop: VirtualLoop) -> None:
        reader = asyncio.StreamReader()
        given = message(document("http://127.0.0.1:9/", rate=rate, duration=duration))
        run = ShardRun(given, reader, heard.append, _no_keys)
        reader.feed_data(encode(Start(loop.now_ns() + NS_PER_MS)))
        begin(loop)
        loop.at_ns(START_NS + NS_PER_S, reader.feed_data, encode(Alive()))
        async with asyncio.timeout(60):
            await run.run()

    with virtual_shards(monkeypatch, lambda _, __: Reply(NS_PER_MS)) as loop:
        loop.run_until_complete(go(loop))
    return heard


def _no_keys(spec: RunSpec) -> RunSpec:
    raise AssertionError("the plan brings them")


async def test_a_shard_begins_by_the_launchers_clock_wherever_its_own_stands() -> None:
    offset_ns = 3_600_000_000_000
    async with endpoint() as served, shard() as one:
        one.tell(message(document(served.url)))
        assert isinstance(await one.hear(), Ready)
        # a launcher whose clock is an hour behind this host's
        one.tell(Start(time.time_ns() + 20_000_000 - offset_ns, offset_ns))
        (*_, last) = await one.hear_all()
    assert isinstance(last, Last)
    assert last.start_offset_ns < offset_ns // 2
    assert sum(last.frame.planned) == 200


async def test_a_shard_reads_the_secret_that_the_plan_does_not_bring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "whsec_of_this_host")
    monkeypatch.setenv("TOKEN", "tok_of_this_host")
    for name, says in (("OURS", ""), ("NOT_OURS", "NOT_OURS is not set")):
        async with endpoint() as served, shard() as one:
            doc = document(served.url)
            doc["target"] |= {"secret_env": name, "headers": {"Authorization": "env:TOKEN"}}
            one.tell(message(doc, secret=None))
            heard = await one.hear()
            if says:
                assert isinstance(heard, Failed)
                assert says in heard.text
                assert heard.exit_code == 2
                continue
            assert isinstance(heard, Ready)
            one.tell(now())
            await one.hear_all()
            assert len(served.bodies) == 200
            assert served.headers["Authorization"] == "tok_of_this_host"

"""A receiver that is slow or broken on purpose keeps to what it was told: never sooner, hardly later."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from typing import NamedTuple

import pytest

from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.receiver.alarm import Alarm
from loadsim.receiver.embedded import RunningReceiver, start_receiver
from loadsim.receiver.options import ENGINES, Engine, ReceiverOptions, Share, Span
from loadsim.receiver.service import RESET, fates
from tests.receiver.wire import SECRET, connect, exchange, request

LATE_NS = 150 * NS_PER_MS
"""A generous bound for a busy machine; the exact side is the lower one."""


async def timed(running: RunningReceiver, events: int, *, at_once: bool) -> list[int]:
    """How long each event took from its sending, ns, each on its own connection."""

    async def one() -> int:
        start = time.monotonic_ns()
        wire = await connect(running.port)
        await wire.send(request())
        assert (await wire.reply()).status == 200
        took = time.monotonic_ns() - start
        await wire.close()
        return took

    if at_once:
        return list(await asyncio.gather(*(one() for _ in range(events))))
    return [await one() for _ in range(events)]


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_delay_is_never_shorter_than_asked(engine: Engine) -> None:
    delay = 7 * NS_PER_MS
    async with await start_receiver(ReceiverOptions(engine=engine, delay_ns=delay, admin=None), SECRET) as running:
        took = await timed(running, 25, at_once=False)
    assert min(took) >= delay
    assert sorted(took)[12] < delay + 20 * NS_PER_MS


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_refusal_takes_no_service(engine: Engine) -> None:
    options = ReceiverOptions(engine=engine, delay_ns=5 * NS_PER_S, slots=1, admin=None)
    async with await start_receiver(options, SECRET) as running:
        wire = await connect(running.port)
        start = time.monotonic_ns()
        await wire.send(request(headers=b""))
        assert (await wire.reply()).status == 400
        assert time.monotonic_ns() - start < 5 * NS_PER_S
        await wire.close()


@pytest.mark.parametrize("engine", ENGINES)
async def test_slots_bound_the_capacity(engine: Engine) -> None:
    delay, slots, events = 20 * NS_PER_MS, 2, 10
    options = ReceiverOptions(engine=engine, delay_ns=delay, slots=slots, admin=None)
    async with await start_receiver(options, SECRET) as running:
        took = sorted(await timed(running, events, at_once=True))
    for place, duration in enumerate(took):
        # The event in this place was behind place // slots others; they may have started before its own clock did.
        assert duration >= delay
        assert duration < (place // slots + 1) * delay + LATE_NS
    assert took[-1] >= events // slots * delay - LATE_NS


@pytest.mark.parametrize("engine", ENGINES)
async def test_pipelined_events_are_served_one_after_the_other(engine: Engine) -> None:
    delay = 10 * NS_PER_MS
    async with await start_receiver(ReceiverOptions(engine=engine, delay_ns=delay, admin=None), SECRET) as running:
        wire = await connect(running.port)
        start = time.monotonic_ns()
        await wire.send(request() * 5)
        for number in range(5):
            assert (await wire.reply()).status == 200
            assert time.monotonic_ns() - start >= (number + 1) * delay
        await wire.close()


@pytest.mark.parametrize(("engine", "workers"), [("aiohttp", 1), ("bare", 1), ("bare", 2)])
async def test_a_stall_silences_every_worker_once(engine: Engine, workers: int) -> None:
    stall = Span(100 * NS_PER_MS, 400 * NS_PER_MS)
    options = ReceiverOptions(engine=engine, workers=workers, stall=stall, admin=None)
    async with await start_receiver(options, SECRET) as running:
        wires = [await connect(running.port) for _ in range(8)]
        answered: list[int] = []

        async def keep_asking(number: int) -> None:
            while not answered or answered[-1] < start + 2 * (stall.after_ns + stall.for_ns):
                await wires[number].send(request())
                assert (await wires[number].reply()).status == 200
                answered.append(time.monotonic_ns())

        start = time.monotonic_ns()
        await asyncio.gather(*(keep_asking(number) for number in range(8)))
        for wire in wires:
            await wire.close()
    gaps = [(after - before, before - start) for before, after in itertools.pairwise(answered)]
    longest, begin = max(gaps)
    # The last answer before the silence may be read late, which shortens the gap as we see it.
    assert stall.for_ns - LATE_NS < longest < stall.for_ns + LATE_NS
    assert stall.after_ns - LATE_NS < begin < stall.after_ns + LATE_NS
    assert sum(gap > stall.for_ns // 2 for gap, _ in gaps) == 1


class Attempt(NamedTuple):
    """A connection of its own: when it was tried, when it was over, and whether an event on it was answered."""

    began: int
    ended: int
    answered: bool

    def too_soon(self, end: int) -> bool:
        """Whether it was made before the end of an outage: one tried just before may have been made just after."""
        return self.ended < end or self.began < end - LATE_NS


async def attempts(port: int, until_ns: int) -> list[Attempt]:
    """Many in a row, to the first that is answered after `until_ns`."""
    tried: list[Attempt] = []
    while not tried or not (tried[-1].answered and tried[-1].began >= until_ns):
        instant = time.monotonic_ns()
        try:
            answered = (await exchange(port, request())).status == 200
        except (ConnectionError, asyncio.IncompleteReadError):
            answered = False
        tried.append(Attempt(instant, time.monotonic_ns(), answered))
        await asyncio.sleep(0.001)
    return tried


@pytest.mark.parametrize(("engine", "workers"), [("aiohttp", 1), ("bare", 1), ("bare", 2)])
async def test_down_is_away_for_every_connection_and_comes_back(engine: Engine, workers: int) -> None:
    spans = (Span(150 * NS_PER_MS, 400 * NS_PER_MS), Span(1000 * NS_PER_MS, 100 * NS_PER_MS))
    options = ReceiverOptions(engine=engine, workers=workers, down=spans[::-1], admin=None)
    async with await start_receiver(options, SECRET) as running:
        idle = [await connect(running.port) for _ in range(4)]
        start = time.monotonic_ns()
        assert (await exchange(running.port, request())).status == 200
        ends = [start + span.after_ns + span.for_ns for span in spans]
        tried = await attempts(running.port, ends[1] + LATE_NS)
        for wire in idle:
            assert await wire.ended()
            await wire.close()
    for span, end in zip(spans, ends, strict=True):
        within = [each for each in tried if end - span.for_ns + LATE_NS <= each.began < end]
        assert not any(each.answered and each.too_soon(end) for each in within)
    assert len({each.answered for each in tried if each.began < ends[0]}) == 2
    assert any(each.answered for each in tried if ends[0] <= each.began < start + spans[1].after_ns)


async def test_a_worker_that_is_replaced_while_it_is_down_stays_down() -> None:
    span = Span(0, 1200 * NS_PER_MS)
    said: asyncio.Queue[str] = asyncio.Queue()
    options = ReceiverOptions(engine="bare", down=(span,), admin=None)
    async with await start_receiver(options, SECRET, say=said.put_nowait) as running:
        start = time.monotonic_ns()
        wire = await connect(running.port)
        await wire.send(request())
        await wire.ended()  # or answered just before
        (worker,) = running.stats().per_worker
        os.kill(worker.pid, signal.SIGKILL)
        await said.get()
        tried = await attempts(running.port, start + span.for_ns)
        await wire.close()
    assert not any(each.answered and each.too_soon(start + span.for_ns) for each in tried)


async def test_failures_are_the_seeded_share_and_still_verified() -> None:
    async def statuses(seed: int) -> list[int]:
        options = ReceiverOptions(engine="bare", fail_rate=0.3, fail_status=503, seed=seed, admin=None)
        async with await start_receiver(options, SECRET) as running:
            wire = await connect(running.port)
            await wire.send(request() * 200)
            got = [(await wire.reply()).status for _ in range(200)]
            await wire.close()
            total = running.stats().total
        assert (total.verified, total.failed_on_purpose) == (200, got.count(503))
        assert total.status == {"200": got.count(200), "503": got.count(503)}
        return got

    first = await statuses(1)
    assert 30 < first.count(503) < 90
    assert await statuses(1) == first
    assert await statuses(2) != first


@pytest.mark.parametrize("engine", ENGINES)
async def test_every_event_meets_the_fate_that_anybody_can_work_out(engine: Engine) -> None:
    options = ReceiverOptions(
        engine=engine,
        fail=(Share(503, 0.2), Share(429, 0.2), Share(404, 0.1)),
        retry_after_ns=7 * NS_PER_S,
        reset=0.2,
        seed=11,
        admin=None,
    )
    expected = [fate.status or 200 for fate in itertools.islice(fates(options, 0), 80)]
    got = []
    async with await start_receiver(options, SECRET) as running:
        for _ in expected:
            # a refusal in between takes nobody's place
            assert (await exchange(running.port, request(headers=b""))).status == 400
            wire = await connect(running.port)
            await wire.send(request())
            try:
                reply = await wire.reply()
            except ConnectionResetError:
                got.append(RESET)
            else:
                got.append(reply.status)
                waits = "7" if reply.status in {429, 503} else None
                assert reply.headers.get("retry-after") == waits
            await wire.close()
        total = running.stats().total
    assert got == expected
    assert {RESET, 200, 404, 429, 503} == set(got)
    assert (total.verified, total.reset_on_purpose) == (80, expected.count(RESET))
    assert total.failed_on_purpose == 80 - expected.count(200)
    assert total.answered == total.received - total.reset_on_purpose
    assert total.status["429"] == expected.count(429)


@pytest.mark.parametrize("engine", ENGINES)
async def test_drawn_delays_are_kept_event_by_event(engine: Engine) -> None:
    median, tail = 4 * NS_PER_MS, 20 * NS_PER_MS
    options = ReceiverOptions(
        engine=engine, delay_ns=median, delay_p99_ns=tail, slow=Share(40 * NS_PER_MS, 0.1), seed=5, admin=None
    )
    expected = [fate.service_ns for fate in itertools.islice(fates(options, 0), 40)]
    assert 40 * NS_PER_MS in expected
    async with await start_receiver(options, SECRET) as running:
        took = await timed(running, 40, at_once=False)
    late = [duration - service for duration, service in zip(took, expected, strict=True)]
    assert min(late) >= 0
    assert sorted(late)[20] < 20 * NS_PER_MS


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_slow_reader_takes_so_many_bytes_per_second(engine: Engine) -> None:
    options = ReceiverOptions(engine=engine, read_rate=100_000, admin=None)
    data = request(b'"' + b"x" * 30_000 + b'"')
    async with await start_receiver(options, SECRET) as running:
        fast = await connect(running.port)
        slow = await connect(running.port)
        start = time.monotonic_ns()
        await slow.send(data)
        await fast.send(request())
        assert (await fast.reply()).status == 200
        between = time.monotonic_ns() - start
        assert (await slow.reply()).status == 200
        took = time.monotonic_ns() - start
        await slow.send(request() * 3)
        assert [(await slow.reply()).status for _ in range(3)] == [200] * 3
        for wire in (slow, fast):
            await wire.close()
    assert took >= len(data) * 10_000 - 5 * NS_PER_MS  # the loop's timers are whole milliseconds
    assert between < took  # another connection has a rate of its own


@pytest.mark.parametrize("engine", ENGINES)
async def test_idle_connections_are_closed_and_busy_ones_are_not(engine: Engine) -> None:
    options = ReceiverOptions(
        engine=engine, idle_timeout_ns=200 * NS_PER_MS, delay_ns=600 * NS_PER_MS, read_timeout_ns=NS_PER_S, admin=None
    )
    async with await start_receiver(options, SECRET) as running:
        wire = await connect(running.port)
        start = time.monotonic_ns()
        await wire.send(request())
        assert (await wire.reply()).status == 200
        answered = time.monotonic_ns()
        assert answered - start >= 600 * NS_PER_MS
        assert await wire.ended()
        assert time.monotonic_ns() - answered >= 150 * NS_PER_MS
        await wire.close()


async def test_an_alarm_rings_in_order_never_early_and_can_be_armed_from_its_own_ring() -> None:
    alarm = Alarm(asyncio.get_running_loop())
    rang: list[int] = []
    now = time.monotonic_ns()
    instants = [now + delay * 100_000 for delay in (30, 10, 20, 10, -5, 0)]

    async def wait(number: int) -> None:
        await alarm.at(instants[number])
        assert time.monotonic_ns() >= instants[number]
        rang.append(number)
        again = time.monotonic_ns() + 300_000
        await alarm.at(again)
        assert time.monotonic_ns() >= again

    await asyncio.gather(*(wait(number) for number in range(len(instants))))
    assert rang == [4, 5, 1, 3, 2, 0]
    left = alarm.at(time.monotonic_ns() + NS_PER_S)
    alarm.close()
    assert left.cancelled()

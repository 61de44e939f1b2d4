"""A receiver that is slow or broken on purpose keeps to what it was listed: never sooner, never otherwise.

How much later it may be is a matter of the machine, and nothing here depends on it: what is exact is the lower side.
The clock of two processes is the same, and whatever the receiver does lies between our sending and our reading.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time

import pytest

from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.receiver.embedded import RunningReceiver, start_receiver
from loadsim.receiver.fault_plan import RESET, fault_plan
from loadsim.receiver.options import ENGINES, Engine, ReceiverOptions, Share, Span
from tests.conftest import slow_but
from tests.receiver.raw_client import PATIENCE_S, SECRET, RawClient, connect, exchange, request

HOUR_NS = 3600 * NS_PER_S
"""Longer than any test goes on."""


LOOP_NS = 5 * NS_PER_MS
"""By what a timer of the loop may be early: they are whole milliseconds."""


async def ask(running: RunningReceiver) -> tuple[int, int]:
    """One event on a connection of its own: when it was sent and when its answer was there, ns."""
    client = await connect(running.port)
    sent = time.monotonic_ns()
    await client.send(request())
    assert (await client.reply()).status == 200
    answered = time.monotonic_ns()
    await client.close()
    return sent, answered


@pytest.mark.parametrize("engine", slow_but(ENGINES[:1], ENGINES))
async def test_a_delay_is_never_shorter_than_asked(engine: Engine) -> None:
    delay = 7 * NS_PER_MS
    async with await start_receiver(ReceiverOptions(engine=engine, delay_ns=delay, admin=None), SECRET) as running:
        asked = [await ask(running) for _ in range(25)]
    assert min(answered - sent for sent, answered in asked) >= delay


@pytest.mark.parametrize("engine", slow_but(ENGINES[:1], ENGINES))
async def test_a_refusal_takes_no_service(engine: Engine) -> None:
    options = ReceiverOptions(engine=engine, delay_ns=HOUR_NS, slots=1, admin=None)
    async with await start_receiver(options, SECRET) as running:
        assert (await exchange(running.port, request(headers=b""))).status == 400


@pytest.mark.parametrize("engine", slow_but(ENGINES[:1], ENGINES))
async def test_slots_bound_the_capacity(engine: Engine) -> None:
    delay, slots, events = 20 * NS_PER_MS, 2, 10
    options = ReceiverOptions(engine=engine, delay_ns=delay, slots=slots, admin=None)
    async with await start_receiver(options, SECRET) as running:
        asked = await asyncio.gather(*(ask(running) for _ in range(events)))
    begin = min(sent for sent, _ in asked)
    for place, answered in enumerate(sorted(answered for _, answered in asked)):
        # The event in this place was behind place // slots others.
        assert answered - begin >= (place // slots + 1) * delay


@pytest.mark.parametrize("engine", slow_but(ENGINES[:1], ENGINES))
async def test_pipelined_events_are_served_one_after_the_other(engine: Engine) -> None:
    delay = 10 * NS_PER_MS
    async with await start_receiver(ReceiverOptions(engine=engine, delay_ns=delay, admin=None), SECRET) as running:
        client = await connect(running.port)
        start = time.monotonic_ns()
        await client.send(request() * 5)
        for number in range(5):
            assert (await client.reply()).status == 200
            assert time.monotonic_ns() - start >= (number + 1) * delay
        await client.close()


@pytest.mark.parametrize(
    ("engine", "workers"), slow_but([("bare", 2)], [("aiohttp", 1), ("bare", 1), ("bare", 2)], several=True)
)
async def test_a_stall_silences_every_worker_once(engine: Engine, workers: int) -> None:
    stall = Span(50 * NS_PER_MS, 300 * NS_PER_MS)
    options = ReceiverOptions(engine=engine, workers=workers, stall=stall, admin=None)
    async with await start_receiver(options, SECRET) as running:
        first_sent, first_answered = await ask(running)
        over = first_answered + stall.after_ns + stall.for_ns

        async def longest_silence(client: RawClient) -> int:
            """From the sending of a request to the answer of the next one: what was sent before the stall began, and
            what was answered after its end, lie at least its length apart, however late anybody was."""
            before, longest = first_sent, 0
            while before < over:
                sent = time.monotonic_ns()
                await client.send(request())
                assert (await client.reply()).status == 200
                longest = max(longest, time.monotonic_ns() - before)
                before = sent
            await client.close()
            return longest

        found = await asyncio.gather(*[longest_silence(await connect(running.port)) for _ in range(8)])
    assert min(found) >= stall.for_ns


async def attempt(port: int) -> tuple[str, int]:
    """A connection of its own: what became of an event on it, and when that was known."""
    try:
        reply = await exchange(port, request())
    except ConnectionRefusedError:
        return "refused", time.monotonic_ns()
    except (ConnectionError, asyncio.IncompleteReadError):
        return "cut", time.monotonic_ns()
    return str(reply.status), time.monotonic_ns()


async def attempts(port: int, outcome: str, not_before: int = 0) -> list[tuple[str, int]]:
    """Many in a row, to the first that comes to `outcome` later than `not_before`."""
    tried: list[tuple[str, int]] = []
    async with asyncio.timeout(PATIENCE_S):
        while not tried or tried[-1][0] != outcome or tried[-1][1] < not_before:
            tried.append(await attempt(port))
            await asyncio.sleep(0.001)
    return tried


@pytest.mark.parametrize(
    ("engine", "workers"), slow_but([("bare", 2)], [("aiohttp", 1), ("bare", 1), ("bare", 2)], several=True)
)
async def test_down_is_away_for_every_connection(engine: Engine, workers: int) -> None:
    spans = (Span(50 * NS_PER_MS, HOUR_NS),)
    options = ReceiverOptions(engine=engine, workers=workers, down=spans, admin=None)
    async with await start_receiver(options, SECRET) as running:
        idle = [await connect(running.port) for _ in range(4)]
        assert (await exchange(running.port, request())).status == 200
        for client in idle:
            assert await client.ended()
            await client.close()
        await attempts(running.port, "refused")  # nobody listens any more
        assert {(await attempt(running.port))[0] for _ in range(20)} == {"refused"}


@pytest.mark.parametrize(
    ("engine", "workers"), slow_but([("bare", 2)], [("aiohttp", 1), ("bare", 1), ("bare", 2)], several=True)
)
async def test_who_was_down_comes_back_and_never_too_early(engine: Engine, workers: int) -> None:
    spans = (Span(50 * NS_PER_MS, 200 * NS_PER_MS), Span(500 * NS_PER_MS, 100 * NS_PER_MS))
    options = ReceiverOptions(engine=engine, workers=workers, down=spans[::-1], admin=None)
    async with await start_receiver(options, SECRET) as running:
        start = time.monotonic_ns()
        assert (await exchange(running.port, request())).status == 200
        ends = [start + span.after_ns + span.for_ns for span in spans]
        tried = await attempts(running.port, "200", not_before=ends[1])
    for span, end in zip(spans, ends, strict=True):
        within = [outcome for outcome, known in tried if end - span.for_ns <= known < end]
        away = within.index("refused") if "refused" in within else len(within)
        assert "200" not in within[away:]


async def test_a_worker_that_is_replaced_while_it_is_down_stays_down() -> None:
    span = Span(0, 600 * NS_PER_MS)
    said: asyncio.Queue[str] = asyncio.Queue()
    options = ReceiverOptions(engine="bare", down=(span,), admin=None)
    async with await start_receiver(options, SECRET, say=said.put_nowait) as running:
        start = time.monotonic_ns()
        client = await connect(running.port)
        await client.send(request())
        await client.ended()  # or answered just before
        (worker,) = running.stats().per_worker
        os.kill(worker.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            await said.get()
        *_, (_, answered) = await attempts(running.port, "200")
        await client.close()
    assert answered >= start + span.for_ns


async def test_failures_are_the_seeded_share_and_still_verified() -> None:
    async def statuses(seed: int) -> list[int]:
        options = ReceiverOptions(engine="bare", fail_rate=0.3, fail_status=503, seed=seed, admin=None)
        async with await start_receiver(options, SECRET) as running:
            client = await connect(running.port)
            await client.send(request() * 200)
            got = [(await client.reply()).status for _ in range(200)]
            await client.close()
            total = running.stats().total
        assert (total.verified, total.failed_on_purpose) == (200, got.count(503))
        assert total.status == {"200": got.count(200), "503": got.count(503)}
        return got

    first = await statuses(1)
    assert 30 < first.count(503) < 90
    assert await statuses(1) == first
    assert await statuses(2) != first


@pytest.mark.parametrize("engine", slow_but(ENGINES[:1], ENGINES))
async def test_every_event_meets_the_fate_that_anybody_can_work_out(engine: Engine) -> None:
    options = ReceiverOptions(
        engine=engine,
        fail=(Share(503, 0.2), Share(429, 0.2), Share(404, 0.1)),
        retry_after_ns=7 * NS_PER_S,
        reset=0.2,
        seed=11,
        admin=None,
    )
    expected = [fault.status or 200 for fault in itertools.islice(fault_plan(options, 0), 80)]
    got = []
    async with await start_receiver(options, SECRET) as running:
        for _ in expected:
            # a refusal in between takes nobody's place
            assert (await exchange(running.port, request(headers=b""))).status == 400
            client = await connect(running.port)
            await client.send(request())
            try:
                reply = await client.reply()
            except ConnectionResetError:
                got.append(RESET)
            else:
                got.append(reply.status)
                waits = "7" if reply.status in {429, 503} else None
                assert reply.headers.get("retry-after") == waits
            await client.close()
        total = running.stats().total
    assert got == expected
    assert {RESET, 200, 404, 429, 503} == set(got)
    assert (total.verified, total.reset_on_purpose) == (80, expected.count(RESET))
    assert total.failed_on_purpose == 80 - expected.count(200)
    assert total.answered == total.received - total.reset_on_purpose
    assert total.status["429"] == expected.count(429)


@pytest.mark.parametrize("engine", slow_but(ENGINES[:1], ENGINES))
async def test_drawn_delays_are_kept_event_by_event(engine: Engine) -> None:
    median, tail, slow = 4 * NS_PER_MS, 20 * NS_PER_MS, 500 * NS_PER_MS
    options = ReceiverOptions(
        engine=engine, delay_ns=median, delay_p99_ns=tail, slow=Share(slow, 0.1), seed=5, admin=None
    )
    expected = [fault.service_ns for fault in itertools.islice(fault_plan(options, 0), 25)]
    assert slow in expected
    async with await start_receiver(options, SECRET) as running:
        asked = [await ask(running) for _ in expected]
    took = [answered - sent for sent, answered in asked]
    assert all(duration >= service for duration, service in zip(took, expected, strict=True))
    assert min(took) < slow, "not all of them are slow"


@pytest.mark.parametrize("engine", slow_but(ENGINES[:1], ENGINES))
async def test_a_slow_reader_takes_so_many_bytes_per_second(engine: Engine) -> None:
    options = ReceiverOptions(engine=engine, read_rate=100_000, admin=None)
    data = request(b'"' + b"x" * 30_000 + b'"')
    async with await start_receiver(options, SECRET) as running:
        client = await connect(running.port)
        start = time.monotonic_ns()
        await client.send(data)
        assert (await client.reply()).status == 200
        took = time.monotonic_ns() - start
        await client.send(request() * 3)
        assert [(await client.reply()).status for _ in range(3)] == [200] * 3
        await client.close()
    assert took >= len(data) * 10_000 - LOOP_NS


@pytest.mark.parametrize("engine", slow_but(ENGINES[:1], ENGINES))
async def test_each_connection_has_a_reading_rate_of_its_own(engine: Engine) -> None:
    options = ReceiverOptions(engine=engine, read_rate=150, read_timeout_ns=HOUR_NS, admin=None)
    async with await start_receiver(options, SECRET) as running:
        slow = await connect(running.port)
        await slow.send(request(b'"' + b"x" * 3_500 + b'"'))  # takes half a minute, the other one two seconds
        assert (await exchange(running.port, request())).status == 200
        assert running.stats().total.received == 1
        slow.writer.transport.abort()


@pytest.mark.parametrize("engine", slow_but(ENGINES[:1], ENGINES))
async def test_idle_connections_are_closed_and_busy_ones_are_not(engine: Engine) -> None:
    options = ReceiverOptions(
        engine=engine, idle_timeout_ns=200 * NS_PER_MS, delay_ns=600 * NS_PER_MS, read_timeout_ns=HOUR_NS, admin=None
    )
    async with await start_receiver(options, SECRET) as running:
        client = await connect(running.port)
        start = time.monotonic_ns()
        await client.send(request())
        assert (await client.reply()).status == 200
        assert time.monotonic_ns() - start >= 600 * NS_PER_MS
        assert await client.ended()
        assert time.monotonic_ns() - start >= 800 * NS_PER_MS - LOOP_NS
        await client.close()

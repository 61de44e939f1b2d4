"""Hostile senders against both engines: refused, in time, in bounded memory, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio

from loadsim.engine.descriptor_limit import raise_descriptor_limit
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.receiver.embedded import RunningReceiver, start_receiver
from loadsim.receiver.options import ENGINES, Engine, ReceiverOptions
from tests.conftest import slow_but
from tests.receiver.hostile import CORPUS, OTHER, TE, framed, mutations
from tests.receiver.raw_client import PATIENCE_S, SECRET, connect, exchange, request, signature

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_BODY = 100_000
IDLE = 1_500
IDLE_KB = 40
"""What an idle connection may cost."""
LAST = b"DELETE /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
MEMORY_KB = 30_000
"""What no attack here may make a worker grow by; what they send is many times as much."""


@pytest_asyncio.fixture(params=ENGINES, scope="module", loop_scope="module")
async def receiver(request: pytest.FixtureRequest) -> AsyncIterator[RunningReceiver]:
    async with await start_receiver(options_of(request.param, idle_ns=8 * NS_PER_S), SECRET) as running:
        yield running


def options_of(engine: Engine, *, idle_ns: int) -> ReceiverOptions:
    return ReceiverOptions(
        engine=engine, max_body=MAX_BODY, read_timeout_ns=400 * NS_PER_MS, idle_timeout_ns=idle_ns, admin=None
    )


@contextlib.asynccontextmanager
async def honest_traffic(port: int) -> AsyncIterator[None]:
    """Genuine events on a connection of their own as long as the context lasts; every one must get its 200."""
    done = asyncio.Event()

    async def keep_asking() -> int:
        client, count = await connect(port), 0
        while count < 5 or not done.is_set():
            await client.send(request())
            assert (await client.reply()).status == 200
            count += 1
        await client.close()
        return count

    asking = asyncio.create_task(keep_asking())
    try:
        yield
    finally:
        done.set()
        assert await asking >= 5


async def answers_to(port: int, pieces: Iterable[bytes], pause_s: float = 0.0, *, second: bool = False) -> list[int]:
    """Every status that comes back until the other side closes; fails when it does not.

    With `second` a genuine event on the same connection was answered before. Who is answered and kept asks to be
    closed, so that nobody has to wait for the idle timeout.
    """
    loop = asyncio.get_running_loop()
    # A plain socket: after a write that failed, what had come before can still be read from it.
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setblocking(False)
        if second:
            await loop.sock_sendall(sock, request())
            first = b""
            async with asyncio.timeout(PATIENCE_S):
                while not first.endswith(b'{"received":true}'):
                    first += await loop.sock_recv(sock, 65_536)
            assert b" 200 " in first

        async def send() -> None:
            with contextlib.suppress(ConnectionError):  # it has had enough of us
                for piece in pieces:
                    await loop.sock_sendall(sock, piece)
                    if pause_s:
                        await asyncio.sleep(pause_s)

        sending = asyncio.create_task(send())
        text, asked = b"", False
        try:
            async with asyncio.timeout(PATIENCE_S):
                while piece := await loop.sock_recv(sock, 65_536):
                    text += piece
                    if (
                        not asked
                        and re.search(rb"HTTP/1\.1 [45][^{]*\r\n\r\n", text)
                        and b"Connection: close" not in text
                    ):
                        asked = True
                        await loop.sock_sendall(sock, LAST)
        except ConnectionError:
            pass
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", text)]


def refused(statuses: Iterable[int]) -> bool:
    return all(100 <= status <= 100 or 400 <= status <= 499 for status in statuses)


def verified(running: RunningReceiver) -> int:
    return running.stats().total.verified


@pytest.mark.parametrize("second", [False, True], ids=["first on its connection", "after a genuine one"])
async def test_nothing_of_the_corpus_gets_in_fails_or_hangs(receiver: RunningReceiver, *, second: bool) -> None:
    before = receiver.stats()
    found = await asyncio.gather(*(answers_to(receiver.port, [data], second=second) for data in CORPUS.values()))
    after = receiver.stats()
    for name, statuses in zip(CORPUS, found, strict=True):
        assert statuses, f"{name}: no answer"
        assert refused(statuses), f"{name}: {statuses}"
    assert after.total.verified == before.total.verified + second * len(CORPUS)
    assert "internal" not in after.total.rejected
    assert after.restarts == 0


async def test_honest_traffic_keeps_its_answers_beside_the_corpus(receiver: RunningReceiver) -> None:
    async with honest_traffic(receiver.port):
        await asyncio.gather(*(answers_to(receiver.port, [data]) for data in CORPUS.values()))


async def test_changed_at_random_nothing_gets_in_fails_or_hangs(receiver: RunningReceiver) -> None:
    before = verified(receiver)
    found = await asyncio.gather(*(answers_to(receiver.port, [data]) for data in mutations(300, seed=7)))
    assert all(statuses and refused(statuses) for statuses in found)
    assert verified(receiver) == before
    assert "internal" not in receiver.stats().total.rejected


@pytest.mark.parametrize("second", [False, True], ids=["at once", "after a genuine one"])
@pytest.mark.parametrize("cut", slow_but([90], [0, 90, len(request()) - 5]), ids=["line", "head", "body"])
async def test_a_trickle_has_a_deadline(receiver: RunningReceiver, cut: int, *, second: bool) -> None:
    data = request()
    trickle = [data[:cut], *(data[place : place + 1] for place in range(cut, len(data) - 1)), *[b""] * 1000]
    assert await answers_to(receiver.port, trickle, 0.02, second=second) == [408]


@pytest.mark.parametrize("engine", ENGINES)
async def test_thousands_of_idle_connections_hinder_nobody(engine: Engine) -> None:
    raise_descriptor_limit(2 * IDLE)
    async with await start_receiver(options_of(engine, idle_ns=60 * NS_PER_S), SECRET) as running:
        before = memory_kb(running)
        wires = [await connect(running.port) for _ in range(IDLE)]
        async with honest_traffic(running.port):
            pass
        assert memory_kb(running) - before < IDLE * IDLE_KB
        for client in wires[:: IDLE // 10]:
            await client.send(request())
            assert (await client.reply()).status == 200  # they were kept
        for client in wires:
            client.writer.transport.abort()


def _endless(head: bytes, piece: bytes) -> list[bytes]:
    return [head, *[piece] * 60]


FLOODS = {
    "an endless request line": _endless(b"POST /", b"a" * 50_000),
    "an endless header": _endless(b"POST / HTTP/1.1\r\nX: ", b"a" * 50_000),
    "endless headers": _endless(b"POST / HTTP/1.1\r\n", b"X-A: b\r\n" * 6_000),
    "an endless body": _endless(framed(b"Content-Length: 900000000\r\n", b""), b"a" * 50_000),
    "endless chunks": _endless(framed(TE, b""), b"c350\r\n" + b"a" * 50_000 + b"\r\n"),
    "endless chunks of one byte": _endless(framed(TE, b""), b"1\r\na\r\n" * 8_000),
    "an endless chunk extension": _endless(framed(TE, b"1;"), b"a" * 50_000),
    "endless trailers": _endless(framed(TE, b"1\r\n1\r\n0\r\n"), b"X-A: b\r\n" * 6_000),
    "endless requests, forged": [request(headers=signature(secret=OTHER)) * 120] * 15,
}
QUICK_FLOODS = ("an endless header", "an endless body", "endless chunks of one byte", "endless requests, forged")


@pytest.mark.parametrize("engine", ENGINES)
async def test_unfinished_bodies_have_a_limit_in_all_and_give_their_room_back(engine: Engine) -> None:
    options = ReceiverOptions(engine=engine, max_body=MAX_BODY, max_buffered=3 * MAX_BODY, admin=None)
    large = request(b'"%b"' % (b"x" * (MAX_BODY - 2)))
    most, rest = large[:-5_000], large[-5_000:]
    async with await start_receiver(options, SECRET) as running:
        for ending in (0, 3):  # the second time what the first held, and gave up, is there again
            wires = [await connect(running.port) for _ in range(6)]
            replies = {asyncio.create_task(client.reply()): client for client in wires}
            await asyncio.gather(*(client.send(most) for client in wires))
            waiting = set(replies)
            while len(waiting) > 3:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    reply = await task
                    assert (reply.status, reply.headers["retry-after"], reply.headers["connection"]) == (
                        503, "1", "close",
                    )  # fmt: skip
            for task in list(waiting)[: 3 - ending]:
                await replies[task].send(rest)
                assert (await task).status == 200
            for task, client in replies.items():
                task.cancel()
                await client.close()
        async with asyncio.timeout(PATIENCE_S):
            while (await exchange(running.port, large)).status == 503:
                pass
        assert running.stats().total.rejected["no_room"] >= 6


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("flood", slow_but(QUICK_FLOODS, FLOODS))
async def test_a_flood_is_cut_off_in_bounded_memory(receiver: RunningReceiver, flood: str) -> None:
    before, counted = memory_kb(receiver), verified(receiver)
    found = await asyncio.gather(*(answers_to(receiver.port, FLOODS[flood] + [b"\r\n" * 3]) for _ in range(5)))
    assert all(refused(statuses) for statuses in found)
    assert any(found)
    assert verified(receiver) == counted
    assert memory_kb(receiver) - before < MEMORY_KB
    assert (await exchange(receiver.port, request())).status == 200


def memory_kb(running: RunningReceiver) -> int:
    """The most that the worker has had in memory so far."""
    (worker,) = running.stats().per_worker
    text = Path(f"/proc/{worker.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1])  # type: ignore[index]  # Linux writes it

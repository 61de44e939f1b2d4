"""The same odd requests, over real sockets, to both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from loadsim.model import NS_PER_MS, NS_PER_S, Secret
from loadsim.receiver.embedded import RunningReceiver, start_receiver
from loadsim.receiver.options import ENGINES, Engine, ReceiverOptions
from tests.receiver.raw_client import BODY, PATH, PATIENCE_S, SECRET, RawClient, connect, exchange, request, signature

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_BODY = 100_000
HOUR_NS = 3600 * NS_PER_S
"""No deadline that a slow machine could reach."""
OTHER = Secret("another secret")


def only(name: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in signature().split(b"\r\n") if line.startswith(name))


@pytest_asyncio.fixture(params=ENGINES, scope="module", loop_scope="module")
async def receiver(request: pytest.FixtureRequest) -> AsyncIterator[RunningReceiver]:
    engine: Engine = request.param
    options = ReceiverOptions(
        engine=engine, max_body=MAX_BODY, read_timeout_ns=HOUR_NS, idle_timeout_ns=HOUR_NS, admin=None
    )
    async with await start_receiver(options, SECRET) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(receiver: RunningReceiver) -> AsyncIterator[RawClient]:
    connected = await connect(receiver.port)
    yield connected
    await connected.close()


@pytest_asyncio.fixture(params=ENGINES, loop_scope="module")
async def hurried(request: pytest.FixtureRequest) -> AsyncIterator[RawClient]:
    """A connection to a receiver that waits for nobody, for senders that never end."""
    options = ReceiverOptions(engine=request.param, read_timeout_ns=200 * NS_PER_MS, admin=None)
    async with await start_receiver(options, SECRET) as running:
        connected = await connect(running.port)
        yield connected
        await connected.close()


@pytest.mark.parametrize(
    ("data", "status", "entry"),
    [
        (request, 200, "verified"),
        (lambda: request(headers=b""), 400, "missing_signature"),
        (lambda: request(headers=only(b"X-Webhook-Signature")), 400, "missing_timestamp"),
        (lambda: request(headers=only(b"X-Webhook-Timestamp")), 400, "missing_signature"),
        (lambda: request(headers=signature(secret=OTHER)), 401, "wrong_signature"),
        (lambda: request(BODY + b" ", headers=signature()), 401, "wrong_signature"),
        (lambda: request(headers=signature(age_s=400)), 401, "stale"),
        (lambda: request(headers=signature(age_s=-400)), 401, "future"),
        (lambda: request(headers=signature() + only(b"X-Webhook-Signature")), 401, "malformed_signature"),
        (lambda: request(headers=signature().replace(b"Signature: ", b"Signature: \xff")), 401, "malformed_signature"),
        (lambda: request(b"{"), 400, "invalid_json"),
        (lambda: request(b""), 400, "invalid_json"),
        (lambda: request(extra=b"Content-Encoding: gzip\r\n"), 200, "verified"),
        (lambda: request(target=PATH + "?x=1"), 200, "verified"),
        (lambda: request(target="http://localhost" + PATH), 200, "verified"),
        (lambda: request(target="/elsewhere"), 404, "not_found"),
        (lambda: request(method="GET"), 405, "wrong_method"),
        (lambda: request(method="DELETE"), 405, "wrong_method"),
        (lambda: request(b"[" + b" " * (MAX_BODY - 2) + b"]"), 200, "verified"),
        (lambda: request(b"1" * (MAX_BODY + 1)), 413, "too_large"),
        (lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"),
        (lambda: b"POST\r\n\r\n", 400, "bad_request"),
        (lambda: request(extra=b"Transfer-Encoding: chunked\r\n"), 400, "bad_request"),
        (lambda: request(extra=b"Content-Length: 3\r\n"), 400, "bad_request"),
        (lambda: request(extra=b"no colon here\r\n"), 400, "bad_request"),
        (lambda: request(length=False, extra=b"Content-Length: -1\r\n"), 400, "bad_request"),
    ],
)
async def test_a_request_gets_its_answer_and_its_place_in_the_counts(
    receiver: RunningReceiver, data: object, status: int, entry: str
) -> None:
    before = receiver.stats().total
    assert callable(data)
    reply = await exchange(receiver.port, data())
    assert reply.status == status
    after = receiver.stats().total
    assert after.received == before.received + 1
    if entry == "verified":
        assert after.verified == before.verified + 1
    else:
        assert after.verified == before.verified
        assert after.rejected[entry] == before.rejected.get(entry, 0) + 1
    assert after.answered == after.received
    assert after.status[str(status)] == before.status.get(str(status), 0) + 1


async def test_health_is_told_and_not_counted(receiver: RunningReceiver) -> None:
    before = receiver.stats().total
    reply = await exchange(receiver.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (reply.status, reply.body) == (200, b'{"status":"ok"}')
    assert receiver.stats().total == before


async def test_the_texts_that_a_sender_diagnoses_by(receiver: RunningReceiver) -> None:
    texts = [
        (await exchange(receiver.port, request(headers=headers))).error
        for headers in (b"", signature(secret=OTHER), signature(age_s=400))
    ]
    assert texts == ["Missing signature", "Invalid signature", "Timestamp outside tolerance"]


async def test_one_connection_takes_many_requests_good_and_bad(client: RawClient) -> None:
    for _ in range(3):
        await client.send(request())
        assert (await client.reply()).status == 200
        await client.send(request(headers=b""))
        assert (await client.reply()).status == 400
        await client.send(request(target="/elsewhere"))
        assert (await client.reply()).status == 404


async def test_pipelined_requests_are_answered_in_order(client: RawClient) -> None:
    await client.send((request() + request(headers=b"") + request(target="/elsewhere")) * 50)
    got = [(await client.reply()).status for _ in range(150)]
    assert got == [200, 400, 404] * 50


async def test_a_pipeline_ends_at_what_is_not_http(client: RawClient) -> None:
    await client.send(request() + b"garbage\r\n\r\n" + request())
    first = (await client.reply()).status
    assert first == 400 or (await client.reply()).status == 400  # aiohttp's parser gives up what came before, too
    assert await client.ended()


async def test_a_body_may_come_in_pieces(client: RawClient) -> None:
    data = request(b'"' + b"x" * 50_000 + b'"')
    for start in range(0, len(data), 7_001):
        await client.send(data[start : start + 7_001])
        await asyncio.sleep(0)
    assert (await client.reply()).status == 200


async def test_a_chunked_body_is_verified_whole_and_its_trailers_are_no_headers(client: RawClient) -> None:
    half = len(BODY) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:half], BODY[half:]))
    head = request(b"", length=False, headers=signature(), extra=b"Transfer-Encoding: chunked\r\n")
    await client.send(head + chunks + b"0\r\n\r\n")
    assert (await client.reply()).status == 200
    unsigned = request(b"", length=False, headers=b"", extra=b"Transfer-Encoding: chunked\r\n")
    await client.send(unsigned + chunks + b"0\r\n" + signature() + b"\r\n")
    assert (await client.reply()).status == 400


async def test_a_chunked_body_over_the_limit_is_refused_before_its_end(client: RawClient) -> None:
    await client.send(request(b"", length=False, headers=b"", extra=b"Transfer-Encoding: chunked\r\n"))
    await client.send(b"%x\r\n%b\r\n" % (MAX_BODY, b"x" * MAX_BODY) + b"2\r\nxx\r\n")
    reply = await client.reply()
    assert (reply.status, reply.headers["connection"]) == (413, "close")


async def test_a_bad_chunk_is_refused(client: RawClient) -> None:
    await client.send(request(b"", length=False, headers=b"", extra=b"Transfer-Encoding: chunked\r\n") + b"zz\r\n")
    assert (await client.reply()).status == 400
    assert await client.ended()


async def test_a_length_over_the_limit_is_refused_without_the_body(client: RawClient) -> None:
    head = request(b"", length=False, headers=b"", extra=b"Content-Length: 999999999999\r\n")
    await client.send(head)
    assert (await client.reply()).status == 413
    assert await client.ended()


async def test_a_sender_that_expects_100_is_asked_for_the_body(client: RawClient) -> None:
    data = request(extra=b"Expect: 100-continue\r\n")
    await client.send(data[: -len(BODY)])
    assert (await client.reply()).status == 100
    await client.send(BODY)
    assert (await client.reply()).status == 200


async def test_a_sender_that_expects_100_with_too_much_is_refused_at_once(client: RawClient) -> None:
    extra = b"Content-Length: 200000\r\nExpect: 100-continue\r\n"
    await client.send(request(b"", length=False, headers=b"", extra=extra))
    assert (await client.reply()).status == 413


async def test_an_answer_to_head_has_no_body(client: RawClient) -> None:
    await client.send(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        text = await client.reader.read()
    assert text.startswith(b"HTTP/1.1 200 ")
    assert text.endswith(b"\r\n\r\n")


async def test_http_1_0_and_connection_close_are_closed_after_the_answer(receiver: RunningReceiver) -> None:
    old = (request(version="1.0", extra=ask + b"Connection: keep-alive\r\n") for ask in (b"", b"Proxy-"))
    for data in (request(version="1.0"), *old, request(extra=b"Connection: close\r\n")):
        client = await connect(receiver.port)
        await client.send(data)
        reply = await client.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await client.ended()
        await client.close()


async def test_an_endless_header_is_refused(client: RawClient) -> None:
    await client.send(b"POST / HTTP/1.1\r\nX: ")
    for _ in range(20):
        client.writer.write(b"x" * 10_000)
    assert (await client.reply()).status in {400, 431}


async def test_too_many_headers_are_refused(client: RawClient) -> None:
    await client.send(request(extra=b"".join(b"X-%d: y\r\n" % number for number in range(200))))
    assert (await client.reply()).status in {400, 431}


async def test_a_body_that_does_not_come_has_a_deadline(hurried: RawClient) -> None:
    await hurried.send(request()[:-1])
    reply = await hurried.reply()
    assert (reply.status, reply.headers["connection"]) == (408, "close")
    assert await hurried.ended()


async def test_a_head_that_does_not_come_has_a_deadline(hurried: RawClient) -> None:
    await hurried.send(b"POST / HTTP/1.1\r\nHost:")
    async with asyncio.timeout(PATIENCE_S):
        await hurried.reader.read()


async def test_a_sender_that_goes_away_in_the_middle_is_not_counted(receiver: RunningReceiver) -> None:
    before = receiver.stats().total.received
    for cut in (10, len(request()) - 5):
        client = await connect(receiver.port)
        await client.send(request()[:cut])
        await client.close()
    assert (await exchange(receiver.port, request())).status == 200
    assert receiver.stats().total.received == before + 1


async def test_an_upgrade_is_not_followed(receiver: RunningReceiver) -> None:
    before = receiver.stats().total.verified
    data = request(headers=b"", extra=b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    assert (await exchange(receiver.port, data)).status == 400
    assert receiver.stats().total.verified == before


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_sender_that_reads_nothing_does_not_stop_the_others(engine: Engine) -> None:
    """With a receiver of its own: it may count requests of the connection for a while after that has ended."""
    async with await start_receiver(ReceiverOptions(engine=engine, admin=None), SECRET) as receiver:
        client = await connect(receiver.port)
        client.writer.write(request() * 20_000)
        for _ in range(3):
            assert (await exchange(receiver.port, request())).status == 200
        client.writer.transport.abort()

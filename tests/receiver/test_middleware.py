"""The middleware in a user's own application: nothing unverified reaches a handler, and what does is readable."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
import zlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from loadsim.receiver.middleware import RAW_BODIES, verifying
from loadsim.signing import Rejection, scheme

from .raw_client import BODY, PATH, SECRET, RawClient, Reply, request, signature

LIMIT = 2_000
VERIFIER = scheme("trackpilots").verifier(SECRET)


class Shop:
    """An application that notes what its handler saw."""

    def __init__(self, *, raw: bool = True, **options: object) -> None:
        self.seen: list[bytes] = []
        middleware = verifying(VERIFIER, open_resources={"/healthz", "/open/{name}"}, max_body=LIMIT, **options)  # type: ignore[arg-type]
        self.app = web.Application(middlewares=[middleware], handler_args=RAW_BODIES if raw else None)
        self.app.router.add_route("*", PATH, self.receive)
        self.app.router.add_get("/healthz", self.health)
        self.app.router.add_post("/open/{name}", self.health)

    async def receive(self, got: web.Request) -> web.Response:
        self.seen.append(await got.read())
        if "Content-Encoding" not in got.headers:
            assert (await got.text()).encode() == self.seen[-1]
        return web.json_response({"received": True})

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})


@contextlib.asynccontextmanager
async def serving(shop: Shop) -> AsyncIterator[RawClient]:
    runner = web.AppRunner(shop.app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    client = RawClient(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield client
    finally:
        client.writer.close()
        with contextlib.suppress(ConnectionError):
            await client.writer.wait_closed()
        await runner.cleanup()


async def reply_to(data: bytes, shop: Shop | None = None) -> tuple[Reply, Shop]:
    shop = shop or Shop()
    async with serving(shop) as client:
        await client.send(data)
        return await client.reply(), shop


async def test_a_genuine_delivery_reaches_the_handler_with_its_body() -> None:
    reply, shop = await reply_to(request())
    assert reply.status == 200
    assert shop.seen == [BODY]


FORGED = {
    "a tampered body": (request(BODY + b" ", headers=signature()), 401, Rejection.wrong_signature),
    "no signature": (request(headers=b""), 400, Rejection.missing_signature),
    "another method": (request(method="PUT", headers=b""), 400, Rejection.missing_signature),
    "no route": (request(target="/elsewhere", headers=b""), 400, Rejection.missing_signature),
    "the open resource in another spelling": (
        request(target="/healthz/", headers=b""),
        400,
        Rejection.missing_signature,
    ),
    "a method that is not open": (request(target="/healthz", headers=b""), 400, Rejection.missing_signature),
    "stale": (request(headers=signature(age_s=301)), 401, Rejection.stale),
    "a second signature": (request(extra=b"X-Webhook-Signature: 00\r\n"), 401, Rejection.malformed_signature),
}


@pytest.mark.parametrize("name", FORGED)
async def test_nothing_else_does(name: str) -> None:
    data, status, rejection = FORGED[name]
    reply, shop = await reply_to(data)
    assert (reply.status, reply.error) == (status, rejection.text)
    assert shop.seen == []


async def test_open_resources_are_open_however_they_are_asked_for() -> None:
    for data in (
        request(b"", method="GET", target="/healthz?a=1", headers=b""),
        request(target="/open/x", headers=b""),
    ):
        reply, _ = await reply_to(data)
        assert reply.status == 200


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_is_read_up_to_its_limit(size: int, *, chunked: bool) -> None:
    body = b"x" * size
    data = request(body, length=not chunked)
    if chunked:
        data = request(b"", headers=signature(body), extra=b"Transfer-Encoding: chunked\r\n", length=False)
        data += b"%x\r\n%b\r\n0\r\n\r\n" % (size, body)
    reply, shop = await reply_to(data)
    assert reply.status == (200 if size <= LIMIT else 413)
    assert shop.seen == ([body] if size <= LIMIT else [])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-own"])
async def test_what_is_verified_of_a_compressed_body_are_the_bytes_that_came(coding: str) -> None:
    packed = (gzip if coding == "gzip" else zlib).compress(BODY)
    line = f"Content-Encoding: {coding}\r\n".encode()
    reply, shop = await reply_to(request(packed, extra=line))
    assert (reply.status, shop.seen) == (200, [packed])
    reply, shop = await reply_to(request(packed, headers=signature(BODY), extra=line))
    assert (reply.status, reply.error, shop.seen) == (401, "Invalid signature", [])
    bomb = zlib.compress(bytes(1_000_000))
    assert len(bomb) < LIMIT
    reply, shop = await reply_to(request(bomb, extra=line))
    assert (reply.status, shop.seen) == (200, [bomb])


async def test_where_the_server_unpacks_bodies_a_compressed_one_is_refused() -> None:
    """Its bytes are gone: neither what was signed nor a bomb gets any further."""
    for packed in (gzip.compress(BODY), gzip.compress(bytes(1_000_000))):
        for headers in (signature(packed), signature(BODY)):
            data = request(packed, headers=headers, extra=b"Content-Encoding: gzip\r\n")
            reply, shop = await reply_to(data, Shop(raw=False))
            assert (reply.status, reply.error, shop.seen) == (415, "Compressed body", [])


async def test_a_body_that_does_not_come_is_given_up() -> None:
    head = request(BODY)[: -len(BODY)]
    reply, shop = await reply_to(head, Shop(read_timeout_s=0.01))
    assert (reply.status, reply.error) == (408, "Request took too long")
    assert shop.seen == []


async def test_the_refusal_and_the_clock_are_the_users() -> None:
    refused: list[Rejection] = []

    def refuse(_: web.Request, rejection: Rejection) -> web.StreamResponse:
        refused.append(rejection)
        return web.json_response({"error": "no"}, status=418)

    reply, _ = await reply_to(request(), Shop(refuse=refuse, clock=lambda: time.time() + 1000))
    assert (reply.status, refused) == (418, [Rejection.stale])

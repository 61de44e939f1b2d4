"""`--forward`: a delivery reaches the local server as it came, and its answer comes back as it was."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from loadsim.events import read_recorded
from loadsim.model import NS_PER_S, Secret, UsageError
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.forwarding import Forwarder, Reply, check_forward, progress_line
from loadsim.receiver.options import ENGINES, Engine, ReceiverOptions
from loadsim.signing import scheme
from tests import commands
from tests.engine.servers import CERTS
from tests.receiver.local_server import OK, LocalServer, local_server
from tests.receiver.raw_client import PATH, PATIENCE_S, SECRET, connect, exchange, request, signature, until
from tests.signing.provider_libraries import library

SCHEMES = ("stripe", "standard-webhooks", "github")
NOT_HTTP = "the answer of {} is not HTTP, or a line of its head is longer than 8 KB"
WHSEC = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def options(local: LocalServer, **more: Any) -> ReceiverOptions:
    return ReceiverOptions(**{"forward": local.url, "admin": None, **more})


def fields(head: bytes) -> list[tuple[bytes, bytes]]:
    return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:-2])]


@pytest.mark.parametrize("engine", ENGINES)
async def test_body_and_headers_arrive_as_they_came(engine: Engine) -> None:
    body = '{ "b":"é" ,"a" : 1e1 }\r\n'.encode()
    kept = signature(body) + b"X-MiXeD: \xe2\x98\x83\r\nX-Twice: 1\r\nX-Twice: 2\r\nAccept-Encoding: br\r\n"
    hop = b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: x\r\n"
    first = f"POST {PATH}?a=%2F&b HTTP/1.1\r\n".encode()
    head = first + b"Host: hooks.example.test\r\nContent-Length: %d\r\n" % len(body)
    async with local_server() as local, await start_receiver(options(local, engine=engine), SECRET) as running:
        assert (await exchange(running.port, head + kept + hop + b"\r\n" + body)).status == 200
        got, received = local.got[0]
    assert received == body
    assert got.startswith(first)
    found = fields(got)
    expected = fields(b"\r\n" + kept + b"\r\n")
    assert [field for field in found if field in expected] == expected
    own = {
        b"host": f"127.0.0.1:{local.port}".encode(),
        b"content-length": b"%d" % len(body),
        b"x-forwarded-host": b"hooks.example.test",
        b"x-forwarded-proto": b"http",
    }
    added = {name.lower(): value for name, value in found if (name, value) not in expected}
    assert {name: value for name, value in added.items() if name != b"connection"} == own


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_answer_comes_back_as_it_was(engine: Engine) -> None:
    answers = {
        b"/redirect": b"HTTP/1.1 307 Own Words\r\nLocation: /x\r\nX-A: 1\r\nX-A: \xff\r\nSet-Cookie: a=b\r\n"
        b"Connection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 3\r\n\r\n\x00\xffz",
        b"/chunked": b"HTTP/1.1 500 E\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\n\r\n",
        b"/empty": b"HTTP/1.1 204 No Content\r\n\r\n",
        b"/old": b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"/strange": b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
        b"/broken": b"no HTTP at all\r\n\r\n",
        b"/closed": b"",
    }
    async with (
        local_server(lambda head, _: answers[head.split(b" ")[1]]) as local,
        await start_receiver(options(local, engine=engine, path="any"), SECRET) as running,
    ):
        client = await connect(running.port)  # one connection: every answer ends where it should

        async def answer_of(target: str) -> tuple[bytes, Any]:
            await client.send(request(target=target))
            head = await client.reader.readuntil(b"\r\n\r\n")
            length = next((int(v) for n, v in fields(head) if n.lower() == b"content-length"), 0)
            return head, await client.reader.readexactly(length)

        head, body = await answer_of("/redirect")
        assert head.startswith(b"HTTP/1.1 307 Own Words\r\n")
        assert body == b"\x00\xffz"
        kept = [(b"Location", b"/x"), (b"X-A", b"1"), (b"X-A", b"\xff"), (b"Set-Cookie", b"a=b")]
        assert fields(head) == [*kept, (b"Content-Length", b"3")]
        head, body = await answer_of("/chunked")
        assert (head[:15], body) == (b"HTTP/1.1 500 E\r", b"abc")
        assert fields(head) == [(b"Content-Encoding", b"gzip"), (b"Content-Length", b"3")]
        assert (await answer_of("/empty"))[0] == b"HTTP/1.1 204 No Content\r\n\r\n"
        assert (await answer_of("/old"))[1] == b"until the end"
        for target in ("/strange", "/broken", "/closed"):
            head, body = await answer_of(target)
            assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n"), target
            assert f"127.0.0.1:{local.port}".encode() in body
        await client.close()
        stats = running.stats()
    assert [head.split(b" ")[1] for head, _ in local.got].count(b"/redirect") == 1
    assert stats.total.status == {"200": 1, "204": 1, "307": 1, "500": 1, "502": 3}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SCHEMES)
async def test_the_providers_own_library_accepts_what_arrives(engine: Engine, name: str) -> None:
    described, body = scheme(name), '{ "type" : "t", "é": 1.0 }\n'.encode()
    genuine = _library_check(name)

    def answer(head: bytes, received: bytes) -> bytes:
        headers = {key.decode().lower(): value.decode() for key, value in fields(head)}
        return OK if genuine(received, headers) else b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"

    lines = described.signer(WHSEC, event="push").headers(body, time.time_ns(), "evt_1")
    head = f"POST {PATH} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n".encode() + lines + b"\r\n"
    async with (
        local_server(answer) as local,
        await start_receiver(options(local, engine=engine, scheme=name, verify=False), None) as running,
    ):
        assert (await exchange(running.port, head + body)).status == 200
        assert (await exchange(running.port, head + body.replace(b"1.0", b"1.1"))).status == 401


def _library_check(name: str) -> Any:
    if name == "stripe":
        stripe = library("stripe")
        return lambda body, headers: _passes(
            lambda: stripe.Webhook.construct_event(body, headers["stripe-signature"], WHSEC.reveal())
        )
    if name == "standard-webhooks":
        webhook = library("standardwebhooks").Webhook(WHSEC.reveal())
        return lambda body, headers: _passes(lambda: webhook.verify(body, headers))
    import hashlib
    import hmac

    def github(body: bytes, headers: dict[str, str]) -> bool:  # as docs.github.com, "Validating webhook deliveries"
        expected = "sha256=" + hmac.new(WHSEC.reveal().encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, headers["x-hub-signature-256"])

    return github


def _passes(check: Any) -> bool:
    try:
        check()
    except Exception:  # noqa: BLE001 - each library has errors of its own
        return False
    return True


async def test_the_path_of_the_url_replaces_that_of_the_delivery() -> None:
    async with local_server() as local:
        for url, target, expected in (
            (local.url, "/a%20b?x=1", b"/a%20b?x=1"),
            (f"{local.url}/", "/a?x", b"/?x"),
            (f"{local.url}/hooks?k=1", "/a?x=2", b"/hooks?k=1&x=2"),
            (local.url, "http://h.test/p?q", b"/p?q"),
            (local.url, "/\xe9#f", b"/%E9%23f"),
        ):
            forwarder = Forwarder(url, 30 * NS_PER_S)
            assert (await forwarder.forward("POST", target, [(b"Host", b"h")], b"x")).status == 200
            await forwarder.close()
            assert local.got[-1][0].split(b" ")[1] == expected


@pytest.mark.parametrize("engine", ENGINES)
async def test_everything_for_the_path_is_passed_on_and_a_dead_server_is_said(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    async with local_server() as local:
        arguments = ("--forward", local.url, "--capture", str(path), "--engine", engine)
        process = await commands.start(
            "receive",
            *("--port", "0", "--admin", "127.0.0.1:0", *arguments),
            cwd=tmp_path,
            env={**os.environ, "TRACKPILOTS_WEBHOOKS_SECRET_KEY": SECRET.reveal()},  # noqa: TID251 - a child's
        )
        assert process.stderr is not None
        said = [(await process.stderr.readline()).decode() for _ in range(4)]
        match = re.search(r"http://127\.0\.0\.1:(\d+)/", said[0])
        assert match is not None
        port = int(match[1])
        assert f"passing deliveries on to {local.url}\n" in said
        assert (await exchange(port, request())).status == 200
        line = (await process.stderr.readline()).decode()
        assert re.fullmatch(r"\d\d:\d\d:\d\d  desktop\.app_tracking\.captured  200  [\d.]+ .?s\n", line)
        assert (await exchange(port, request(headers=b""))).status == 200
        assert (await process.stderr.readline()).endswith(b"(not accepted here: missing signature)\n")
        assert (await exchange(port, request(method="GET"))).status == 200
        await process.stderr.readline()
        assert (await exchange(port, request(target="/elsewhere"))).status == 404
        assert (await exchange(port, request(target="/healthz", method="GET"))).body == b'{"status":"ok"}'
        assert len(local.got) == 3
    refused = await exchange(port, request())
    assert refused.status == 502
    assert refused.error == f"cannot connect to 127.0.0.1:{local.port}: connection refused: is the server running?"
    assert refused.error in (await process.stderr.readline()).decode()
    process.send_signal(signal.SIGTERM)
    _, rest = await process.communicate()
    assert "verified 2 · missing signature 1 · not found 1 · wrong method 1" in rest.decode()
    assert len(read_recorded(path.read_bytes(), path.name)) == 2  # those that were accepted here


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_answer_that_does_not_come_is_504(engine: Engine) -> None:
    async with (
        local_server(lambda _head, _body: None) as local,
        await start_receiver(options(local, engine=engine, forward_timeout_ns=NS_PER_S // 5), SECRET) as running,
    ):
        answer = await exchange(running.port, request())
        assert answer.status == 504
        assert answer.error == f"127.0.0.1:{local.port} gave no answer within 0.2 s"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "{} closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "{} closed the connection before its answer was complete"),
        (b"\x1b[31mfoul\r\n\r\n", NOT_HTTP),
        (b"HTTP/1.1 200 OK\r\nX: " + b"foul" * 5000, NOT_HTTP),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "{} answered with the status 101"),
    ],
)
async def test_a_wrong_answer_is_said_in_plain_words_without_the_query(answer: bytes, said: str) -> None:
    async with (
        local_server(lambda _head, _body: answer) as local,
        await start_receiver(options(local, path="any"), SECRET) as running,
    ):
        got = await exchange(running.port, request(target=f"{PATH}?token=hidden"))
        assert (got.status, got.error) == (502, said.format(f"127.0.0.1:{local.port}"))


async def test_an_untrusted_certificate_and_a_server_without_tls_are_said_as_such() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTS / "localhost.pem")
    place, said = await problem(context)
    assert said.startswith(f"{place} has a certificate that is not trusted: ")
    place, said = await problem(None)
    assert said == f"{place} does not speak TLS: use http, or look at its settings"


async def problem(context: ssl.SSLContext | None) -> tuple[str, str]:
    """Where a server is that says something in plain HTTP at once, and what is said of it as one of https."""

    def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    forwarder = Forwarder(f"https://{place}", NS_PER_S * int(PATIENCE_S))
    try:
        reply = await forwarder.forward("POST", "/?token=hidden", [], b"")
        assert reply.status == 502
        return place, reply.problem
    finally:
        await forwarder.close()
        server.close()


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_sender_that_gives_up_disturbs_nobody(engine: Engine) -> None:
    async with local_server() as local, await start_receiver(options(local, engine=engine), SECRET) as running:
        client = await connect(running.port)
        await client.send(request())
        await client.close()
        async with asyncio.timeout(PATIENCE_S):
            await local.came.wait()
        assert (await exchange(running.port, request())).status == 200
        await until(lambda: running.stats().total.received == 2)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_stop_waits_for_the_local_server(engine: Engine) -> None:
    async with local_server() as local, await start_receiver(options(local, engine=engine), SECRET) as running:
        local.free.clear()
        client = await connect(running.port)
        await client.send(request())
        async with asyncio.timeout(PATIENCE_S):
            await local.came.wait()
        stopping = asyncio.create_task(running.stop())
        await asyncio.sleep(0)
        local.free.set()
        assert (await client.reply()).status == 200
        await stopping
        await client.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://192.0.2.1:80/x", "http is for this machine alone"),
        ("http://app.example.test/", "http is for this machine alone"),
        ("http://a:b@127.0.0.1/", "leave the user name and password out"),
        ("ftp://127.0.0.1/", "needs an absolute URL"),
        ("http://127.0.0.1:0/", "the port is not a number"),
        ("http://localhost:8080/x", "the receiver's own address"),
    ],
)
def test_a_url_that_must_not_be_is_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_forward(url, 8080)
    assert message in str(refused.value)
    assert "a:b" not in str(refused.value)
    check_forward("https://app.example.test/hooks", 8080)
    check_forward("http://[::1]:3000", 8080)


def test_a_receiver_that_forwards_cannot_fail_on_purpose() -> None:
    for more in ({"delay_ns": 1}, {"reset": 0.1}, {"fail_rate": 0.1}):
        with pytest.raises(UsageError, match="the local server answers"):
            ReceiverOptions(forward="http://127.0.0.1:3000", **more)


def test_the_line_of_a_delivery_shows_foreign_text_harmlessly() -> None:
    reply = Reply(502, "No", (), b"", problem="it said \x1b[31m::set-output")
    line = progress_line(0.0, "a\x1b]0;b", reply, 0.0123, "wrong_signature")
    assert "\x1b" not in line
    assert "502  12.3 ms  (it said " in line
    assert line.endswith("; not accepted here: wrong signature)")

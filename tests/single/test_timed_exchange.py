"""One event over real connections: what goes out, what of the answer is kept, what is said without one."""

from __future__ import annotations

import asyncio
import select
import socket
from typing import Any

import pytest

from loadsim.engine.tls_settings import Trust
from loadsim.error_kinds import ErrorKind
from loadsim.model import SignedRequest, UsageError
from loadsim.single.result import Failure, Response
from loadsim.single.single_exchange import RESPONSE_LIMIT
from loadsim.single.timed_exchange import Exchange, exchange
from tests.engine.corpus import ANSWERS
from tests.engine.http2_servers import Asked, Http2Peer, Http2Server, answer
from tests.engine.servers import CERTS, OK, Behaviour, Peer, Server, black_hole, unused_port

BODY = b'{"event": 1}'
REQUEST = SignedRequest(b"Content-Type: application/json\r\nX-Sig: a\r\n", BODY)
TRUST = Trust(cacert=str(CERTS / "localhost.pem"))


async def sent(url: str, **options: Any) -> Exchange:
    given: dict[str, Any] = {"headers": {}, "timeout_s": 60, "trust": TRUST, **options}
    return await exchange(url, REQUEST, **given)


async def answered(raw: bytes, *, ends: bool = False, tls: str | None = None) -> Response | Failure:
    """The outcome where this is answered; `ends`: and then the connection is closed."""

    def behave(peer: Peer) -> None:
        peer.request()
        peer.send(raw)
        if not ends:
            peer.until_closed()

    with Server(behave, tls=tls) as server:
        return (await sent(server.url)).outcome


def kind_of(outcome: Response | Failure) -> str:
    return outcome.kind.name if isinstance(outcome, Failure) else str(outcome.status)


# -- what goes out ----------------------------------------------------------------------------------------------------


async def requested(url: str = "http://{place}/hook?x=1", **options: Any) -> bytes:
    """The request as it comes to the server."""
    came: list[bytes] = []

    def keep(peer: Peer) -> None:
        request = b""
        while not request.endswith((BODY, b"0\r\n\r\n")):
            request += peer.sock.recv(65536)
        came.append(request)
        peer.send(OK)

    with Server(keep) as server:
        done = await sent(url.format(place=f"127.0.0.1:{server.port}"), **options)
        assert isinstance(done.outcome, Response), done.outcome
        return came[0].replace(b":%d\r\n" % server.port, b":PORT\r\n")


async def test_a_request_is_framed_by_its_length_and_the_last_of_its_connection() -> None:
    head, _, body = (await requested(headers={"user-agent": "mine", "X-Twice": ("1", "2")})).partition(b"\r\n\r\n")
    assert body == BODY
    assert head.split(b"\r\n") == [
        b"POST /hook?x=1 HTTP/1.1",
        b"Host: 127.0.0.1:PORT",
        b"Connection: close",
        b"Content-Type: application/json",
        b"X-Sig: a",
        b"user-agent: mine",
        b"X-Twice: 1",
        b"X-Twice: 2",
        b"Content-Length: 12",
    ]


async def test_chunks_have_the_size_that_was_asked_for() -> None:
    head, _, body = (await requested(chunk=5)).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head.split(b"\r\n")
    assert b"content-length" not in head.lower()
    assert body == b'5\r\n{"eve\r\n5\r\nnt": \r\n2\r\n1}\r\n0\r\n\r\n'


async def test_credentials_of_the_url_are_a_header() -> None:
    assert b"\r\nAuthorization: Basic dTpwQA==\r\n" in await requested("http://u:p%40@{place}/")
    with pytest.raises(UsageError, match="keep one of them"):
        await sent("http://u:p@127.0.0.1:9/", headers={"authorization": "Bearer x"})


@pytest.mark.parametrize("chunk", [None, 5])
async def test_http2_sends_the_same(chunk: int | None) -> None:
    came: list[Asked] = []

    def keep(peer: Http2Peer) -> None:
        came.append(peer.greet().request())
        peer.send(answer(came[0].stream, 201, b"thanks", ("x-a", "1")))
        peer.drain()

    with Http2Server(keep) as server:
        url = server.url.replace("http://", "http://u:p@")
        done = await sent(url, headers={"X-Loadsim-Id": "1"}, http="2", chunk=chunk)
    fields = dict(came[0].fields)
    assert came[0].body == BODY
    assert fields[b"authorization"] == b"Basic dTpw"
    assert fields.get(b"content-length") == (b"12" if chunk is None else None)
    assert b"connection" not in fields
    assert isinstance(done.outcome, Response)
    assert done.outcome == Response(201, "", (("x-a", "1"), ("content-length", "6")), b"thanks")


@pytest.mark.parametrize("offered", ["h2", "http/1.1", None])
async def test_auto_takes_what_an_endpoint_offers(offered: str | None) -> None:
    def serve(peer: Http2Peer) -> None:
        if offered == "h2":
            peer.greet().serve()
        else:
            peer.peer.requests()

    with Http2Server(serve, tls=True) as server:
        assert server._context is not None
        server._context.set_alpn_protocols([offered] if offered else [])
        done = await sent(server.url, headers={"X-Loadsim-Id": "1"}, http="auto")
    assert kind_of(done.outcome) == "200"
    assert done.http == ("2" if offered == "h2" else "1.1")
    assert server.accepted == 2  # one to ask, one to send


# -- what of an answer is kept ----------------------------------------------------------------------------------------


async def test_an_answer_is_kept_as_it_came() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
    lines = b"Content-Encoding: gzip\r\nSet-Cookie: a\r\nset-cookie: \xe9 \r\nTransfer-Encoding: chunked\r\n"
    raw = interim + b"HTTP/1.1 299 F\xc3\xbcr\r\n" + lines + b"\r\n2\r\nok\r\n1\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n"
    fields = (("Content-Encoding", "gzip"), ("Set-Cookie", "a"), ("set-cookie", "é"), ("Transfer-Encoding", "chunked"))
    assert await answered(raw) == Response(299, "Für", fields, b"ok!")


async def test_an_answer_that_came_byte_by_byte_is_the_same() -> None:
    def behave(peer: Peer) -> None:
        peer.request()
        peer.drip(b"HTTP/1.0 404 Not Found\r\nX: one\r\n two\r\n\r\nno")

    with Server(behave) as server:
        assert (await sent(server.url)).outcome == Response(404, "Not Found", (("X", "one two"),), b"no")


@pytest.mark.parametrize("over", [0, 1, 2 * RESPONSE_LIMIT])
@pytest.mark.parametrize("length", [True, False])
async def test_a_body_is_kept_as_far_as_its_limit(over: int, length: bool) -> None:
    body = b"x" * (RESPONSE_LIMIT + over)
    framing = b"Content-Length: %d\r\n" % len(body) if length else b""
    outcome = await answered(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + body, ends=not length)
    assert isinstance(outcome, Response)
    assert outcome.body == body[:RESPONSE_LIMIT]
    assert outcome.truncated == (over > 0)


async def test_a_limit_does_not_make_an_answer_of_another_protocol_http() -> None:
    raw = b"RTSP/1.0 200 OK\r\n\r\n" + b"x" * (RESPONSE_LIMIT + 1)
    assert kind_of(await answered(raw, ends=True)) == "protocol"


async def test_each_answer_of_the_corpus_is_what_it_is_to_a_load_run() -> None:
    turn = iter(ANSWERS)

    def serve(peer: Peer) -> None:
        peer.request()
        of = next(turn)
        peer.send(of.raw)
        if not of.until_close:
            peer.until_closed()

    with Server(serve) as server:
        got = {of.name: kind_of((await sent(server.url)).outcome) for of in ANSWERS}
    assert got == {of.name: of.expected for of in ANSWERS}


async def test_over_tls_a_body_without_length_ends_with_a_goodbye() -> None:
    raw = b"HTTP/1.1 200 OK\r\n\r\nok"

    def polite(peer: Peer) -> None:
        peer.request()
        peer.send(raw)
        peer.goodbye()

    with Server(polite, tls="localhost") as server:
        assert kind_of((await sent(server.url)).outcome) == "200"
    assert kind_of(await answered(raw, ends=True, tls="localhost")) == "truncated"


# -- without an answer ------------------------------------------------------------------------------------------------


def closing(_: Peer) -> None:
    pass


def resetting(peer: Peer) -> None:
    peer.request()
    peer.reset()


def answering(raw: bytes) -> Behaviour:
    def behave(peer: Peer) -> None:
        peer.request()
        peer.send(raw)

    return behave


@pytest.mark.parametrize(
    ("behave", "text"),
    [
        (closing, "{} closed the connection without an answer: see its log"),
        (resetting, "{} broke the connection before a whole answer: see its log"),
        (answering(b"HTTP/1.1 200"), "{} closed the connection in the middle of its answer: see its log"),
        (answering(b"220 mail\r\n"), "the answer of {} is not HTTP: does another service listen there?"),
        (answering(b"HTTP/2.0 200 OK\r\n\r\n"), "the answer of {} is not HTTP: does another service listen there?"),
        (answering(b"HTTP/1.1 600 X\r\n\r\n"), "the answer of {} is not valid: 600 is no status of HTTP"),
    ],
)
async def test_what_is_said_of_a_broken_exchange(behave: Behaviour, text: str) -> None:
    with Server(behave) as server:
        outcome = (await sent(server.url)).outcome
    assert isinstance(outcome, Failure)
    assert outcome.text == text.format(f"127.0.0.1:{server.port}")


@pytest.mark.parametrize("http", ["1.1", "2"])
async def test_a_refused_certificate_is_named_with_its_reason(http: Any) -> None:
    with Server(closing, tls="localhost") as server:
        done = await sent(server.url, trust=Trust(), http=http)
    assert isinstance(done.outcome, Failure)
    assert done.outcome.kind == ErrorKind.tls
    assert "is not accepted (self-signed certificate): name its CA" in done.outcome.text
    assert done.timings.connect
    assert done.timings.tls is None


@pytest.mark.parametrize(
    ("behave", "why"),
    [(closing, "closed by the peer"), (lambda peer: peer.send(b"SSH-2.0-x\r\n" * 9), "wrong version number")],
)
async def test_https_to_a_port_that_speaks_something_else(behave: Behaviour, why: str) -> None:
    with Server(behave) as server:
        done = await sent(server.url.replace("http:", "https:"))
    assert done.outcome == Failure(
        ErrorKind.tls, f"TLS with 127.0.0.1:{server.port} failed ({why}): does that port speak https?"
    )


async def test_http2_that_is_not_offered_is_said() -> None:
    def old(peer: Http2Peer) -> None:
        peer.peer.hang()

    with Http2Server(old, tls=True) as server:
        assert server._context is not None
        server._context.set_alpn_protocols(["http/1.1"])
        done = await sent(server.url, http="2")
    assert isinstance(done.outcome, Failure)
    assert "HTTP/2" in done.outcome.text


@pytest.mark.parametrize("http", ["1.1", "2"])
async def test_a_name_that_does_not_resolve_is_dns(http: Any) -> None:
    done = await sent("http://nosuchhost.invalid/", http=http)
    text = "cannot resolve the host name nosuchhost.invalid: is it spelled correctly?"
    assert done.outcome == Failure(ErrorKind.dns, text)


async def test_the_timeout_says_how_far_it_came() -> None:
    port = unused_port()
    with black_hole("127.0.0.1", port):
        early = await sent(f"http://127.0.0.1:{port}/", timeout_s=0.2)
    with Server(lambda peer: peer.hang()) as server:
        late = await sent(server.url, timeout_s=0.2)
    assert kind_of(early.outcome) == "connect_timeout"
    assert early.timings.connect is None
    assert kind_of(late.outcome) == "timeout"
    assert late.timings.connect
    assert late.timings.total >= 200


async def test_only_names_take_time_to_resolve() -> None:
    with Server(answering(OK)) as server:
        by_name = await sent(server.url.replace("127.0.0.1", "localhost"))
        by_address = await sent(server.url)
    assert by_name.timings.dns
    assert by_name.timings.total > by_name.timings.dns
    assert by_address.timings.dns is None


async def test_no_descriptor_is_a_failure_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("loadsim.engine.next_address_attempts.socket.socket", none_left)
    done = await sent("http://127.0.0.1:9/")
    assert done.outcome == Failure(ErrorKind.connect_error, "cannot connect to 127.0.0.1:9: too many open files")


async def test_no_descriptor_for_epoll_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(select, "epoll", none_left)
    done = await sent("http://127.0.0.1:9/")
    assert done.outcome == Failure(ErrorKind.connect_error, "cannot connect to 127.0.0.1:9: too many open files")


async def test_a_platform_without_epoll_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll")
    with pytest.raises(UsageError, match="epoll"):
        await sent("http://127.0.0.1:9/")


async def test_exchanges_at_once_do_not_mix() -> None:
    def echo(peer: Peer) -> None:
        number = peer.request().split(b"X-Number: ")[1].split(b"\r\n")[0]
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(number), number))

    with Server(echo) as server:
        every = await asyncio.gather(*(sent(server.url, headers={"X-Number": str(n)}) for n in range(20)))
    assert [int(done.outcome.body) for done in every if isinstance(done.outcome, Response)] == list(range(20))

"""One table: a server that misbehaves, and what both transports must call it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from loadsim.engine.pacer import Clock, monotonic_ns
from loadsim.engine.resolved_endpoint import resolve
from loadsim.measure.outcome_columns import Column
from loadsim.model import UnreachableError
from loadsim.plan import Target
from tests.engine.running import TRANSPORTS, TYPE, MakeTransport, run, scenario
from tests.engine.servers import CERTS, OK, Behaviour, Peer, Server, unused_port

FIELDS = b"".join(b"X-Field-%d: value\r\n" % number for number in range(300))
LARGE = {"type": "desktop.screenshot_tracking.captured", "image": "base64:6MB"}
MIB = 1024 * 1024


@dataclass(frozen=True)
class Row:
    """`expected`: outcome per event, in order, on every transport."""

    name: str
    behaviour: Behaviour
    expected: list[str]
    target: dict[str, Any] = field(default_factory=dict)
    event: dict[str, Any] = field(default_factory=lambda: {"type": TYPE})
    tls: str | None = None


def answers(*pieces: bytes, close: bool = False) -> Behaviour:
    """Answer each request with `pieces`, one segment each."""

    def behave(peer: Peer) -> None:
        while True:
            peer.request()
            for piece in pieces:
                peer.send(piece)
            if close:
                return

    return behave


def after_request(then: Callable[[Peer], None]) -> Behaviour:
    def behave(peer: Peer) -> None:
        peer.request()
        then(peer)

    return behave


def hangs_after(beginning: bytes) -> Behaviour:
    """Answer no more than the beginning of an answer."""

    def behave(peer: Peer) -> None:
        peer.request()
        peer.send(beginning)
        peer.outlast()

    return behave


def hang_before_reading(peer: Peer) -> None:
    peer.peek()
    peer.outlast()


def read_and_close(peer: Peer) -> None:
    peer.request()


def reset_before_reading(peer: Peer) -> None:
    peer.peek()
    peer.reset()


def reset_in_body(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    peer.reset()


def reset_without_length(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
    peer.reset()


def close_when_idle(peer: Peer) -> None:
    """Serve one request; close the connection when the next one arrives on it."""
    peer.request()
    peer.send(OK)
    peer.request()


def reset_when_idle(peer: Peer) -> None:
    close_when_idle(peer)
    peer.reset()


def early_and_gone(peer: Peer) -> None:
    """Refuse a large request while it is still coming, and read no more of it."""
    peer.peek()
    peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    peer.hang()


def early_and_reading(peer: Peer) -> None:
    peer.peek()
    peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    peer.until_closed()


def endless_fields(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        peer.send(FIELDS)


def endless_line(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        peer.send(b"x" * 4096)


def huge_body(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (17 * MIB))
    for _ in range(17):
        peer.send(b"\n" * MIB)


def dripping(peer: Peer) -> None:
    while True:
        peer.request()
        peer.drip(OK)


def never(peer: Peer) -> None:
    raise AssertionError("nothing should get through to the application")


FORGED = b"\x17\x03\x03\x00\x30" + bytes(48)
"""A TLS record whose authentication fails."""


def forging(*before: bytes) -> Behaviour:
    """Answer with `before`, then with a forged record, in segments of their own."""

    def behave(peer: Peer) -> None:
        peer.request()
        for piece in before:
            peer.send(piece)
        peer.forge(FORGED)
        peer.hang()

    return behave


def until_goodbye(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    peer.goodbye()


EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"


def flood(peer: Peer) -> None:
    """Interim answers without end, as fast as they are taken."""
    peer.request()
    while True:
        peer.send(EARLY * 1000)


def trickle(peer: Peer) -> None:
    """Interim answers without end, a few at a time, over which the timeout passes."""
    peer.request()
    peer.send(EARLY * 20)
    peer.advance()
    while True:
        peer.send(EARLY)
        peer.pause(0.01)


def head(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode() + body


CHUNKED = head("Transfer-Encoding: chunked")
TRUSTED = {"cacert": str(CERTS / "localhost.pem")}
HASTY = {"timeout": "150ms"}
"""For connections that are never made, however long they are waited for."""

ROWS = [
    Row("answers", answers(OK), ["200", "200"]),
    Row("resets after the request", after_request(Peer.reset), ["reset", "reset"]),
    Row("resets before it reads", reset_before_reading, ["reset", "reset"]),
    Row("resets within the body", reset_in_body, ["reset", "reset"]),
    Row("resets within a body without length", reset_without_length, ["reset", "reset"]),
    Row("hangs after the request", after_request(Peer.outlast), ["timeout", "timeout"]),
    Row("hangs before it reads", hang_before_reading, ["timeout", "timeout"]),
    Row("hangs within the body", hangs_after(head("Content-Length: 3", body=b"ab")), ["timeout", "timeout"]),
    Row("hangs within the head", hangs_after(b"HTTP/1.1 200 OK\r\nX-"), ["timeout", "timeout"]),
    Row("closes within the body", answers(head("Content-Length: 3", body=b"ab"), close=True), ["truncated"] * 2),
    Row("closes within the head", answers(b"HTTP/1.1 200 OK\r\nX-", close=True), ["truncated"] * 2),
    Row("closes after an interim answer", answers(b"HTTP/1.1 100 Continue\r\n\r\n", close=True), ["truncated"] * 2),
    Row("closes before any byte", read_and_close, ["closed_early", "closed_early"]),
    Row("closes an idle connection as we send", close_when_idle, ["200", "closed_idle"]),
    Row("resets an idle connection as we send", reset_when_idle, ["200", "closed_idle"]),
    Row("answers early and stops reading", early_and_gone, ["413", "413"], event=LARGE),
    Row("answers early and reads on", early_and_reading, ["413", "413"], event=LARGE),
    Row(
        "interim answers first",
        answers(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n", OK),
        ["200"] * 2,
    ),
    Row("interim answer in one piece", answers(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + OK), ["200"] * 2),
    Row("interim answers without end", flood, ["protocol"] * 2),
    Row("interim answers without end, slowly", trickle, ["timeout"] * 2),
    Row(
        "switches protocols",
        answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        ["protocol"] * 2,
    ),
    Row("chunked", answers(CHUNKED + b"2\r\nok\r\n", b"1\r\n!\r\n0\r\n\r\n"), ["200", "200"]),
    Row("chunked with trailers", answers(CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"), ["200", "200"]),
    Row("chunked, closed too soon", answers(CHUNKED + b"2\r\nok\r\n", close=True), ["truncated", "truncated"]),
    Row("chunked, closed within a chunk", answers(CHUNKED + b"9\r\nok", close=True), ["truncated", "truncated"]),
    Row("chunked with a size that is none", answers(CHUNKED + b"zz\r\nok\r\n"), ["protocol", "protocol"]),
    Row("body until it closes", answers(head(body=b"all of it"), close=True), ["200", "200"]),
    Row("body until it closes, announced", answers(head("Connection: close", body=b"all"), close=True), ["200"] * 2),
    Row(
        "closes as it said",
        answers(head("Connection: close", "Content-Length: 2", body=b"ok"), close=True),
        ["200"] * 2,
    ),
    Row("HTTP/1.0 with length", answers(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", close=True), ["200", "200"]),
    Row(
        "HTTP/1.0 kept alive",
        answers(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
        ["200"] * 2,
    ),
    Row("HTTP/1.0 until it closes", answers(b"HTTP/1.0 200 OK\r\n\r\nall of it", close=True), ["200", "200"]),
    Row("garbage", answers(b"\x00\x01 what is this\r\n\r\n"), ["protocol", "protocol"]),
    Row("another protocol", answers(b"SSH-2.0-OpenSSH_9.6\r\n"), ["protocol", "protocol"]),
    Row("two lengths", answers(head("Content-Length: 2", "Content-Length: 3", body=b"ok!")), ["protocol"] * 2),
    Row("a length that is none", answers(head("Content-Length: -1", body=b"ok")), ["protocol", "protocol"]),
    Row("endless header fields", endless_fields, ["protocol", "protocol"]),
    Row("endless header line", endless_line, ["protocol", "protocol"]),
    Row("300 header fields", answers(b"HTTP/1.1 200 OK\r\n" + FIELDS + b"Content-Length: 0\r\n\r\n"), ["protocol"] * 2),
    Row("200 header fields", answers(head(*(f"X-{n}: v" for n in range(200)), "Content-Length: 0")), ["200", "200"]),
    Row(
        "70 KB of header",
        answers(head(*(f"X-{n}: {'v' * 1000}" for n in range(70)), "Content-Length: 0")),
        ["protocol"] * 2,
    ),
    Row(
        "50 KB of header", answers(head(*(f"X-{n}: {'v' * 1000}" for n in range(50)), "Content-Length: 0")), ["200"] * 2
    ),
    Row("17 MiB of body", huge_body, ["body_limit", "body_limit"]),
    Row("a second response", answers(OK + OK), ["protocol", "protocol"]),
    Row("garbage after the response", answers(OK + b"\x00garbage"), ["protocol", "protocol"]),
    Row("the beginning of a second response", answers(OK + b"HTTP/1."), ["protocol"] * 2),
    Row("a byte at a time", dripping, ["200", "200"]),
    Row("204", answers(b"HTTP/1.1 204 No Content\r\n\r\n"), ["204", "204"]),
    Row("304 with a length", answers(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), ["304", "304"]),
    Row("302 is not followed", answers(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), ["302"] * 2),
    Row("no reason", answers(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), ["200", "200"]),
    Row("empty reason", answers(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"), ["200", "200"]),
    Row("gzip that is none", answers(head("Content-Encoding: gzip", "Content-Length: 2", body=b"no")), ["200"] * 2),
    Row("TLS, trusted", answers(OK), ["200", "200"], target=TRUSTED, tls="localhost"),
    Row("TLS, unchecked", answers(OK), ["200", "200"], target={"insecure": True}, tls="elsewhere"),
    Row("TLS, self-signed", never, ["tls", "tls"], tls="localhost"),
    Row(
        "TLS, of another host", never, ["tls", "tls"], target={"cacert": str(CERTS / "elsewhere.pem")}, tls="elsewhere"
    ),
    Row("TLS, reset after the request", after_request(Peer.reset), ["reset"] * 2, target=TRUSTED, tls="localhost"),
    Row("TLS, closed before any byte", read_and_close, ["closed_early"] * 2, target=TRUSTED, tls="localhost"),
    Row(
        "TLS, closed within the body",
        answers(head("Content-Length: 3", body=b"ab"), close=True),
        ["truncated"] * 2,
        target=TRUSTED,
        tls="localhost",
    ),
    Row("TLS, body until goodbye", until_goodbye, ["200"] * 2, target=TRUSTED, tls="localhost"),
    # whoever is on the way can end a connection: a body of unknown length is whole only with a goodbye
    Row(
        "TLS, body until it closes",
        answers(head(body=b"all of it"), close=True),
        ["truncated"] * 2,
        target=TRUSTED,
        tls="localhost",
    ),
    Row(
        "TLS, closed behind a whole body",
        answers(head("Content-Length: 2", "Connection: close", body=b"ok"), close=True),
        ["200"] * 2,
        target=TRUSTED,
        tls="localhost",
    ),
    Row("TLS, a forged record", forging(), ["tls"] * 2, target=TRUSTED, tls="localhost"),
    Row(
        "TLS, a forged record within the body",
        forging(head("Content-Length: 3", body=b"ab")),
        ["tls"] * 2,
        target=TRUSTED,
        tls="localhost",
    ),
    Row(
        "TLS, a forged record behind a body without length",
        forging(head(body=b"ab")),
        ["tls"] * 2,
        target=TRUSTED,
        tls="localhost",
    ),
    Row("TLS, hangs", after_request(Peer.outlast), ["timeout"] * 2, target=TRUSTED, tls="localhost"),
    Row("TLS, idle closed as we send", close_when_idle, ["200", "closed_idle"], target=TRUSTED, tls="localhost"),
]


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port that neither accepts nor refuses: its queue is full, and the kernel drops every further SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(3):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            waiting.append(sock)
        try:
            yield port
        finally:
            for sock in waiting:
                sock.close()


def fire(url: str, make: MakeTransport, row: Row, clock: Clock = monotonic_ns) -> list[str]:
    """Two events over one connection at a time; the accounts must balance. How long a timeout is, test_engine knows."""
    of = scenario([{"connections": 1, "events": 2}], {"url": url, "timeout": "60s", **row.target}, [row.event])
    result = run(of, make, clock=clock)
    result.assert_balanced()
    assert result.planned == 2
    for outcome, sent in zip(result.outcomes, result.column(Column.sent), strict=True):
        if outcome != "tls":  # which may be of the handshake, and of what came after it
            assert (sent > 0) == (outcome not in ("refused", "connect_timeout", "connect_error", "dns"))
    return result.outcomes


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_misbehaviour_has_its_name(row: Row, transport: str) -> None:
    with Server(row.behaviour, tls=row.tls) as server:
        assert fire(server.url, TRANSPORTS[transport], row, server.clock) == row.expected


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_refused(transport: str) -> None:
    row = Row("refused", never, [])
    assert fire(f"http://127.0.0.1:{unused_port()}/", TRANSPORTS[transport], row) == ["refused", "refused"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_no_connection_in_time(transport: str) -> None:
    with full_backlog() as port:
        row = Row("full", never, [], target=HASTY)
        assert fire(f"http://127.0.0.1:{port}/", TRANSPORTS[transport], row) == ["connect_timeout"] * 2


def closes_in_handshake(peer: Peer) -> None:
    peer.peek()
    peer.sock.recv(65536)


def resets_in_handshake(peer: Peer) -> None:
    peer.peek()
    peer.reset()


def speaks_plainly(peer: Peer) -> None:
    peer.peek()
    peer.sock.recv(65536)
    peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("behaviour", [closes_in_handshake, resets_in_handshake, speaks_plainly])
def test_a_handshake_that_fails(behaviour: Behaviour, transport: str) -> None:
    with Server(behaviour) as server:
        row = Row("handshake", behaviour, [])
        assert fire(server.url.replace("http:", "https:"), TRANSPORTS[transport], row) == ["tls", "tls"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_handshake_that_never_ends(transport: str) -> None:
    with Server(Peer.hang) as server:
        row = Row("handshake", Peer.hang, [], target=HASTY)
        assert fire(server.url.replace("http:", "https:"), TRANSPORTS[transport], row) == ["connect_timeout"] * 2


def test_a_name_that_does_not_resolve_ends_before_the_first_event(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UnreachableError, match=r"nowhere\.test: the name does not resolve"):
        resolve(Target(url="http://nowhere.test/"))

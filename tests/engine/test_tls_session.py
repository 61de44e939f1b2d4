"""A session gives the same bytes however the wire cuts them; what the peer says against it is told as TLS."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.engine.tls_session import TlsSession
from loadsim.measure.outcome_columns import Column
from loadsim.plan import Scenario
from tests.engine.running import direct, run, scenario
from tests.engine.servers import CERTS, Peer, Server

SERVER = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
SERVER.load_cert_chain(CERTS / "localhost.pem")
CLIENT = ssl.create_default_context(cafile=str(CERTS / "localhost.pem"))


class Pipe:
    """A session and the other side, without a wire: what `arrived` holds is what `recv` gives."""

    def __init__(self) -> None:
        self.arrived = bytearray()
        self.ended = False
        self.found_end = 0
        self.session = TlsSession(CLIENT, "localhost", self.receive, self.on_end)
        self._put, self._taken = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.peer = SERVER.wrap_bio(self._put, self._taken, server_side=True)
        done = False
        while not done:
            done = self.session.handshake()
            self._put.write(self.session.take())
            try:
                self.peer.do_handshake()
            except ssl.SSLWantReadError:
                pass
            self.arrived += self._taken.read()

    def on_end(self) -> None:
        self.found_end += 1

    def receive(self, size: int) -> bytes:
        if not self.arrived and not self.ended:
            raise BlockingIOError
        taken = bytes(self.arrived[:size])
        del self.arrived[:size]
        return taken

    def answer(self, data: bytes) -> None:
        """The peer writes."""
        view = memoryview(data)
        while view:
            view = view[self.peer.write(view) :]
        self.arrived += self._taken.read()

    def delivered(self, sealed: bytes) -> bytes:
        """What the peer reads of records of ours."""
        self._put.write(sealed)
        got = b""
        try:
            while True:
                got += self.peer.read(65536)
        except ssl.SSLWantReadError:
            return got


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=3), st.sampled_from([1, 22, 479, 16_384, 70_000]))
@settings(max_examples=30)
def test_what_is_read_does_not_depend_on_where_the_wire_cuts(sizes: list[int], step: int) -> None:
    pipe = Pipe()
    sent = [bytes([number]) * size for number, size in enumerate(sizes)]
    for data in sent:
        pipe.answer(data)
    got = b""
    while True:
        try:
            got += pipe.session.recv(step)
        except ssl.SSLWantReadError:
            continue
        except BlockingIOError:
            break
    assert got == b"".join(sent)
    pipe.ended = True
    assert pipe.session.recv(step) == b""


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=3))
@settings(max_examples=20)
def test_what_is_sealed_arrives(sizes: list[int]) -> None:
    pipe = Pipe()
    for number, size in enumerate(sizes):
        data = bytes([number]) * size
        assert pipe.delivered(pipe.session.seal(data)) == data


def closing(pipe: Pipe) -> None:
    """The peer says that it has said everything, and keeps the connection."""
    with contextlib.suppress(ssl.SSLWantReadError):
        pipe.peer.unwrap()
    pipe.answer(b"")


def test_an_end_behind_the_last_bytes_is_told_with_them() -> None:
    pipe = Pipe()
    pipe.answer(b"the last")
    closing(pipe)
    assert pipe.session.recv(16_384) == b"the last"
    assert (pipe.session.ended, pipe.found_end) == (True, 1)
    pipe.ended = True
    assert pipe.session.recv(16_384) == b""


def test_an_end_by_itself_is_an_empty_read() -> None:
    pipe = Pipe()
    pipe.answer(b"the last")
    assert pipe.session.recv(16_384) == b"the last"
    assert not pipe.session.ended
    closing(pipe)
    assert pipe.session.recv(16_384) == b""


def test_an_error_behind_the_last_bytes_does_not_take_them_away() -> None:
    pipe = Pipe()
    pipe.answer(b"the last")
    pipe.arrived += b"HTTP/1.1 200 OK\r\n\r\n"
    assert pipe.session.recv(16_384) == b"the last"
    assert pipe.found_end == 1


def test_what_is_no_record_is_an_error() -> None:
    pipe = Pipe()
    pipe.arrived += b"HTTP/1.1 200 OK\r\n\r\n"
    with pytest.raises(ssl.SSLError):
        pipe.session.recv(16_384)


def test_a_peer_that_misses_our_certificate_is_told_as_such() -> None:
    """Under TLS 1.3 it says so only when the handshake is over for us, and the request sent."""

    def never(peer: Peer) -> None:
        raise AssertionError("the handshake must fail")

    with Server(never, tls="localhost") as server:
        context = server._context
        assert context is not None
        context.load_verify_locations(CERTS / "localhost.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        target = {"url": server.url, "timeout": "20s", "cacert": str(CERTS / "localhost.pem")}
        result = run(scenario([{"connections": 1, "events": 1}], target), direct)
    assert result.outcomes == ["tls"]
    assert result.column(Column.sent)[0] > 0
    (sample,) = result.samples
    assert "certificate required" in sample.error


def below(sock: socket.socket, data: bytes) -> None:
    """Send what the server's TLS knows nothing of."""
    with socket.socket(fileno=os.dup(sock.fileno())) as raw:
        raw.sendall(data)


@pytest.mark.parametrize("pieces", [1, 2])
def test_what_only_looks_like_a_record_ends_its_event_and_the_next_has_a_new_session(pieces: int) -> None:
    record = b"\x17\x03\x03\x00\x40" + bytes(64)

    def forges(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        peer.request()
        below(peer.sock, record[: len(record) // pieces])
        if pieces == 2:
            time.sleep(0.05)  # so that it is read in two pieces; in one, it is the other case
            below(peer.sock, record[len(record) // 2 :])

    with Server(forges, tls="localhost") as server:
        result = run(secured(server.url, 4), direct)
    assert result.outcomes == ["200", "tls", "200", "tls"]
    assert "decryption failed or bad record mac" in result.samples[0].error


def secured(url: str, events: int, **target: Any) -> Scenario:
    ways = {"url": url, "timeout": "20s", "cacert": str(CERTS / "localhost.pem"), **target}
    return scenario([{"connections": 1, "events": events}], ways)


def test_a_body_without_length_ends_with_the_session_not_with_the_connection() -> None:
    def says_goodbye(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        assert isinstance(peer.sock, ssl.SSLSocket)
        peer.sock.unwrap()  # waits for us

    with Server(says_goodbye, tls="localhost") as server:
        result = run(secured(server.url, 2), direct)
    assert result.outcomes == ["200", "200"]


def test_bytes_are_those_of_the_request_not_of_its_records() -> None:
    seen: list[int] = []

    def counts(peer: Peer) -> None:
        while True:
            seen.append(len(peer.request()))
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with Server(counts, tls="localhost") as server:
        result = run(secured(server.url, 3), direct)
    assert result.outcomes == ["200"] * 3
    assert result.column(Column.bytes_sent) == seen


def test_a_request_that_cannot_be_sealed_is_one_failed_event(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    calls = 0
    begin = TlsSession.__init__

    def breaks_once(self: TlsSession, *given: Any) -> None:
        begin(self, *given)
        encrypt = self._encrypt

        def encrypts(data: bytes) -> int:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise ssl.SSLError(ssl.SSL_ERROR_SSL, "protocol is shutdown")
            return encrypt(data)

        self._encrypt = encrypts

    monkeypatch.setattr(TlsSession, "__init__", breaks_once)
    with Server(answers, tls="localhost") as server:
        result = run(secured(server.url, 4), direct)
    assert result.outcomes == ["200", "tls", "200", "200"]
    assert result.column(Column.sent)[1] == result.column(Column.bytes_sent)[1] == 0
    (sample,) = result.samples
    assert "protocol is shutdown" in sample.error

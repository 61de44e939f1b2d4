"""A session gives the same bytes however the wire cuts them; what the peer says against it is told as TLS."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.engine.tls import TlsSession
from loadsim.model import Column
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
        self.session = TlsSession(CLIENT, "localhost", self.receive)
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


def test_the_end_of_the_stream_is_told_after_what_came_before_it() -> None:
    pipe = Pipe()
    pipe.answer(b"the last")
    try:
        pipe.peer.unwrap()
    except ssl.SSLWantReadError:
        pass
    pipe.answer(b"")
    assert pipe.session.recv(16_384) == b"the last"
    pipe.ended = True
    assert pipe.session.recv(16_384) == b""


def test_what_is_no_record_is_an_error() -> None:
    pipe = Pipe()
    pipe.arrived += b"HTTP/1.1 200 OK\r\n\r\n"
    with pytest.raises(ssl.SSLError):
        pipe.session.recv(16_384)


def test_a_peer_that_misses_our_certificate_is_told_as_such(tmp_path: Path) -> None:
    """Under TLS 1.3 it says so only when the handshake is over for us, and the request sent."""

    def never(peer: Peer) -> None:
        raise AssertionError("the handshake must fail")

    with Server(never, tls="localhost") as server:
        context = server._context
        assert context is not None
        context.load_verify_locations(CERTS / "localhost.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        target = {"url": server.url, "timeout": "10s", "cacert": str(CERTS / "localhost.pem")}
        result = run(scenario([{"connections": 1, "events": 1}], target), direct)
    assert result.outcomes == ["tls"]
    assert result.column(Column.sent)[0] > 0
    (sample,) = result.samples
    assert "certificate required" in sample.error

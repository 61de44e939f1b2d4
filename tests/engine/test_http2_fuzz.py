"""Laws of a connection over HTTP/2 that no bytes of a server's may break, with the sockets left out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import hpack
import hyperframe.frame as hf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import loadsim.engine.http2_transport as transport_module
from loadsim.engine.delivery_headers import DeliveryHeaders
from loadsim.engine.endpoint_socket import CLOSED, READY
from loadsim.engine.http2_session import Http2Session
from loadsim.engine.http2_transport import Http2Transport
from loadsim.engine.resolved_endpoint import resolve
from loadsim.model import SignedRequest
from loadsim.plan import Target
from tests.engine import http2_servers as wire
from tests.engine.http2_sending import NEVER, Sent, check_accounts
from tests.engine.running import outcome

WIRE = resolve(Target(url="http://127.0.0.1:9/hook", http="2"))


class FakeSocket:
    """Takes whatever is written, or nothing more."""

    def __init__(self) -> None:
        self.written = b""
        self.full = False

    def send(self, data: bytes) -> int:
        if self.full:
            raise BlockingIOError
        self.written += data
        return len(data)

    def recv(self, size: int, room: int = 0) -> bytes:
        raise BlockingIOError

    recvmsg = recv

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass


class Bare(Http2Session):
    """A connection without a socket, which is there at once."""

    __slots__ = ("sock",)

    def _connect(self) -> None:
        self.sock = FakeSocket()
        self._take(cast("Any", self.sock))
        self.connected_ns = 1
        self._of.soon(self._arrive)

    def _arrive(self) -> None:
        if self.state != CLOSED:
            self._ready(0)


class BareTransport(Http2Transport):
    """Reads what it is given, and calls back when it is asked to."""

    def __init__(self, streams: int, reuse: int) -> None:
        super().__init__(cast("Any", None), WIRE, DeliveryHeaders("run"), streams=streams, reuse=reuse)
        self._due: list[Callable[[], None]] = []
        self.made: list[Bare] = []

    def start(self, owner: Any) -> None:
        self.owner = owner

    def add(self, one: Any) -> None:
        pass

    def modify(self, fd: int, mask: int) -> None:
        pass

    def remove(self, one: Any) -> None:
        pass

    def bury(self, sock: Any) -> None:
        pass

    def soon(self, report: Callable[[], None]) -> None:
        self._due.append(report)

    def later(self, one: Any, code: int) -> None:
        raise AssertionError("nothing fails here")

    def turn(self) -> None:
        """The loop's next turns, until nothing is due."""
        for _ in range(1000):
            due, self._due = self._due, []
            if not due:
                return
            for call in due:
                call()
        raise AssertionError("it never comes to rest")

    def feed(self, session: Bare, data: bytes) -> None:
        """One read, as the set makes it."""
        if session.state == READY:
            self._reading = True
            try:
                session.take(data, 2, 0)
            finally:
                self._reading = False
            answers, self.answers = self.answers, []
            if answers:
                self.owner.on_answers(answers)
        self.turn()
        check_accounts(self)

    def shut(self) -> None:
        for place in self.connections():
            place.close()
        self.turn()
        self._epoll.close()


class Asker:
    """Sends requests on as many places; with `again`, the next one wherever an answer came."""

    looked_ns = 0

    def __init__(self, transport: BareTransport, places: int, *, again: bool) -> None:
        self.transport, self.again = transport, again
        self.sent = Sent()
        self.indexes = itertools.count()
        self.busy: set[int] = set()
        transport.start(self)
        for _ in range(places):
            self.open()
        transport.turn()

    def _next(self) -> tuple[int, SignedRequest]:
        index = next(self.indexes)
        self.busy.add(index)
        size = (0, 3, 70_000, 5)[index % 4]
        return index, SignedRequest(b"webhook-signature: v1,%d\r\n" % index, b"b" * size)

    def open(self) -> None:
        place = self.transport.open()
        place.event = self._next()

    def on_handshake(self, connection: Any, connect_ns: int, tls_ns: int) -> None:
        assert connection.event is not None

    def on_open(self, connection: Any) -> None:
        assert connection.opened
        index, request = connection.event
        connection.send(request, index)

    def on_done(self, connection: Any, code: int, done_ns: int) -> None:
        self.on_answers([(connection, code, done_ns)])

    def on_answers(self, answers: Sequence[Any]) -> None:
        free = []
        for place, code, _ in answers:
            index, _ = place.event
            assert index in self.busy
            self.busy.remove(index)
            place.event = None
            self.sent.outcomes[index] = outcome(code)
            if code < 1000:
                place.raw_response()
            else:
                assert place.error_text()
            if not place.reusable:
                place.close()
                if self.again:
                    self.open()
            elif self.again:
                place.event = index, request = self._next()
                free.append((place, request, index))
        if free:
            self.transport.send_all(free)

    def on_lost(self, connection: Any) -> None:
        assert connection.event is None
        assert connection.session is None

    def on_internal(self, connection: Any, error: Exception) -> None:
        raise error


@pytest.fixture(autouse=True, scope="module")
def _bare() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport_module, "Http2Session", Bare)
        yield


def requests_in(sessions: Sequence[Bare]) -> list[str]:
    """The X-Loadsim-Id of every request that was written."""
    ids = []
    for session in sessions:
        decoder = hpack.Decoder()
        data = memoryview(session.sock.written)[len(wire.PREFACE) :] if session.sock.written else memoryview(b"")
        block = b""
        while data:
            frame, size = hf.Frame.parse_frame_header(data[:9], strict=True)
            frame.parse_body(data[9 : 9 + size])
            data = data[9 + size :]
            if isinstance(frame, hf.HeadersFrame | hf.ContinuationFrame):
                block += frame.data
                if "END_HEADERS" in frame.flags:
                    fields = dict(decoder.decode(block, raw=True))
                    ids.append(fields[b"x-loadsim-id"].decode())
                    block = b""
    return ids


# -- what a server may send -------------------------------------------------------------------------------------------

STREAMS = st.sampled_from([1, 1, 1, 3, 3, 5, 7, 9, 11, 13, 0, 2, 101])
SIZES = st.sampled_from([0, 1, 5, 16_384, 65_535, 70_000, wire.MOST, 2**31, 2**32 - 1])
VALUES = st.tuples(st.sampled_from([1, 2, 3, 3, 4, 4, 5, 6, 9]), st.one_of(st.integers(0, 8), SIZES))
FIELDS = st.lists(
    st.sampled_from([("content-length", "2"), ("content-length", "0"), ("x", "y"), ("connection", "close"), ("X", "")]),
    max_size=2,
)
STATUSES = st.sampled_from(["200", "200", "200", "204", "304", "404", "500", "100", "103", "101", "0"])


def _raw(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return wire.raw(kind, flags, stream, payload)


FRAMES = st.one_of(
    st.builds(wire.answer, STREAMS),
    st.builds(wire.answer, STREAMS),
    st.builds(wire.answer, STREAMS, st.sampled_from([200, 404, 500, 103])),
    st.builds(
        lambda s, code, more, end: wire.headers(s, (":status", code), *more, end=end),
        STREAMS,
        STATUSES,
        FIELDS,
        st.booleans(),
    ),
    st.builds(lambda s, more, end: wire.headers(s, *more, end=end), STREAMS, FIELDS, st.booleans()),
    st.builds(lambda s, body, end: wire.data(s, body, end=end), STREAMS, st.binary(max_size=4), st.booleans()),
    st.builds(wire.settings, VALUES),
    st.builds(lambda values: wire.settings(*values), st.lists(VALUES, max_size=3)),
    st.builds(wire.window, STREAMS, SIZES.map(lambda size: size & wire.MOST)),
    st.builds(wire.rst, STREAMS, st.integers(0, 15)),
    st.builds(
        wire.goaway, st.sampled_from([0, 1, 3, 5, 9, wire.MOST]), st.sampled_from(["NO_ERROR", "INTERNAL_ERROR"])
    ),
    st.builds(lambda data: wire.raw(wire.PING, 0, 0, data), st.binary(min_size=8, max_size=8)),
    st.builds(_raw, st.integers(0, 11), st.integers(0, 255), STREAMS, st.binary(max_size=12)),
    st.builds(lambda s, flags: wire.raw(wire.CONTINUATION, flags, s, b""), STREAMS, st.sampled_from([0, 4])),
    st.builds(
        lambda s, flags: wire.raw(wire.HEADERS, flags, s, wire.block((":status", "200"))), STREAMS, st.integers(0, 63)
    ),
)
GREETINGS = st.one_of(
    st.just(wire.settings()),
    st.builds(lambda streams: wire.settings((3, streams)), st.integers(0, 8)),
    st.builds(lambda streams, size: wire.settings((3, streams), (4, size)), st.integers(1, 8), st.integers(0, 80_000)),
    st.builds(lambda size: wire.settings((1, size)), st.integers(0, 5000)),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Valid frames with some bytes changed, taken away or put in."""
    data = bytearray(draw(GREETINGS) + b"".join(draw(st.lists(FRAMES, max_size=8))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from("xdi"))
        if kind == "x" and at < len(data):
            data[at] ^= draw(st.integers(1, 255))
        elif kind == "d":
            del data[at : at + draw(st.integers(1, 9))]
        else:
            data[at:at] = draw(st.binary(max_size=9))
    return bytes(data)


def sessions_of(transport: BareTransport) -> list[Bare]:
    return cast("list[Bare]", list(transport.shared.sessions))


def never_twice(asker: Asker, every: Sequence[Bare]) -> None:
    """Each event is written at most once, whatever became of it, and has one outcome or is still busy."""
    ids = requests_in(every)
    assert len(ids) == len(set(ids))
    begun = next(asker.indexes)
    assert asker.sent.outcomes.keys() | asker.busy == set(range(begun))
    assert not asker.sent.outcomes.keys() & asker.busy
    held = [place.event[0] for place in asker.transport.connections() if place.event is not None]
    assert sorted(held) == sorted(asker.busy)
    for index, code in asker.sent.outcomes.items():
        if code.isdigit():
            assert f"run/{index}/1" in ids


def fuzzed(steps: Sequence[tuple[int, bytes]], *, places: int, streams: int, reuse: int) -> None:
    """Feed connections, chosen by number, with what a server may have sent."""
    transport = BareTransport(streams, reuse)
    every: dict[Bare, None] = {}
    try:
        asker = Asker(transport, places, again=True)
        for which, data in steps:
            living = sessions_of(transport)
            every |= dict.fromkeys(living)
            if not living:
                break
            session = living[which % len(living)]
            transport.feed(session, data or b"?")
            every |= dict.fromkeys(sessions_of(transport))
            if len(every) > 300:
                break
        never_twice(asker, list(every))
    finally:
        transport.shut()


STEPS = st.lists(st.tuples(st.integers(0, 5), st.one_of(GREETINGS, FRAMES, FRAMES, FRAMES)), max_size=30)
NUMBERS = {
    "places": st.integers(1, 9),
    "streams": st.sampled_from([1, 2, 4, 100]),
    "reuse": st.sampled_from([1, 3, 7, NEVER]),
}
slowly = pytest.mark.slow


@settings(max_examples=400)
@given(steps=STEPS, **NUMBERS)
def test_no_frames_break_the_accounts(steps: Any, places: int, streams: int, reuse: int) -> None:
    fuzzed(steps, places=places, streams=streams, reuse=reuse)


@settings(max_examples=400)
@given(steps=st.lists(st.tuples(st.integers(0, 5), mutated()), max_size=6), **NUMBERS)
def test_no_bytes_break_the_accounts(steps: Any, places: int, streams: int, reuse: int) -> None:
    fuzzed(steps, places=places, streams=streams, reuse=reuse)


@slowly
@settings(max_examples=500)
@given(steps=STEPS, **NUMBERS)
def test_no_frames_break_the_accounts_in_many_more_cases(steps: Any, places: int, streams: int, reuse: int) -> None:
    fuzzed(steps, places=places, streams=streams, reuse=reuse)


@slowly
@settings(max_examples=500)
@given(steps=st.lists(st.tuples(st.integers(0, 5), mutated()), max_size=6), **NUMBERS)
def test_no_bytes_break_the_accounts_in_many_more_cases(steps: Any, places: int, streams: int, reuse: int) -> None:
    fuzzed(steps, places=places, streams=streams, reuse=reuse)


def outcomes_of(pieces: Sequence[bytes]) -> tuple[dict[int, str], set[int], list[bytes]]:
    """What comes of these bytes; empty pieces are left out, since to read nothing is the end of a connection."""
    transport = BareTransport(100, NEVER)
    try:
        asker = Asker(transport, 5, again=False)
        (session,) = sessions_of(transport)
        for piece in filter(None, pieces):
            transport.feed(session, piece)
        return asker.sent.outcomes, asker.busy, [session.sock.written[-8:] if session.state == CLOSED else b""]
    finally:
        transport.shut()


@settings(max_examples=300)
@given(mutated(), st.data())
def test_it_does_not_matter_how_the_bytes_come(data: bytes, more: st.DataObject) -> None:
    """In one piece, byte by byte, or cut anywhere: the same events end in the same way."""
    whole = outcomes_of([data])
    assert outcomes_of([data[at : at + 1] for at in range(len(data))])[:2] == whole[:2]
    cuts = sorted(more.draw(st.lists(st.integers(1, max(len(data) - 1, 1)), max_size=5, unique=True)))
    pieces = [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]
    assert outcomes_of(pieces)[:2] == whole[:2]

"""Loopback servers over HTTP/2 that misbehave frame by frame, and one that judges what it is sent.

`Http2Peer` is what a script has in hand: it reads frames with `hyperframe`, headers with `hpack`, and writes anything.
`JudgeServer` is one by `h2`, which refuses whatever a client may not send. Nothing here uses loadsim's own frames.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from unittest import mock

import h2.config
import h2.connection
import h2.events
import h2.settings
import hpack
import hyperframe.frame as hf
from h2.errors import ErrorCodes

from loadsim.measure.trace_ids import TraceIds
from tests.engine.running import MakeTransport
from tests.engine.servers import GoneError, Peer, Server

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, PRIORITIZED = 1, 4, 8, 32
TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, WINDOW_SIZE, FRAME_SIZE, LIST_SIZE = range(1, 7)
MOST = 2**31 - 1
CODES = {code.name: int(code) for code in ErrorCodes}


def raw(kind: int, flags: int, stream: int, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """Any frame, valid or not. `length`: what it claims."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def settings(*values: tuple[int, int]) -> bytes:
    """A SETTINGS frame."""
    return raw(SETTINGS, 0, 0, b"".join(struct.pack(">HI", key, value) for key, value in values))


def window(stream: int, size: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return raw(WINDOW, 0, stream, struct.pack(">I", size))


def rst(stream: int, code: str | int) -> bytes:
    """A RST_STREAM frame."""
    return raw(RST, 0, stream, struct.pack(">I", CODES[code] if isinstance(code, str) else code))


def goaway(last: int, code: str = "NO_ERROR", debug: bytes = b"") -> bytes:
    """A GOAWAY frame."""
    return raw(GOAWAY, 0, 0, struct.pack(">II", last, CODES[code]) + debug)


def block(*fields: tuple[str | bytes, str | bytes], huffman: bool = False) -> bytes:
    """A block of headers that uses no table of the client's."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    encoder.table_size_changes.clear()
    return bytes(encoder.encode(list(fields), huffman=huffman))


def headers(stream: int, *fields: tuple[str | bytes, str | bytes], end: bool = False) -> bytes:
    """A HEADERS frame with a whole block."""
    return raw(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block(*fields))


def data(stream: int, body: bytes = b"", *, end: bool = True) -> bytes:
    """A DATA frame."""
    return raw(DATA, END_STREAM if end else 0, stream, body)


def answer(stream: int, status: int = 200, body: bytes = b"ok", *fields: tuple[str, str]) -> bytes:
    """A whole answer."""
    of = [(":status", str(status)), *fields, ("content-length", str(len(body)))]
    return headers(stream, *of) + data(stream, body)


@dataclass
class Asked:
    """A request that came whole."""

    stream: int
    fields: list[tuple[bytes, bytes]]
    body: bytes
    block: bytes
    """Its headers as they came."""
    frames: list[int] = field(default_factory=list)
    """The sizes of its DATA frames."""

    @property
    def id(self) -> str:
        """The value of X-Loadsim-Id."""
        return next(value.decode() for name, value in self.fields if name == b"x-loadsim-id")


class Http2Peer:
    """One accepted connection over HTTP/2, seen from a server's script."""

    def __init__(self, peer: Peer, log: list[str], ends: dict[int, str]) -> None:
        self.peer, self._log, self._ends = peer, log, ends
        self.number = peer.number
        self._decoder = hpack.Decoder()
        self._kept = b""
        self._open: dict[int, Asked] = {}
        self.resets: list[tuple[int, int]] = []
        """Streams that the client reset, with the codes."""
        self.pongs: list[bytes] = []
        self.acks = 0
        self._greeting = b""
        self.window = self._first = 65_535
        """How much the client may send on the connection; on each new stream."""
        self.windows: dict[int, int] = {}
        """And on each stream that it has opened, where `values` and `allow` say all that is allowed."""
        self.overdrawn = False
        """Whether more came than a window let."""
        self._promised: list[int | None] = []

    def greet(self, *values: tuple[int, int]) -> Self:
        """Read the preface with the client's settings, and send SETTINGS: large windows unless told otherwise."""
        while len(self._kept) < len(PREFACE):
            self._more()
        assert self._kept.startswith(PREFACE)
        self._kept = self._kept[len(PREFACE) :]
        self._greeting = self._noted(values or ((WINDOW_SIZE, MOST),))
        if not values:
            self._greeting += window(0, MOST - 65_535)
            self.window = MOST
        assert isinstance(self.frame(), hf.SettingsFrame)
        return self

    def send(self, *frames: bytes) -> None:
        """Write bytes."""
        self.peer.send(b"".join(frames))

    def _noted(self, values: Iterable[tuple[int, int]]) -> bytes:
        self._promised.append(dict(values).get(WINDOW_SIZE))
        return settings(*values)

    def values(self, *values: tuple[int, int]) -> None:
        """Change settings; a window counts when the client says that it knows it."""
        self.send(self._noted(values))

    def allow(self, stream: int, size: int) -> None:
        """Open a window."""
        if stream:
            self.windows[stream] += size
        else:
            self.window += size
        self.send(window(stream, size))

    def _more(self) -> None:
        try:
            got = self.peer.sock.recv(65_536)
        except OSError:
            raise GoneError from None
        if not got:
            raise GoneError
        self._kept += got

    def frame(self) -> Any:
        """The client's next frame, noted."""
        while len(self._kept) < 9:
            self._more()
        frame, size = hf.Frame.parse_frame_header(memoryview(self._kept[:9]), strict=True)
        assert size <= 2**14 or isinstance(frame, hf.DataFrame)
        while len(self._kept) < 9 + size:
            self._more()
        frame.parse_body(memoryview(self._kept[9 : 9 + size]))
        self._kept = self._kept[9 + size :]
        self._note(frame)
        return frame

    def _note(self, frame: Any) -> None:
        stream = frame.stream_id
        if isinstance(frame, hf.SettingsFrame):
            if "ACK" in frame.flags:
                self.acks += 1
                first = self._promised.pop(0) if self._promised else None
                if first is not None:
                    self.windows = {number: size + first - self._first for number, size in self.windows.items()}
                    self._first = first
            else:
                self.send(self._greeting + raw(SETTINGS, 1, 0))
                self._greeting = b""
        elif isinstance(frame, hf.RstStreamFrame):
            self.resets.append((stream, frame.error_code))
        elif isinstance(frame, hf.PingFrame):
            assert "ACK" in frame.flags
            self.pongs.append(frame.opaque_data)
        elif isinstance(frame, hf.GoAwayFrame):
            self._ends[self.number] = next(name for name, code in CODES.items() if code == frame.error_code)
        elif isinstance(frame, hf.HeadersFrame):
            self._open[stream] = Asked(stream, [], b"", frame.data)
            self.windows[stream] = self._first
        elif isinstance(frame, hf.ContinuationFrame):
            self._open[stream].block += frame.data
        elif isinstance(frame, hf.DataFrame):
            self._open[stream].body += frame.data
            self._open[stream].frames.append(len(frame.data))
            self.window -= frame.flow_controlled_length
            self.windows[stream] -= frame.flow_controlled_length
            self.overdrawn |= bool(frame.data) and (self.window < 0 or self.windows[stream] < 0)
        if "END_HEADERS" in frame.flags:
            asked = self._open[stream]
            asked.fields = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(asked.block, raw=True)]
            self._log.append(asked.id)

    def opened(self) -> Asked:
        """The next request of which the headers are there."""
        while True:
            frame = self.frame()
            if "END_HEADERS" in frame.flags:
                return self._open[frame.stream_id]

    def request(self) -> Asked:
        """The next request that is whole."""
        while True:
            frame = self.frame()
            if "END_STREAM" in frame.flags:
                return self._open[frame.stream_id]

    def requests(self, count: int) -> list[Asked]:
        """So many whole requests."""
        return [self.request() for _ in range(count)]

    def serve(self, *more: tuple[str, str]) -> None:
        """Answer everything until the client goes."""
        while True:
            self.send(answer(self.request().stream, 200, b"ok", *more))

    def drain(self) -> None:
        """Read, and note, until the client goes."""
        while True:
            self.frame()


Script = Callable[[Http2Peer], None]


class Http2Server(Server):
    """Lets a script loose on each connection. `log`: the X-Loadsim-Id of each request's headers that came; `ends`: by
    connection, the name of the code with which the client said goodbye."""

    def __init__(self, script: Script, *, tls: bool = False, **options: Any) -> None:
        self.log: list[str] = []
        self.ends: dict[int, str] = {}
        super().__init__(
            lambda peer: script(Http2Peer(peer, self.log, self.ends)), tls="localhost" if tls else None, **options
        )
        if self._context is not None:
            self._context.set_alpn_protocols(["h2"])

    @contextlib.contextmanager
    def time(self) -> Iterator[None]:
        """The transport has the engine's clock, so that events after an hour that passed at once have their time."""
        with contextlib.ExitStack() as stack:
            for module in ("endpoint_socket", "http2_answers", "http2_requests", "http2_session", "http2_transport"):
                stack.enter_context(mock.patch(f"loadsim.engine.{module}.monotonic_ns", self.clock))
            yield

    def sent_once(self, sent: int) -> None:
        """So many different events came, none of them twice."""
        assert len(self.log) == len(set(self.log)) == sent


def then_well(bad: Script, connections: int = 1) -> Script:
    """The first connections get `bad`, all later ones are served."""

    def script(peer: Http2Peer) -> None:
        if peer.number < connections:
            bad(peer)
        else:
            peer.greet().serve()

    return script


# -- the judge --------------------------------------------------------------------------------------------------------


class Judged:
    """One connection that `h2` serves: any frame that a client may not send fails the test."""

    def __init__(self, peer: Peer, log: list[Asked], values: Mapping[int, int]) -> None:
        self.peer, self.log = peer, log
        self.number = peer.number
        config = h2.config.H2Configuration(client_side=False, validate_inbound_headers=True, header_encoding=None)
        self.h2 = h2.connection.H2Connection(config)
        by_code = {h2.settings.SettingCodes(key): value for key, value in values.items()}
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values=by_code)
        if TABLE_SIZE in values:
            self.h2.decoder.max_allowed_table_size = values[TABLE_SIZE]
        self.h2.max_inbound_frame_size = values.get(FRAME_SIZE, 2**14)
        self.open: dict[int, Asked] = {}
        self.most_open = 0
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Write what `h2` has to say."""
        if due := self.h2.data_to_send():
            self.peer.send(due)

    def events(self) -> Iterable[Any]:
        """What came next."""
        try:
            got = self.peer.sock.recv(65_536)
        except OSError:
            raise GoneError from None
        if not got:
            raise GoneError
        happened = self.h2.receive_data(got)
        for event in happened:
            self._note(event)
        return happened

    def _note(self, event: Any) -> None:
        if isinstance(event, h2.events.RequestReceived):
            fields = [(bytes(name), bytes(value)) for name, value in event.headers]
            self.open[event.stream_id] = Asked(event.stream_id, fields, b"", b"")
            self.most_open = max(self.most_open, len(self.open))
        elif isinstance(event, h2.events.DataReceived):
            self.open[event.stream_id].body += event.data
            self.open[event.stream_id].frames.append(event.flow_controlled_length)
        elif isinstance(event, h2.events.StreamEnded):
            self.log.append(self.open[event.stream_id])

    def answer(self, stream: int, body: bytes = b"ok", status: int = 200) -> None:
        """A whole answer, as far as the client's windows let."""
        self.open.pop(stream, None)
        self.h2.send_headers(stream, [(":status", str(status)), ("content-length", str(len(body)))])
        size = self.h2.max_outbound_frame_size
        for at in range(0, len(body), size):
            self.h2.send_data(stream, body[at : at + size])
        self.h2.end_stream(stream)
        self.flush()

    def serve(self) -> None:
        """Take all bodies at once, and answer each request when it is whole."""
        while True:
            for event in self.events():
                if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.answer(event.stream_id)
            self.flush()


class JudgeServer(Server):
    """Lets `script` loose on connections that `h2` judges. `log`: the requests that came whole."""

    def __init__(
        self, script: Callable[[Judged], None] = Judged.serve, *, tls: bool = False, values: Mapping[int, int] = {}
    ) -> None:
        self.log: list[Asked] = []
        super().__init__(lambda peer: script(Judged(peer, self.log, values)), tls="localhost" if tls else None)
        if self._context is not None:
            self._context.set_alpn_protocols(["h2"])

    def sent_once(self, sent: int) -> None:
        """So many different events came whole, none of them twice."""
        ids = [asked.id for asked in self.log]
        assert len(ids) == len(set(ids)) == sent


def over_http2(*, streams: int = 100, reuse: int | None = None, traces: TraceIds | None = None) -> MakeTransport:
    """Makes the transport that is tested."""
    import asyncio

    from loadsim.engine.arrivals import NEVER
    from loadsim.engine.delivery_headers import DeliveryHeaders
    from loadsim.engine.http2_transport import Http2Transport
    from loadsim.engine.resolved_endpoint import resolve
    from loadsim.plan import Target

    def make(loop: asyncio.AbstractEventLoop, target: Target) -> Any:
        return Http2Transport(
            loop, resolve(target), DeliveryHeaders("run", traces), streams=streams, reuse=reuse or target.reuse or NEVER
        )

    return make

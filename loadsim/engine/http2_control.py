"""What comes over HTTP/2 beside known answers: settings, windows, resets, new header blocks, and what breaks the rules.

The rules are those of RFC 9113; a peer that breaks them is told the error code that the RFC names. Frames that bring
nothing forward are counted, so that a peer cannot keep us busy with them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from loadsim.engine.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FIRST_TABLE,
    HEADER_SIZE,
    MOST_WINDOW,
    PADDED,
    PRIORITY,
    ConnectionFault,
    Reason,
    Setting,
    Type,
    frame,
    reason_name,
    settings_in,
    unpadded,
)
from loadsim.engine.http2_headers import MAX_BLOCK, AnswerBlocks, resized
from loadsim.engine.http2_stream import StreamPlace
from loadsim.engine.response_parser import MAX_BODY
from loadsim.error_kinds import ErrorKind

_MOST_IDLE = 10_000
"""Frames that bring nothing forward, between two answers."""
_PIECE = 1024
"""A window that lets so much of a body go on brings it forward, and makes up for _FORWARD frames that do not."""
_FORWARD = 16
_MOST_IGNORED = 10_000
"""Cancelled streams that are remembered, for what may still come on them."""
_MOST_OWED = 10_000
"""Answers to PING and SETTINGS that the peer made us write, and did not read."""
_MOST_INTERIMS = 64
"""Blocks of headers before the answer's own (1xx)."""


Place = StreamPlace[Any]


class Session(Protocol):
    """The interface of the connection that the frames are of."""

    settled: bool
    """Whether the peer's settings have come."""
    next: int
    """Number of the next stream."""
    events: int
    """Answers so far."""
    window: int
    frame_size: int
    out: list[bytes]
    """Frames to be written."""

    @property
    def pending(self) -> bytes | memoryview:
        """What the kernel did not take yet."""

    @property
    def control(self) -> Control:
        """Its Control."""

    @property
    def streams(self) -> Mapping[int, Place]:
        """The open ones."""

    @property
    def blocks(self) -> AnswerBlocks:
        """What is known of answers' headers."""

    def consume(self, size: int) -> None:
        """So much of our window was used."""

    def settle(self, table: int | None, streams: int | None) -> None:
        """The peer's settings came."""

    def resize_windows(self, size: int) -> None:
        """Each stream's window is another one."""

    def send_bodies(self) -> None:
        """As much of the bodies that wait as the windows let."""

    def over(self, place: Any, now: int, receipt: int = 0) -> None:
        """An answer ended with its stream."""

    def fail_stream(self, place: Any, kind: ErrorKind, why: str, reason: Reason = Reason.PROTOCOL_ERROR) -> None:
        """End one event; the connection goes on."""

    def reset(self, place: Any, code: int) -> None:
        """The peer ended a stream."""

    def go_away(self, last: int, code: int) -> None:
        """The peer processes no stream after `last`."""


class Received(NamedTuple):
    """A frame that came."""

    kind: int
    flags: int
    number: int
    """Of its stream; 0: the connection."""
    payload: bytes


class Control:
    """The frames of one connection that are not the short way's."""

    __slots__ = (
        "_answered",
        "_flags",
        "_fragments",
        "_idle",
        "_ignored",
        "_number",
        "_owed",
        "_size",
        "within_block",
    )

    def __init__(self) -> None:
        self.within_block = False
        """Nothing but CONTINUATION may come now."""
        self._number = self._flags = self._size = 0
        self._fragments: list[bytes] = []
        self._ignored: dict[int, None] = {}
        self._idle = 0
        self._answered = 0
        self._owed = 0

    def owe(self, session: Session, answer: bytes) -> None:
        """Answer a frame of the peer's. Raises ConnectionFault where it does not read what it asks for."""
        if not session.pending:
            self._owed = 0
        self._owed += 1
        if self._owed > _MOST_OWED:
            raise ConnectionFault(Reason.ENHANCE_YOUR_CALM, f"over {_MOST_OWED:,} answers that it does not read")
        session.out.append(answer)

    def ignore(self, number: int) -> None:
        """We have cancelled a stream: what still comes on it is no fault."""
        self._ignored[number] = None
        if len(self._ignored) > _MOST_IGNORED:
            del self._ignored[next(iter(self._ignored))]

    def heed(self, number: int) -> None:
        """The peer has ended a stream too."""
        self._ignored.pop(number, None)

    def take(self, session: Session, got: Received, now: int, receipt: int) -> None:
        """One frame, read at `now`; `receipt`: see Column.receipt. Raises ConnectionFault."""
        kind, number = got.kind, got.number
        if self.within_block and (kind != Type.continuation or number != self._number):
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "another frame within a block of headers")
        if not session.settled and kind != Type.settings:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "the server does not begin with its settings")
        if kind == Type.data:
            self._data(session, got, now, receipt)
        elif kind == Type.headers:
            self._headers(session, got, now, receipt)
        elif kind == Type.continuation:
            self._continuation(session, got, now, receipt)
        else:
            self._idles(session, 1 if kind != Type.settings else 1 + len(got.payload) // 6)
            if kind == Type.push_promise:
                raise ConnectionFault(Reason.PROTOCOL_ERROR, "PUSH_PROMISE, which we had refused")
            handle = _OTHERS.get(kind)
            if handle is not None:  # unknown types are ignored (section 4.1)
                handle(session, got)

    def _idles(self, session: Session, costs: int = 1) -> None:
        """A frame that brings nothing forward, and costs as much as so many."""
        if session.events != self._answered:
            self._answered, self._idle = session.events, 0
        self._idle += costs
        if self._idle > _MOST_IDLE:
            raise ConnectionFault(Reason.ENHANCE_YOUR_CALM, f"over {_MOST_IDLE:,} frames without an answer")

    def useful(self) -> None:
        """A body goes on: that makes up for frames which bring nothing forward, such as other updates of windows."""
        self._idle = max(0, self._idle - _FORWARD)

    def _place(self, session: Session, number: int, what: str) -> Place | None:
        """The stream of a frame; None where it is one that is over for us. Raises ConnectionFault for all others."""
        if not number:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, f"{what} without a stream")
        place = session.streams.get(number)
        if place is None and number not in self._ignored:
            if number >= session.next or not number & 1:
                raise ConnectionFault(Reason.PROTOCOL_ERROR, f"{what} on a stream that was not opened")
            raise ConnectionFault(Reason.STREAM_CLOSED, f"{what} on a stream that is closed")
        return place

    # -- answers ------------------------------------------------------------------------------------------------------

    def _data(self, session: Session, got: Received, now: int, receipt: int) -> None:
        _, flags, number, payload = got
        place = self._place(session, number, "DATA")
        body = unpadded(flags & PADDED, payload)
        session.consume(len(payload))
        if place is None:
            self._idles(session)
            if flags & END_STREAM:
                self.heed(number)
            return
        if not place.status:
            session.fail_stream(place, ErrorKind.protocol, "HTTP/2: a body before its headers")
            return
        place.size += len(body)
        place.bytes_received += HEADER_SIZE + len(payload)
        place.keep(body)
        if place.size > MAX_BODY:
            session.fail_stream(place, ErrorKind.body_limit, "response body over 16 MiB", Reason.CANCEL)
        elif flags & END_STREAM:
            session.over(place, now, receipt)
        elif not body:
            self._idles(session)

    def _headers(self, session: Session, got: Received, now: int, receipt: int) -> None:
        _, flags, number, payload = got
        self._place(session, number, "HEADERS")
        self._number, self._flags, self._size = number, flags, len(payload)
        self._fragments = [unpadded(flags & (PADDED | PRIORITY), payload)]
        self._block(session, flags, now, receipt)

    def _continuation(self, session: Session, got: Received, now: int, receipt: int) -> None:
        if not self.within_block:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        self._idles(session)
        self._size += len(got.payload)
        self._fragments.append(got.payload)
        self._block(session, got.flags, now, receipt)

    def _block(self, session: Session, flags: int, now: int, receipt: int) -> None:
        """A piece of a block came: the last one?"""
        place = session.streams.get(self._number)
        if place is not None:
            place.first_ns = place.first_ns or now
            place.bytes_received += HEADER_SIZE + len(self._fragments[-1])
        if self._size > MAX_BLOCK:
            raise ConnectionFault(Reason.ENHANCE_YOUR_CALM, "header block over 64 KiB")
        self.within_block = not flags & END_HEADERS
        if self.within_block:
            return
        block, self._fragments = b"".join(self._fragments), []
        said = session.blocks.said(block)
        ends = bool(self._flags & END_STREAM)
        if place is None:
            self._idles(session)
            if ends:
                self.heed(self._number)
            return
        fault = said.fault or _misplaced(place.status, said.status, ends)
        if fault:
            session.fail_stream(place, ErrorKind.protocol, f"HTTP/2: {fault}")
        elif 100 <= said.status < 200:
            self._interim(session, place)
        else:
            if said.status:
                place.status, place.length, place.block = said.status, said.length, block
                place.kept = bytearray()
            if ends:
                session.over(place, now, receipt)

    def _interim(self, session: Session, place: Place) -> None:
        self._idles(session)
        place.interims += 1
        if place.interims > _MOST_INTERIMS:
            session.fail_stream(place, ErrorKind.protocol, f"more than {_MOST_INTERIMS} interim responses")


def _settings(session: Session, got: Received) -> None:
    if got.number:
        raise ConnectionFault(Reason.PROTOCOL_ERROR, "SETTINGS on a stream")
    if got.flags & ACK:
        if got.payload:
            raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "SETTINGS that acknowledge and say something")
        if not session.settled:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "the server does not begin with its settings")
        return
    values = settings_in(got.payload)
    last = dict(values)
    # first, since a peer counts by the new values from here on (section 6.5.3): what they allow comes behind
    session.control.owe(session, frame(Type.settings, ACK, 0))
    session.frame_size = last.get(Setting.max_frame_size, session.frame_size)
    if Setting.initial_window_size in last:
        session.resize_windows(last[Setting.initial_window_size])
    tables = [value for key, value in values if key == Setting.header_table_size]
    session.settle(min(tables) if tables else None, last.get(Setting.max_concurrent_streams))


def _ping(session: Session, got: Received) -> None:
    if got.number:
        raise ConnectionFault(Reason.PROTOCOL_ERROR, "PING on a stream")
    if len(got.payload) != 8:
        raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "PING that has not 8 bytes")
    if not got.flags & ACK:
        session.control.owe(session, frame(Type.ping, ACK, 0, got.payload))


def _priority(session: Session, got: Received) -> None:
    """It means nothing to us, but has its rules."""
    if not got.number:
        raise ConnectionFault(Reason.PROTOCOL_ERROR, "PRIORITY without a stream")
    place = session.streams.get(got.number)
    if len(got.payload) != 5 and place is not None:
        why = "HTTP/2: PRIORITY that has not 5 bytes"
        session.fail_stream(place, ErrorKind.protocol, why, Reason.FRAME_SIZE_ERROR)


def _window_update(session: Session, got: Received) -> None:
    if len(got.payload) != 4:
        raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "WINDOW_UPDATE that has not 4 bytes")
    more = int.from_bytes(got.payload, "big") & MOST_WINDOW
    if not got.number:
        if not more:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "WINDOW_UPDATE of 0")
        session.window += more
        if session.window > MOST_WINDOW:
            raise ConnectionFault(Reason.FLOW_CONTROL_ERROR, "a window over 2^31-1")
        _go_on(session)
        return
    place = session.streams.get(got.number)
    if place is None:
        _no_idle_stream(session, got.number, "WINDOW_UPDATE")
    elif not more:
        session.fail_stream(place, ErrorKind.protocol, "HTTP/2: WINDOW_UPDATE of 0")
    elif place.window + more > MOST_WINDOW:
        why = "HTTP/2: a window over 2^31-1"
        session.fail_stream(place, ErrorKind.protocol, why, Reason.FLOW_CONTROL_ERROR)
    else:
        place.window += more
        _go_on(session)


def _go_on(session: Session) -> None:
    before = session.window
    session.send_bodies()
    if before - session.window >= _PIECE:
        session.control.useful()


def _no_idle_stream(session: Session, number: int, what: str) -> None:
    if number >= session.next or not number & 1:
        raise ConnectionFault(Reason.PROTOCOL_ERROR, f"{what} on a stream that was not opened")


def _rst_stream(session: Session, got: Received) -> None:
    if len(got.payload) != 4:
        raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "RST_STREAM that has not 4 bytes")
    if not got.number:
        raise ConnectionFault(Reason.PROTOCOL_ERROR, "RST_STREAM without a stream")
    _no_idle_stream(session, got.number, "RST_STREAM")
    session.control.heed(got.number)
    place = session.streams.get(got.number)
    if place is not None:
        session.reset(place, int.from_bytes(got.payload, "big"))


def _goaway(session: Session, got: Received) -> None:
    if got.number:
        raise ConnectionFault(Reason.PROTOCOL_ERROR, "GOAWAY on a stream")
    if len(got.payload) < 8:
        raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "GOAWAY that has less than 8 bytes")
    last, code = struct.unpack_from(">II", got.payload)
    session.go_away(last & MOST_WINDOW, code)


_OTHERS = {
    int(Type.settings): _settings,
    int(Type.ping): _ping,
    int(Type.priority): _priority,
    int(Type.window_update): _window_update,
    int(Type.rst_stream): _rst_stream,
    int(Type.goaway): _goaway,
}


def _misplaced(before: int, status: int, ends: bool) -> str:
    """Why a block may not stand here, in words: behind an answer's headers come trailers alone, which end it."""
    if before:
        if status:
            return "a second block of headers"
        return "" if ends else "trailers that do not end the answer"
    if not status:
        return "an answer without :status"
    if status == 101 or not 100 <= status < 600:
        return f"the status {status}"
    return "an interim response that ends the stream" if status < 200 and ends else ""


def reset_words(code: int) -> str:
    """A RST_STREAM in words."""
    name = reason_name(code)
    return f"RST_STREAM ({name}): not processed" if code == Reason.REFUSED_STREAM else f"RST_STREAM ({name})"


def told_size(size: int | None) -> bytes:
    """What tells the peer the size of its table of headers, where that is not the usual one."""
    return b"" if size is None or size >= FIRST_TABLE else resized(size)

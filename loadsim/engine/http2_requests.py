"""The requests on one connection over HTTP/2 (RFC 9113): streams are opened, frames written, windows minded."""

from __future__ import annotations

import errno
from typing import Any, Protocol

from loadsim.engine.endpoint_socket import IN, OUT, READY, EndpointSocket, Sockets
from loadsim.engine.http2_control import told_size
from loadsim.engine.http2_frames import (
    END_HEADERS,
    END_STREAM,
    FIRST_FRAME,
    FIRST_TABLE,
    FIRST_WINDOW,
    HEADER_SIZE,
    LAST_STREAM,
    MOST_WINDOW,
    ConnectionFault,
    Reason,
    Type,
    frame,
    rst_stream,
)
from loadsim.engine.http2_headers import AnswerBlocks, RequestHead
from loadsim.engine.http2_repeats import Repeats
from loadsim.engine.http2_stream import StreamPlace
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.transport_interface import ConnectionOwner, Ended
from loadsim.error_kinds import ErrorKind

Place = StreamPlace[Any]
Request = tuple[bytes, bytes]
"""The fields of a request that are not in the head, and its body."""


class Sessions(Sockets[Any], Protocol):
    """The interface of the transport that sessions are of."""

    owner: ConnectionOwner
    head: RequestHead
    blocks: AnswerBlocks
    repeats: Repeats
    answers: list[Ended]
    streams: int
    expected: int
    """How many streams the peer will allow, by what it said on other connections."""
    reuse: int
    piece: int
    """The largest frame of a body."""

    def settled(self, session: Any) -> None:
        """The peer says how many streams it lets be opened, for the first time."""

    def resized(self, session: Any) -> None:
        """It may have more places from now on, or less."""

    def leaves(self, session: Any) -> None:
        """It takes no more places."""

    def elsewhere(self, place: Place, request: Request) -> None:
        """A request that was not sent goes out on another connection."""

    def report(self, ended: list[Ended]) -> None:
        """How events ended, behind what was answered before."""

    def lost(self, place: Place) -> None:
        """A place without an event is gone."""

    def ended(self, session: Any) -> None:
        """It is closed."""


class Http2Requests(EndpointSocket):
    """A connection as far as requests go out on it."""

    __slots__ = (
        "_of",
        "begun",
        "blocked",
        "capacity",
        "events",
        "frame_size",
        "head",
        "last",
        "later_head",
        "leaving",
        "most_at_once",
        "next",
        "out",
        "peak",
        "room",
        "settled",
        "stalled_ns",
        "stalled_since",
        "stream_window",
        "streams",
        "waiting",
        "window",
    )

    def __init__(self, of: Sessions) -> None:
        super().__init__(of)
        self._of = of
        self.streams: dict[int, Place] = {}
        """The open ones, by number."""
        self.waiting: dict[Place, Request] = {}
        """Requests for which the peer lets no stream be opened, or not yet."""
        self.blocked: dict[Place, None] = {}
        """Those of `streams` whose body waits for a window."""
        self.begun: list[Place] = []
        """Those whose requests are in `out`."""
        self.out: list[bytes] = []
        """Frames to be written with the next `flush`."""
        self.settled = self.leaving = False
        self.next = 1
        """Number of the next stream."""
        self.last = min(2 * of.reuse - 1, LAST_STREAM)
        """Number of the last stream that it may have."""
        self.capacity = of.expected
        """How many places it may have."""
        self.room = 0
        """How many streams may be opened now; 0 before the peer's settings, and when it leaves."""
        self.window = FIRST_WINDOW
        """How much of bodies the peer takes on this connection."""
        self.stream_window = FIRST_WINDOW
        """The same of each new stream."""
        self.frame_size = FIRST_FRAME
        self.most_at_once = 0
        """The longest body that goes out at once, in a frame of its own, behind headers in one."""
        self.head = self.later_head = of.head.plain
        """The constant fields of the next request, and of those after it."""
        self.events = self.peak = 0
        self.stalled_ns = self.stalled_since = 0
        """How long there were bodies to send and no window for them; since when there are."""

    def leave(self) -> None:
        """Take no more streams: those that are open go on."""
        raise NotImplementedError

    def ignore(self, number: int) -> None:
        """What still comes on this stream is no fault."""
        raise NotImplementedError

    def cancel(self, place: Place, reason: Reason) -> None:
        """Give a stream up: what still comes on it is ignored."""
        self._forget(place)
        self.ignore(place.number)
        self.out.append(rst_stream(place.number, reason))

    def _forget(self, place: Place) -> None:
        """Its stream is not open any more."""
        del self.streams[place.number]
        self.room += not self.leaving
        place.rest = None
        if place in self.blocked:
            del self.blocked[place]
            self.stall(monotonic_ns())

    def settle(self, table: int | None, streams: int | None) -> None:
        """The peer's settings came: the size of its table of headers, and how many streams it lets be opened, where
        they say so."""
        first, self.settled = not self.settled, True
        head = self._of.head
        if first and head.table <= min(FIRST_TABLE if table is None else table, FIRST_TABLE):
            self.head, self.later_head = told_size(table) + head.first, head.later
        elif table is not None and table < FIRST_TABLE:
            # nothing is put into it again: with a size of 0 it does not matter what sizes it was to have in between
            self.head, self.later_head = told_size(0) + head.plain, head.plain
        if streams is not None or first:
            self.capacity = self._of.streams if streams is None else min(streams, self._of.streams)
        self.room = 0 if self.leaving else self.capacity - len(self.streams)
        self._bound()
        self._of.resized(self)
        if first:
            self._of.settled(self)

    def resize_windows(self, size: int) -> None:
        """Each stream's window is another one from now on, those of open streams by the difference (section 6.9.2)."""
        more = size - self.stream_window
        for place in self.streams.values():
            place.window += more
            if place.window > MOST_WINDOW:
                raise ConnectionFault(Reason.FLOW_CONTROL_ERROR, "a window over 2^31-1")
        self.stream_window = size
        self._bound()
        self.send_bodies()

    def _bound(self) -> None:
        self.most_at_once = min(self.frame_size, self.stream_window, self._of.piece) if self._of.head.short else 0

    def begin(self, place: Place, request: Request) -> None:
        """Open a stream for a request in the general way; `room` is above 0."""
        fields, body = request
        self.room -= 1
        number = self.next
        self.next = number + 2
        place.begin(number)
        place.window = self.stream_window
        block = self.head + fields
        self.head = self.later_head
        ends = 0 if body else END_STREAM
        size = self.frame_size
        most = block[:size]
        frames = [frame(Type.headers, ends | (END_HEADERS if len(block) <= size else 0), number, most)]
        for at in range(size, len(block), size):
            last = END_HEADERS if at + size >= len(block) else 0
            frames.append(frame(Type.continuation, last, number, block[at : at + size]))
        self.out.extend(frames)
        place.bytes_sent = sum(map(len, frames))
        self.streams[number] = place
        self.peak = max(self.peak, len(self.streams))
        self.begun.append(place)
        if body:
            place.rest = memoryview(body)
            self.blocked[place] = None
            self.send_bodies()

    def send_bodies(self) -> None:
        """As much of the bodies that wait as the windows let."""
        most = min(self.frame_size, self._of.piece)
        for place in list(self.blocked):
            rest = place.rest
            assert rest is not None  # noqa: S101 - that is why it is blocked
            while rest and (size := min(len(rest), self.window, place.window, most)) > 0:
                self.window -= size
                place.window -= size
                last = END_STREAM if size == len(rest) else 0
                self.out.append(frame(Type.data, last, place.number, bytes(rest[:size])))
                place.bytes_sent += HEADER_SIZE + size
                rest = rest[size:]
            place.rest = rest or None
            if place.rest is None:
                del self.blocked[place]
        self.stall(monotonic_ns())

    def stall(self, now: int) -> None:
        """Count the time with bodies to send and no window for them."""
        if self.blocked:
            self.stalled_since = self.stalled_since or now
        elif self.stalled_since:
            self.stalled_ns += now - self.stalled_since
            self.stalled_since = 0

    def serve_waiting(self) -> None:
        """Open streams for the requests that wait, as far as the peer lets."""
        now = monotonic_ns()
        while self.waiting and self.room > 0 and self.next <= self.last:
            place = next(iter(self.waiting))
            place.slot_ns = place.ready_ns = now  # until now it has waited
            self.begin(place, self.waiting.pop(place))
        if self.waiting and self.next > self.last:
            self.leave()

    def soon_flushed(self) -> None:
        """Write what is in `out` in the loop's next turn."""
        self._of.soon(self.flush)

    def flush(self) -> None:
        """Write the frames of `out`."""
        if not self.out or self.state != READY:
            return
        data = b"".join(self.out)
        self.out.clear()
        if self._tls is not None:
            try:
                data = self.seal(data)
            except OSError as error:  # ssl.SSLError
                self._why = f"TLS: {error.strerror or error}"
                for place in self.begun:
                    place.sent_ns = place.bytes_sent = 0
                self._of.soon(self._unsealed)
                return
        now = monotonic_ns()
        for place in self.begun:
            place.sent_ns = now
        self.begun.clear()
        sent = 0
        if not self.pending:
            try:
                sent = self.send_bytes(data)
            except BlockingIOError:
                pass
            except OSError as error:
                self._why = error.strerror or str(error)
                self._of.later(self, error.errno or errno.EIO)
                return
            if sent == len(data):
                return
        self.pending = memoryview(bytes(self.pending) + data[sent:])
        self._watch(IN | OUT)

    def _unsealed(self) -> None:
        self._fail(ErrorKind.tls)

    def _count(self, sent: int) -> None:
        pass  # an event's bytes are counted when they are given to its connection

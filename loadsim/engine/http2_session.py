"""One connection over HTTP/2 (RFC 9113): opens streams, writes and reads frames.

Reading has a short way for the frames that nearly all are: the headers of an answer that were seen before, and its
body. All others are the matter of `http2_control`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Protocol

from loadsim.engine.endpoint_socket import CLOSED, IN, OUT, READY, EndpointSocket, Sockets
from loadsim.engine.error_kind_of_failure import kind_of_break, kind_of_end
from loadsim.engine.http2_control import Control, Received, reset_words, told_size
from loadsim.engine.http2_frames import (
    END_HEADERS,
    END_STREAM,
    FIRST_FRAME,
    FIRST_TABLE,
    FIRST_WINDOW,
    HEADER,
    HEADER_SIZE,
    LAST_STREAM,
    MOST_WINDOW,
    PREFACE,
    ConnectionFault,
    Reason,
    Setting,
    Type,
    frame,
    goaway,
    reason_name,
    rst_stream,
    settings,
    window_update,
)
from loadsim.engine.http2_headers import AnswerBlocks, RequestHead
from loadsim.engine.http2_repeats import WORTH, Repeats
from loadsim.engine.http2_stream import StreamPlace
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.response_parser import MAX_BODY
from loadsim.engine.transport_interface import ConnectionOwner, Ended
from loadsim.error_kinds import ErrorKind
from loadsim.outcome_codes import ERROR_BASE

_HEADERS, _RST_STREAM = int(Type.headers), int(Type.rst_stream)
_CODE = 4
"""Bytes of an error code."""
_MOST_HIGH = (FIRST_FRAME >> 8) - 1
"""Beyond this, the upper bits of a length are of a frame that is too large, or that is as large as one may be."""
SMALL, CHUNK = 4 * 1024, 64 * 1024
"""Read sizes: of a connection that has few answers at a time, and of one that has many."""
_REFILL = MOST_WINDOW // 2
"""The connection's window is opened again when so much was received."""
_WITHOUT_BODY = frozenset({204, 304})
OPENING = (
    PREFACE
    # a stream's window is larger than any body that is taken, so that the peer never waits for us
    + settings({Setting.header_table_size: 0, Setting.enable_push: 0, Setting.initial_window_size: MAX_BODY + CHUNK})
    + window_update(0, MOST_WINDOW - FIRST_WINDOW)
)

Place = StreamPlace["Http2Session"]
Request = tuple[bytes, bytes]
"""The fields of a request that are not in the head, and its body."""


class Sessions(Sockets["Http2Session"], Protocol):
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

    def settled(self, session: Http2Session) -> None:
        """The peer says how many streams it lets be opened, for the first time."""

    def resized(self, session: Http2Session) -> None:
        """It may have more places from now on, or less."""

    def leaves(self, session: Http2Session) -> None:
        """It takes no more places."""

    def elsewhere(self, place: Place, request: Request) -> None:
        """A request that was not sent goes out on another connection."""

    def report(self, ended: list[Ended]) -> None:
        """How events ended, behind what was answered before."""

    def lost(self, place: Place) -> None:
        """A place without an event is gone."""

    def ended(self, session: Http2Session) -> None:
        """It is closed."""


class Http2Session(EndpointSocket):
    """One connection, and the places of streams on it."""

    __slots__ = (
        "_consumed",
        "_of",
        "_rest",
        "begun",
        "blocked",
        "capacity",
        "control",
        "events",
        "frame_size",
        "head",
        "heard_ns",
        "last",
        "later_head",
        "leaving",
        "most_at_once",
        "next",
        "out",
        "peak",
        "places",
        "read_size",
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
        self.places: dict[Place, None] = {}
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
        self.read_size = SMALL
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
        self.heard_ns = 0
        """When something was read last."""
        self.stalled_ns = self.stalled_since = 0
        """How long there were bodies to send and no window for them; since when there are."""
        self.control = Control()
        self._consumed = 0
        self._rest = b""
        self._connect()

    # -- opening and closing ------------------------------------------------------------------------------------------

    def attach(self, place: Place) -> None:
        """It gets a place on this connection."""
        self.places[place] = None
        place.session, place.address = self, self.address

    def detach(self, place: Place) -> None:
        """A place is closed; a stream that is open is cancelled. With the last place the connection is closed."""
        self.places.pop(place, None)
        self.waiting.pop(place, None)
        self._of.addresses.answers[self.address] += place.served
        place.served = 0
        if self.streams.get(place.number) is place:
            self.cancel(place, Reason.CANCEL)
            if self.heard_ns < place.sent_ns:  # silent since then: another connection may fare better
                self.leave()
            self.soon_flushed()
        elif not self.settled and not place.reusable:  # given up while it was waited for: the same
            self.leave()
        if not self.places and (self.state != READY or not self.streams):
            self.end(Reason.NO_ERROR, given_up=not place.reusable)

    @property
    def full(self) -> bool:
        """Whether it has as many places as it may, or as streams are left for."""
        left = (self.last - self.next) // 2 + 1
        return left <= 0 or len(self.places) >= max(1, min(self.capacity, left))

    def cancel(self, place: Place, reason: Reason) -> None:
        """Give a stream up: what still comes on it is ignored."""
        self._forget(place)
        self.control.ignore(place.number)
        self.out.append(rst_stream(place.number, reason))

    def _forget(self, place: Place) -> None:
        """Its stream is not open any more."""
        del self.streams[place.number]
        self.room += not self.leaving
        place.rest = None
        if place in self.blocked:
            del self.blocked[place]
            self.stall(monotonic_ns())

    def _became_ready(self, tls_ns: int) -> None:
        for place in self.places:
            place.address = self.address
        first = next((place for place in self.places if place.event is not None), None)
        if first is not None:
            self._of.owner.on_handshake(first, self.connected_ns - self._started_ns, tls_ns)
        if self._tls is not None and self._tls.protocol != "h2":
            self._why = "the server did not choose HTTP/2 (ALPN)"
            self._fail(ErrorKind.protocol)
            return
        self.out.append(OPENING)
        self.flush()

    def leave(self) -> None:
        """Take no more streams: those that are open go on."""
        if not self.leaving:
            self.leaving = True
            self.room = 0
            self._of.leaves(self)
            self._of.soon(self._let_go)

    def _let_go(self) -> None:
        """What is not sent goes elsewhere; places without an event are gone."""
        self._pass_on()
        for place in list(self.places):
            place.reusable = False
            if place.event is None:
                self._of.lost(place)
        self._left()

    def _pass_on(self) -> None:
        waiting, self.waiting = self.waiting, {}
        for place, request in waiting.items():
            self._of.elsewhere(place, request)

    def end(self, reason: Reason, *, given_up: bool = False) -> None:
        """Close it; the peer is told why. `given_up`: see `_close_socket`."""
        if self.state == CLOSED:
            return
        self.leaving, self.room = True, 0
        if self.state == READY and not self.pending:
            farewell = goaway(reason)
            try:
                self.send_bytes(self.seal(farewell) if self._tls is not None else farewell)
            except OSError:
                pass  # it is gone
        self._of.leaves(self)
        self._close_socket(given_up=given_up)
        self._of.ended(self)

    def _fail(self, kind: ErrorKind) -> None:
        self.fail_all(lambda _: kind, self._why)

    def fail_all(self, kind_of: Callable[[Place], ErrorKind], why: str, reason: Reason = Reason.NO_ERROR) -> None:
        """End it, and every event on it with its kind."""
        if self.state == CLOSED:
            return
        if self.leaving:
            self._pass_on()
        now = monotonic_ns()
        ended: list[Ended] = []
        for place in self._unanswered():
            if self.streams.get(place.number) is not place:
                place.wait()  # nothing was sent, and what the place says is of the event before
            place.why = why
            ended.append((place, ERROR_BASE + kind_of(place), now))
        self._end_all(reason)
        self._of.report(ended)

    def _unanswered(self) -> list[Place]:
        """The places with an event whose end is not known yet: an answer may lie behind what is being read."""
        answered = {place for place, _, _ in self._of.answers}
        return [place for place in self.places if place.event is not None and place not in answered]

    def _end_all(self, reason: Reason) -> None:
        """End it: no place can be used again."""
        places = list(self.places)
        for place in places:
            place.reusable, place.rest = False, None
        self.streams.clear()
        self.waiting.clear()
        self.begun.clear()
        self.blocked.clear()
        self.stall(monotonic_ns())
        self.end(reason)
        for place in places:
            if place.event is None:
                self._of.lost(place)

    def fault(self, fault: ConnectionFault) -> None:
        """The peer broke the protocol."""
        self.fail_all(lambda _: ErrorKind.protocol, f"HTTP/2: {fault.why} ({fault.reason.name})", fault.reason)

    def broken(self, code: int, why: str) -> None:
        """See EndpointSocket."""
        used = self.events > 0

        def kind_of(place: Place) -> ErrorKind:
            return kind_of_break(reused=used, sent=place.bytes_sent > 0, answered=place.first_ns > 0)

        self.fail_all(kind_of, why or os.strerror(code))

    def _ended(self) -> None:
        tls = self._tls
        if tls is not None and tls.fault:
            self._why = f"TLS: {tls.fault}"
            self._fail(ErrorKind.tls)
            return
        used = self.events > 0
        self.fail_all(
            lambda place: kind_of_end(reused=used, answered=place.first_ns > 0), "closed by the peer before the answer"
        )

    def internal(self, error: Exception) -> None:
        """See EndpointSocket."""
        places = self._unanswered()
        self._end_all(Reason.INTERNAL_ERROR)
        for place in places:
            self._of.owner.on_internal(place, error)

    def _busy(self) -> bool:
        return any(place.event is not None for place in self.places)

    def _peer_ended(self) -> None:
        pass  # `take` asks the session of TLS

    # -- what `http2_control` was told --------------------------------------------------------------------------------

    @property
    def blocks(self) -> AnswerBlocks:
        """What is known of answers' headers."""
        return self._of.blocks

    def consume(self, size: int) -> None:
        """So much of our window was used."""
        self._consumed += size

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

    def reset(self, place: Place, code: int) -> None:
        """The peer ended a stream."""
        self._forget(place)
        place.why = reset_words(code)
        kind = ErrorKind.truncated if place.status else ErrorKind.reset
        self._of.answers.append((place, ERROR_BASE + kind, monotonic_ns()))

    def go_away(self, last: int, code: int) -> None:
        """The peer processes no stream after `last`, and takes no new one."""
        now = monotonic_ns()
        why = f"GOAWAY ({reason_name(code)}): not processed"
        for number in [number for number in self.streams if number > last]:
            place = self.streams[number]
            self._forget(place)
            place.why, place.reusable = why, False
            self._of.answers.append((place, ERROR_BASE + ErrorKind.goaway, now))
        self.leave()

    # -- writing ------------------------------------------------------------------------------------------------------

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

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            data = self.recv(self.read_size)
        except OSError as error:
            self.unread(error)
        else:
            self.take(data, monotonic_ns(), 0)

    def take(self, data: bytes, now: int, receipt: int) -> None:
        """Something was read at `now`; `receipt`: see Column.receipt."""
        if not data:
            self._ended()
            return
        self.heard_ns = now
        self.read_size = CHUNK if len(data) > SMALL // 2 else SMALL
        try:
            self._frames(self._rest + data if self._rest else data, now, receipt)
            if self.state != READY:
                return
            if self._consumed > _REFILL:
                self.out.append(window_update(0, self._consumed))
                self._consumed = 0
            if self.waiting:
                self.serve_waiting()
        except ConnectionFault as fault:
            self.fault(fault)
            return
        if self.out:
            self.flush()
        if self._tls is not None and self._tls.ended:
            self._ended()
        elif self.leaving and not self.streams and not self.waiting:
            self._of.soon(self._left)

    def _left(self) -> None:
        """Close it if the last answer has come."""
        if self.leaving and not self.streams and not self.waiting and self.state == READY:
            self.end(Reason.NO_ERROR)

    def _frames(  # noqa: C901 - the hot path: a call costs more than a check
        self, data: bytes, now: int, receipt: int
    ) -> None:
        """Take the frames that are whole."""
        unpack, streams, answers, control = HEADER.unpack_from, self.streams, self._of.answers, self.control
        seen, repeats = self._of.blocks.seen, self._of.repeats
        at, total, began, answered = 0, len(data), -1, -1
        while at + HEADER_SIZE <= total:
            if (
                data[at : at + 5] == repeats.begins
                and total - at >= WORTH * repeats.length
                and not control.within_block
            ):
                after = at + self._repeated(data, at, now, receipt) * repeats.length
                if after > at:
                    at, began = after, -1
                    continue
            high, low, kind, flags, number = unpack(data, at)
            start = at + HEADER_SIZE
            end = start + (high << 8 | low)
            if end > total or high > _MOST_HIGH:
                if not self.settled and data.startswith(b"HTTP/1"):
                    raise ConnectionFault(Reason.PROTOCOL_ERROR, "the server answers in HTTP/1")
                if end - start > FIRST_FRAME:
                    raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "a frame over 16,384 bytes")
                if end > total:
                    break
            if kind == _HEADERS:
                if began >= 0:
                    repeats.differs(data, began, at)
                began = at
            elif kind == _RST_STREAM and number == answered and end - start == _CODE:
                at = end  # the rest of a request that is answered already is not wanted
                continue
            if kind == _HEADERS and flags & ~END_STREAM == END_HEADERS and not control.within_block:
                # the short way, for a whole answer of headers that are known, and with its body in one frame
                place, known = streams.get(number), seen.get(data[start:end])
                if known is not None and place is not None and not place.status and place.rest is None:
                    status, body, size = known
                    after = end
                    if (
                        flags == END_HEADERS
                        and data.startswith(body, end)
                        and data[end + 5 : end + 9] == data[at + 5 : start]
                    ):
                        after = end + HEADER_SIZE + size
                    if end < after <= total or (flags != END_HEADERS and not size):
                        del streams[number]
                        answered = number
                        self.room += not self.leaving
                        self.events += 1
                        self._consumed += size
                        place.first_ns = place.first_ns or now
                        place.receipt_ns = receipt
                        place.bytes_received += after - at
                        place.served += 1
                        answers.append((place, status, now))
                        at = after
                        continue
            control.take(self, Received(kind, flags, number & LAST_STREAM, data[start:end]), now, receipt)
            at = end
            if self.state != READY:
                return
        self._rest = data[at:]

    def _repeated(self, data: bytes, at: int, now: int, receipt: int) -> int:
        """Take the answers from `at` on that are as the one before was. Returns how many."""
        repeats, streams, answers = self._of.repeats, self.streams, self._of.answers
        status, length, count = repeats.status, repeats.length, 0
        for number in repeats.streams_in(data, at):
            place = streams.get(number)
            if place is None or place.status or place.rest is not None:
                break
            del streams[number]
            count += 1
            place.first_ns = place.first_ns or now
            place.receipt_ns = receipt
            place.bytes_received += length
            place.served += 1
            answers.append((place, status, now))
        self.room += 0 if self.leaving else count
        self.events += count
        self._consumed += count * repeats.size
        return count

    def over(self, place: Place, now: int, receipt: int = 0) -> None:
        """An answer ended with its stream."""
        length = 0 if place.status in _WITHOUT_BODY else place.length  # theirs is the length of another answer's
        if length >= 0 and length != place.size:
            self.fail_stream(place, ErrorKind.protocol, "HTTP/2: a body of another length than its content-length")
            return
        if place.rest is not None:  # answered before it was asked in full: true, and the rest is not wanted
            self.cancel(place, Reason.NO_ERROR)
        else:
            del self.streams[place.number]
            self.room += not self.leaving
        self.events += 1
        place.served += 1
        place.receipt_ns = receipt
        self._of.answers.append((place, place.status, now))

    def fail_stream(self, place: Place, kind: ErrorKind, why: str, reason: Reason = Reason.PROTOCOL_ERROR) -> None:
        """End one event; the connection goes on."""
        self.cancel(place, reason)
        place.why = why
        self._of.answers.append((place, ERROR_BASE + kind, monotonic_ns()))

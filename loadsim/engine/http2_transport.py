"""The direct transport over HTTP/2: many events in flight share a connection.

As over HTTP/1.1 all requests of a batch are put together before the first is written. What is written is one piece for
each connection, whatever the number of its requests; what is read is as many answers as have come. That is why it costs
the kernel less than HTTP/1.1 does.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from loadsim.engine.delivery_headers import DeliveryHeaders
from loadsim.engine.endpoint_socket import IN, READY
from loadsim.engine.http2_connections import Http2Connections
from loadsim.engine.http2_frames import END_HEADERS, END_STREAM, MOST_FRAME, Reason, Type
from loadsim.engine.http2_headers import AnswerBlocks, EventFields, RequestHead, field, named, text
from loadsim.engine.http2_repeats import Repeats
from loadsim.engine.http2_requests import Place, Request
from loadsim.engine.http2_session import Http2Session
from loadsim.engine.http2_stream import StreamPlace
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.response_parser import SAMPLE_BODY
from loadsim.engine.socket_set import ALL, SocketSet
from loadsim.engine.transport_interface import Ended, KeptAnswer, ResourceLimitError, SendEvents
from loadsim.error_kinds import ErrorKind
from loadsim.outcome_codes import ERROR_BASE

_CACHED = 4096
"""Number of lengths whose field, or beginning of a frame, is cached."""
_MOST_FIELDS = 8192
"""Fields beyond this may not fit into one frame with the rest."""
_LENGTH = named((0x00, 4), b"content-length")


class _Lengths(dict[int, bytes]):
    """The field with the length of a body, by size."""

    def __missing__(self, size: int) -> bytes:
        field = _LENGTH + text(b"%d" % size)
        if len(self) < _CACHED:
            self[size] = field
        return field


class _Beginnings(dict[int, bytes]):
    """The first five bytes of a frame, by the size of its payload."""

    def __init__(self, kind: Type, flags: int) -> None:
        self._last = bytes((kind, flags))

    def __missing__(self, size: int) -> bytes:
        beginning = size.to_bytes(3, "big") + self._last
        if len(self) < _CACHED:
            self[size] = beginning
        return beginning


class Http2Transport(SocketSet[Http2Session]):
    """See KeepingTransport and Sessions. What the engine has as connections are places of streams."""

    name = "direct"
    makes_cycles = False
    send_events: SendEvents | None = None

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wire: Wire,
        headers: DeliveryHeaders,
        *,
        streams: int,
        reuse: int,
        first: int = 0,
        keep: int | None = None,
        piece: int | None = None,
    ) -> None:
        """`headers`: those that name a delivery; `streams`: how many places share a connection; `reuse`: how many
        events a connection carries; `first`: the number of the address to start with; `keep`: how much of the body of
        every answer is kept (None: a sample of those that failed); `piece`: the size of frames of a body, which then
        has no length in its headers."""
        super().__init__(loop, wire, first)
        self.streams = self.expected = streams
        self.reuse = reuse
        self._reading = False
        self.head = RequestHead(wire.head, urlsplit(wire.url).scheme)
        self.keep = SAMPLE_BODY if keep is None else keep
        self.piece = MOST_FRAME if piece is None else piece
        self.blocks = AnswerBlocks(by_sight=keep is None)
        self.repeats = Repeats(self.blocks)
        self._lines = headers.lines(field)
        self._fields = EventFields()
        self._lengths: dict[int, bytes] = _Lengths() if piece is None else defaultdict(bytes)
        self._headers = _Beginnings(Type.headers, END_HEADERS)
        self._data = _Beginnings(Type.data, END_STREAM)
        self._places: dict[Place, None] = {}
        self._roomy: dict[Http2Session, None] = {}
        """Connections that may have more places."""
        self.shared = Http2Connections(self.addresses.text)

    # -- opening and closing ------------------------------------------------------------------------------------------

    def open(self) -> Place:
        """See Transport."""
        session = self._one_with_room()
        place: Place = StreamPlace(self)
        self._attach(session, place)
        self._places[place] = None
        if session.settled:
            self._tell_soon(place)
        return place

    def _one_with_room(self) -> Http2Session:
        """A connection that may have one more place, a new one if need be. Raises ResourceLimitError."""
        for session in self._roomy:
            return session
        session = Http2Session(self)
        self.shared.add(session)
        self._roomy[session] = None
        return session

    def _attach(self, session: Http2Session, place: Place) -> None:
        session.attach(place)
        if session.full:
            self._roomy.pop(session, None)

    def _tell_soon(self, place: Place) -> None:
        self.soon(lambda: self._tell(place))

    def _tell(self, place: Place) -> None:
        if place.opened and place.event is not None:
            self.owner.on_open(place)

    def connections(self) -> Iterable[Place]:
        """See Transport."""
        return list(self._places)

    def kept(self, place: Place) -> KeptAnswer:
        """See KeepingTransport."""
        return KeptAnswer("", self.blocks.shown(place.block), bytes(place.kept or b""))

    async def close(self) -> None:
        """See Transport."""
        for place in self.connections():
            place.close()
        for session in list(self.shared.sessions):
            session.end(Reason.NO_ERROR)
        await self._close_set()

    # -- for places and sessions --------------------------------------------------------------------------------------

    def forget(self, place: Place, session: Http2Session) -> None:
        """See Places."""
        self._places.pop(place, None)
        self.resized(session)

    def resized(self, session: Http2Session) -> None:
        """See Sessions."""
        if session.leaving or session.full:
            self._roomy.pop(session, None)
        else:
            self._roomy[session] = None

    def settled(self, session: Http2Session) -> None:
        """See Sessions. Places beyond what the peer allows go to other connections; a peer that allows none is waited
        for."""
        self.expected = session.capacity or self.expected
        places = list(session.places)
        for place in places[session.capacity or len(places) :]:
            request = session.waiting.pop(place, None)
            try:
                if request is not None:
                    self.elsewhere(place, request)
                elif self._move(place).settled:
                    self._tell_soon(place)
            except ResourceLimitError:
                break  # its request will say so
        for place in places:
            # a place that came from elsewhere has brought its request along
            if place.session is session and place not in session.waiting and place.event is not None:
                self.owner.on_open(place)

    def _move(self, place: Place) -> Http2Session:
        """Its requests go out on another connection from now on, which is returned. Raises ResourceLimitError."""
        old = place.session
        session = self._one_with_room()
        if old is not None:
            old.places.pop(place, None)
            self.addresses.answers[place.address] += place.served
            place.served = 0
            place.reusable = True
        self._attach(session, place)
        return session

    def leaves(self, session: Http2Session) -> None:
        """See Sessions."""
        self._roomy.pop(session, None)

    def ended(self, session: Http2Session) -> None:
        """See Sessions."""
        self.shared.remove(session)

    def lost(self, place: Place) -> None:
        """See Sessions."""
        place.close()
        self.owner.on_lost(place)

    def elsewhere(self, place: Place, request: Request) -> None:
        """See Sessions."""
        place.wait()
        try:
            session = self._move(place)
        except ResourceLimitError as error:
            place.why = str(error)
            place.reusable = False
            self.soon(lambda: self._unmoved(place))
            return
        session.waiting[place] = request
        if session.settled:
            session.serve_waiting()
            session.soon_flushed()

    def _unmoved(self, place: Place) -> None:
        if place.session is not None and place.event is not None and not place.reusable:
            self.owner.on_done(place, ERROR_BASE + ErrorKind.connect_error, monotonic_ns())

    def report(self, ended: list[Ended]) -> None:
        """See Sessions."""
        if self._reading:
            self.answers.extend(ended)
        elif ended:
            self.owner.on_answers(ended)

    # -- sending ------------------------------------------------------------------------------------------------------

    def send_all(self, made: Iterable[tuple[Any, tuple[bytes, bytes], int]], attempt: int = 1) -> None:
        """See Transport."""
        fields_of, lengths, join = self._fields.of, self._lengths, b"".join
        of_headers, of_data = self._headers, self._data
        made, lines = self._lines.of_batch(made, attempt)
        sessions: dict[Http2Session, None] = {}
        for place, (headers, body), index in made:
            session = place.session
            size = len(body)
            fields = fields_of(headers)
            name = lines[index]
            number = session.next
            if (
                session.room <= 0
                or number > session.last
                or not 0 < size <= session.window
                or size > session.most_at_once
                or len(fields) > _MOST_FIELDS
            ):
                self._slowly(place, (join((fields, name, lengths[size])), body))
                if place.session is not None:
                    sessions[place.session] = None
                continue
            session.next = number + 2
            session.room -= 1
            session.window -= size
            place.window = session.stream_window - size
            block = join((session.head, fields, name, lengths[size]))
            session.head = session.later_head
            stream = number.to_bytes(4, "big")
            session.out += (of_headers[len(block)], stream, block, of_data[size], stream, body)
            # the short way of `StreamPlace.begin`
            place.number = number
            place.first_ns = place.receipt_ns = place.bytes_received = place.status = place.size = place.interims = 0
            place.bytes_sent = len(block) + size + 18
            session.streams[number] = place
            session.begun.append(place)
            sessions[session] = None
        for session in sessions:
            if len(session.streams) > session.peak:
                session.peak = len(session.streams)
            session.flush()

    def _slowly(self, place: Place, request: Request) -> None:
        """Send a request that cannot be sent at once, or not in one frame."""
        session = place.session
        assert session is not None  # noqa: S101 - the engine sends on open places
        if session.next > session.last:
            session.leave()
        if session.room > 0:
            session.begin(place, request)
        elif session.leaving or 0 < session.capacity <= len(session.streams):
            self.elsewhere(place, request)
        else:
            place.wait()
            session.waiting[place] = request

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read_all(self, ready: list[tuple[int, int]]) -> None:
        get, clock = self._table.get, monotonic_ns
        looked, asks = self._look(clock())
        ask = asks is ALL
        self._reading = True
        for fd, mask in ready:
            session = get(fd)
            if session is None:
                self._attempt_ready(fd)
                continue
            try:
                if mask != IN or session.state != READY:
                    session.on_ready(mask)
                    continue
                stamp = 0
                try:
                    if ask:
                        data, stamp = session.recv_stamped(session.read_size)
                    else:
                        data = session.recv(session.read_size)
                except OSError as error:
                    session.unread(error)
                    continue
                now = clock()
                bound = looked - now if looked else 0
                if stamp:
                    self._take_stamped(session, data, now, bound, stamp)
                else:
                    session.take(data, now, bound)
            except Exception as error:  # noqa: BLE001 - it must not take its neighbours with it
                session.internal(error)
        self._reading = False

    def _take_stamped(self, session: Http2Session, data: bytes, now: int, bound: int, stamp: int) -> None:
        """As `take`. The stamp is of the last byte that was read, so it says how late an answer was read that came
        alone. It is kept as a bound: a metric of lone answers would leave out those that waited longest."""
        place = session.take_alone(data, now, bound)
        if place is not None:
            place.receipt_ns = -abs(self._receipt(place.sent_ns, now, stamp, now + bound if bound else 0))

"""One connection over HTTP/2 from its opening to its end, and the places of streams on it.

`http2_requests` writes, `http2_answers` reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from loadsim.engine.endpoint_socket import CLOSED, READY
from loadsim.engine.error_kind_of_failure import kind_of_break, kind_of_end
from loadsim.engine.http2_answers import CHUNK, Http2Answers
from loadsim.engine.http2_frames import (
    FIRST_WINDOW,
    MOST_WINDOW,
    PREFACE,
    ConnectionFault,
    Reason,
    Setting,
    goaway,
    settings,
    window_update,
)
from loadsim.engine.http2_requests import Place, Sessions
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.response_parser import MAX_BODY
from loadsim.engine.transport_interface import Ended
from loadsim.error_kinds import ErrorKind
from loadsim.outcome_codes import ERROR_BASE

OPENING = (
    PREFACE
    # a stream's window is larger than any body that is taken, so that the peer never waits for us
    + settings({Setting.header_table_size: 0, Setting.enable_push: 0, Setting.initial_window_size: MAX_BODY + CHUNK})
    + window_update(0, MOST_WINDOW - FIRST_WINDOW)
)


class Http2Session(Http2Answers):
    """One connection."""

    __slots__ = ("places",)

    def __init__(self, of: Sessions) -> None:
        super().__init__(of)
        self.places: dict[Place, None] = {}
        self._connect()

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

    def _left(self) -> None:
        """Close it if the last answer has come."""
        if self.leaving and not self.streams and not self.waiting and self.state == READY:
            self.end(Reason.NO_ERROR)

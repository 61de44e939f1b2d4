"""Sends requests by the HTTP/2 transport without an engine: any headers, any bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop

from loadsim.engine.delivery_headers import DeliveryHeaders
from loadsim.engine.http2_transport import Http2Transport
from loadsim.engine.resolved_endpoint import resolve
from loadsim.engine.transport_interface import Ended
from loadsim.model import SignedRequest
from loadsim.plan import Target
from tests.engine.running import PATIENCE_S, outcome
from tests.engine.servers import CERTS

NEVER = 2**62


@dataclass
class Sent:
    """What became of requests: the outcome of each, and how many bytes are said to have been sent."""

    outcomes: dict[int, str] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    opened: int = 0
    open_peak: int = 0
    words: dict[int, str] = field(default_factory=dict)
    rows: list[Any] = field(default_factory=list)


class Sender:
    """An owner that has so many places, and sends the next request on whichever is free."""

    looked_ns = 0

    def __init__(self, transport: Http2Transport, requests: Sequence[SignedRequest], places: int) -> None:
        self.transport, self.requests = transport, list(enumerate(requests))[::-1]
        self.sent, self.left = Sent(), len(requests)
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for _ in range(min(places, len(requests))):
            self.open()

    def open(self) -> None:
        place = self.transport.open()
        place.event = self.requests.pop()

    def on_handshake(self, connection: Any, connect_ns: int, tls_ns: int) -> None:
        pass

    def on_open(self, connection: Any) -> None:
        index, request = connection.event
        connection.send(request, index)

    def on_done(self, connection: Any, code: int, done_ns: int) -> None:
        self.on_answers([(connection, code, done_ns)])

    def on_answers(self, answers: Sequence[Ended]) -> None:
        free = []
        for place, code, _ in answers:
            index, _ = place.event
            assert index not in self.sent.outcomes
            place.event = None
            self.sent.outcomes[index] = outcome(code)
            self.sent.sizes[index] = place.bytes_sent
            self.sent.words[index] = place.error_text()
            self.left -= 1
            if not place.reusable:
                place.close()
                if self.requests:
                    self.open()
            elif self.requests:
                place.event = self.requests.pop()
                free.append((place, place.event[1], place.event[0]))
        if free:
            self.transport.send_all(free)
        if not self.left and not self.over.done():
            self.over.set_result(None)

    def on_lost(self, connection: Any) -> None:
        if self.requests:
            self.open()

    def on_internal(self, connection: Any, error: Exception) -> None:
        if not self.over.done():
            self.over.set_exception(error)


def send(
    url: str,
    requests: Sequence[SignedRequest],
    *,
    places: int = 1,
    streams: int = 100,
    reuse: int = NEVER,
    tls: bool = False,
    trace: str | None = "run",
    **target: Any,
) -> Sent:
    """Send all of them, at most `places` at once."""
    if tls:
        target["cacert"] = str(CERTS / "localhost.pem")

    async def go() -> Sent:
        of = resolve(Target(url=url, http="2", **target))
        transport = Http2Transport(asyncio.get_running_loop(), of, DeliveryHeaders(trace), streams=streams, reuse=reuse)
        transport.start(sender := Sender.__new__(Sender))
        sender.__init__(transport, requests, places)  # type: ignore[misc]  # it opens what it is the owner of
        async with asyncio.timeout(PATIENCE_S):
            await sender.over
        check_accounts(transport)
        sender.sent.opened, sender.sent.open_peak = transport.shared.opened, transport.shared.open_peak
        await transport.close()
        sender.sent.rows = transport.shared.rows()
        return sender.sent

    return uvloop.run(go())


def check_accounts(transport: Http2Transport) -> None:
    """What a transport knows of places, streams and room is of one piece."""
    for session in transport.shared.sessions:
        assert session.room == (
            0 if session.leaving or not session.settled else session.capacity - len(session.streams)
        )
        assert session.next <= session.last + 2
        assert all(place.number == number for number, place in session.streams.items())
        assert all(place.session is session for place in session.streams.values())
        assert set(session.streams.values()) <= set(session.places)
        assert set(session.waiting) <= set(session.places)
        assert not set(session.waiting) & set(session.streams.values())
        assert set(session.blocked) == {place for place in session.streams.values() if place.rest is not None}
        assert bool(session.stalled_since) == bool(session.blocked)
    assert set(transport.connections()) == {place for session in transport.shared.sessions for place in session.places}

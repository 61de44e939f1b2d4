"""Sends one signed event over HTTP/2, by the transport of load runs, and times its steps.

As `timed_exchange` does over HTTP/1.1: redirects are not followed, nothing is retried, no proxy is used.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Sequence

from loadsim.engine.delivery_headers import DeliveryHeaders
from loadsim.engine.http2_transport import Http2Transport
from loadsim.engine.preflight import NO_ALPN, NO_PROTOCOL
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.transport_interface import Connection, Ended
from loadsim.engine.url_authority import place_of
from loadsim.error_kinds import ErrorKind
from loadsim.model import NS_PER_MS, NS_PER_S, SignedRequest
from loadsim.outcome_codes import ERROR_BASE
from loadsim.single.result import Failure, Response, Timings

_WORDS = {
    ErrorKind.refused: "nothing listens at {place}: is the server running, is the port right?",
    ErrorKind.connect_error: "cannot connect to {place}: {why}",
    ErrorKind.connect_timeout: "no connection to {place} within {timeout:g} s: is the address right, is it HTTP/2?",
    ErrorKind.timeout: "no answer from {place} within {timeout:g} s: is the server stuck? (timeout)",
    ErrorKind.tls: "TLS with {place} failed ({why}): does that port speak https, is its certificate trusted (cacert)?",
    ErrorKind.goaway: "{place} ended the connection before it took the event: {why}",
    ErrorKind.protocol: "the answer of {place} is not valid: {why}",
}
_OTHERWISE = "{place} gave no whole answer: {why}"


class Http2Exchange:
    """One event on its own connection: what the transport calls, and what it says."""

    looked_ns = 0
    """See ConnectionOwner: nobody asks how late an answer was read."""

    def __init__(self, wire: Wire, head: bytes, request: SignedRequest, keep: int, piece: int | None = None) -> None:
        """`head`: request line and the headers that are not in `request`; `keep`: bytes of the answer's body that are
        kept; with `piece` the body goes out in frames of that many bytes, without a length."""
        loop = asyncio.get_running_loop()
        self._request = request
        self._ended: asyncio.Future[Ended] = loop.create_future()
        self._wire = wire
        self._keep = keep
        self._transport = Http2Transport(
            loop,
            dataclasses.replace(wire, head=head),
            DeliveryHeaders(),
            streams=1,
            reuse=1,
            keep=keep + 1,
            piece=piece,
        )
        self._handshake: tuple[int, int] = (0, 0)

    async def run(self, timeout_s: float) -> tuple[Response | Failure, Timings]:
        """Send, wait at most so long, close."""
        transport = self._transport
        transport.start(self)
        began = time.monotonic_ns()
        place = transport.open()
        place.event = self
        place.slot_ns = began
        try:
            done, _ = await asyncio.wait([self._ended], timeout=timeout_s)
            now = time.monotonic_ns()
            kind = ErrorKind.timeout if place.opened else ErrorKind.connect_timeout
            _, code, end = self._ended.result() if done else (place, ERROR_BASE + kind, now)
            if end - began > timeout_s * NS_PER_S and code < ERROR_BASE:
                code = ERROR_BASE + ErrorKind.timeout
            if code >= ERROR_BASE:
                outcome: Response | Failure = self._failure(ErrorKind(code - ERROR_BASE), place.why, timeout_s)
            else:
                outcome = self._response(place.block, bytes(place.kept or b""), code)
            return outcome, self._timings(place, began, end)
        finally:
            await transport.close()

    def _response(self, block: bytes, body: bytes, status: int) -> Response:
        return Response(status, "", self._transport.blocks.shown(block), body[: self._keep], len(body) > self._keep)

    def _failure(self, kind: ErrorKind, why: str, timeout_s: float) -> Failure:
        place = place_of(self._wire.url)
        if kind == ErrorKind.tls and NO_PROTOCOL in why:
            return Failure(kind, f"{place} {NO_ALPN}")
        return Failure(kind, _WORDS.get(kind, _OTHERWISE).format(place=place, why=why, timeout=timeout_s))

    def _timings(self, place: Connection, began: int, end: int) -> Timings:
        connect, tls = self._handshake
        first = place.first_ns - place.sent_ns if place.first_ns and place.sent_ns else 0
        return Timings(
            connect=connect / NS_PER_MS if connect else None,
            tls=tls / NS_PER_MS if tls else None,
            first_byte=first / NS_PER_MS if first else None,
            total=(end - began) / NS_PER_MS,
        )

    # -- what the transport calls, see ConnectionOwner ----------------------------------------------------------------

    def on_handshake(self, _: Connection, connect_ns: int, tls_ns: int) -> None:
        """See ConnectionOwner."""
        self._handshake = connect_ns, tls_ns

    def on_open(self, connection: Connection) -> None:
        """See ConnectionOwner."""
        connection.send(self._request, 0)

    def on_done(self, connection: Connection, code: int, done_ns: int) -> None:
        """See ConnectionOwner."""
        self.on_answers([(connection, code, done_ns)])

    def on_answers(self, answers: Sequence[Ended]) -> None:
        """See ConnectionOwner."""
        for connection, code, now in answers:
            connection.event = None
            if not self._ended.done():
                self._ended.set_result((connection, code, now))

    def on_lost(self, connection: Connection) -> None:
        """See ConnectionOwner."""

    def on_internal(self, _: Connection, error: Exception) -> None:
        """See ConnectionOwner."""
        if not self._ended.done():
            self._ended.set_exception(error)

"""Sends one request on a connection of its own, by a transport of load runs, and times its steps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from loadsim.engine.transport_interface import Connection, Ended, KeepingTransport, ResourceLimitError
from loadsim.error_kinds import ErrorKind
from loadsim.model import NS_PER_MS, NS_PER_S, SignedRequest
from loadsim.outcome_codes import ERROR_BASE
from loadsim.single.result import Failure, Response, Timings

RESPONSE_LIMIT = 1_000_000
"""Bytes of a response's body that are kept."""


class SingleExchange:
    """One event: what the transport calls, and what it says."""

    looked_ns = 0
    """See ConnectionOwner: nobody asks how late an answer was read."""

    def __init__(
        self, make_transport: Callable[[], KeepingTransport], failure: Callable[[ErrorKind, str], Failure]
    ) -> None:
        """`failure`: made of an error kind and what the transport says of it."""
        self._make_transport = make_transport
        self._failure = failure
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._began = time.monotonic_ns()
        self._connect_ns = self._tls_ns = 0

    async def run(self, request: SignedRequest, timeout_s: float) -> tuple[Response | Failure, Timings]:
        """Send, wait at most so long, close."""
        self._request = request
        try:
            self._transport = self._make_transport()
        except OSError as error:  # no file descriptor is left for epoll
            return self._failure(ErrorKind.connect_error, error.strerror or str(error)), Timings()
        self._transport.start(self)
        try:
            return await self._run(timeout_s)
        finally:
            await self._transport.close()

    async def _run(self, timeout_s: float) -> tuple[Response | Failure, Timings]:
        try:
            place = self._transport.open()
        except ResourceLimitError as error:
            return self._failure(ErrorKind.connect_error, str(error)), Timings()
        place.event = self
        place.slot_ns = self._began
        if not (await asyncio.wait([self._ended], timeout=timeout_s))[0]:
            kind = ErrorKind.timeout if place.opened else ErrorKind.connect_timeout
            self.on_done(place, ERROR_BASE + kind, time.monotonic_ns())
        _, code, end = self._ended.result()
        if end - self._began > timeout_s * NS_PER_S and code < ERROR_BASE:
            code = ERROR_BASE + ErrorKind.timeout
        if code >= ERROR_BASE:
            return self._failure(ErrorKind(code - ERROR_BASE), place.error_text()), self._timings(place, end)
        reason, fields, body = self._transport.kept(place)
        response = Response(code, reason, fields, body[:RESPONSE_LIMIT], len(body) > RESPONSE_LIMIT)
        return response, self._timings(place, end)

    def _note_connected(self, place: Any) -> None:
        """TCP may have been up without a handshake that ended."""
        self._connect_ns = self._connect_ns or max(0, place.connected_ns - self._began)

    def _timings(self, place: Connection, end: int) -> Timings:
        first = place.first_ns - place.sent_ns if place.first_ns and place.sent_ns else 0
        return Timings(
            connect=self._connect_ns / NS_PER_MS if self._connect_ns else None,
            tls=self._tls_ns / NS_PER_MS if self._tls_ns else None,
            first_byte=first / NS_PER_MS if first else None,
            total=(end - self._began) / NS_PER_MS,
        )

    # -- what the transport calls, see ConnectionOwner ----------------------------------------------------------------

    def on_handshake(self, _: Connection, connect_ns: int, tls_ns: int) -> None:
        """See ConnectionOwner."""
        self._connect_ns, self._tls_ns = connect_ns, tls_ns

    def on_open(self, connection: Connection) -> None:
        """See ConnectionOwner."""
        connection.send(self._request, 0)

    def on_done(self, connection: Connection, code: int, done_ns: int) -> None:
        """See ConnectionOwner."""
        self.on_answers([(connection, code, done_ns)])

    def on_answers(self, answers: Sequence[Ended]) -> None:
        """See ConnectionOwner."""
        for place, code, now in answers:
            place.event = None
            if not self._ended.done():
                self._note_connected(place)
                self._ended.set_result((place, code, now))
            place.close()  # at once: what it would say of a second failure is not the cause of the first

    def on_lost(self, connection: Connection) -> None:
        """See ConnectionOwner."""

    def on_internal(self, _: Connection, error: Exception) -> None:
        """See ConnectionOwner."""
        if not self._ended.done():
            self._ended.set_exception(error)

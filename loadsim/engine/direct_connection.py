"""One connection of the direct transport over HTTP/1.1: it writes, reads, and decides whether it can be used again.

It carries bytes and reports instants. The transport calls it when its socket is ready.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import Any, Protocol

from loadsim.engine.endpoint_socket import CLOSED, IN, OUT, READY, EndpointSocket, Sockets
from loadsim.engine.error_kind_of_failure import kind_of_break, kind_of_end
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.response_parser import Memo, ResponseReader
from loadsim.engine.transport_interface import ConnectionOwner, Ended, Made
from loadsim.error_kinds import ErrorKind
from loadsim.model import SignedRequest
from loadsim.outcome_codes import ERROR_BASE

CHUNK = 16 * 1024
"""Read size."""


class ConnectionSet(Sockets["DirectConnection"], Protocol):
    """The interface of the set that connections are in."""

    owner: ConnectionOwner
    memo: Memo
    answers: list[Ended]

    def send_all(self, made: Iterable[Made], attempt: int = 1) -> None:
        """Write requests, see Transport."""

    def lost(self, connection: DirectConnection) -> None:
        """An idle connection ended; no event is touched by it."""


class DirectConnection(EndpointSocket):
    """One TCP or TLS connection of the set."""

    __slots__ = (
        "_owner",
        "_set",
        "bytes_received",
        "bytes_sent",
        "event",
        "first_ns",
        "reader",
        "ready_ns",
        "receipt_ns",
        "reusable",
        "sent_ns",
        "served",
        "slot_ns",
    )

    def __init__(self, among: ConnectionSet) -> None:
        super().__init__(among)
        self._set = among
        self._owner = among.owner
        self.reader = ResponseReader(among.memo)
        self.event: Any = None
        self.served = 0
        self.slot_ns = self.sent_ns = self.first_ns = self.receipt_ns = self.ready_ns = 0
        self.bytes_sent = self.bytes_received = 0
        self.reusable = True
        self._connect()

    def _became_ready(self, tls_ns: int) -> None:
        self._owner.on_handshake(self, self.connected_ns - self._started_ns, tls_ns)
        self._owner.on_open(self)

    def _busy(self) -> bool:
        return self.event is not None

    def internal(self, error: Exception) -> None:
        """See EndpointSocket."""
        self._owner.on_internal(self, error)

    # -- carrying an event --------------------------------------------------------------------------------------------

    def send(self, request: SignedRequest, index: int, attempt: int = 1) -> None:
        """See Connection."""
        self._set.send_all([(self, request, index)], attempt)

    def unsealed(self, error: OSError) -> None:
        """The TLS session has ended: no byte of the request was sent."""
        self.sent_ns = self.first_ns = self.bytes_sent = self.bytes_received = 0
        self._why = f"TLS: {error.strerror or error}"
        self._set.soon(self._give_up)

    def _give_up(self) -> None:
        if self.state == READY and self.event is not None:
            self._fail(ErrorKind.tls)

    def _peer_ended(self) -> None:
        """The stream ends after the bytes just read."""
        self.reusable = False

    def unsent(self, error: OSError) -> None:
        """The first write of a request raised `error`."""
        self.bytes_sent = 0
        self._why = error.strerror or str(error)
        self._set.later(self, error.errno or errno.EIO)

    def partly_sent(self, data: bytes, sent: int) -> None:
        """The kernel accepted only a part of a request."""
        self.bytes_sent = 0
        self._count(sent)
        self.pending = memoryview(data)[sent:]
        self._watch(IN | OUT)

    def _count(self, sent: int) -> None:
        """Count written bytes. The overhead of TLS is assumed to be written first."""
        over = min(sent, self.overhead)
        self.overhead -= over
        self.bytes_sent += sent - over

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            data = self.recv(CHUNK)
        except OSError as error:
            self.unread(error)
        else:
            self.take(data, monotonic_ns())

    def take(self, data: bytes, now: int) -> None:
        """Something was read at `now`: part of a response, all of it, or its end."""
        if self.event is None:
            self._set.lost(self)  # closed by the peer while idle, or unexpected bytes
        elif not data:
            self._ended(now)
        else:
            if self.first_ns == 0:
                self.first_ns = now
            self.bytes_received += len(data)
            code = self.reader.feed(data)
            if code:
                self._set.answers.append((self, self._over(code), now))
            elif self._tls is not None and self._tls.ended:
                self._ended(now)

    def _ended(self, now: int) -> None:
        tls = self._tls
        if tls is not None and tls.fault:
            self._why = f"TLS: {tls.fault}"
            self._fail(ErrorKind.tls)
            return
        code = self.reader.eof(whole=tls is None or tls.goodbye)
        if code:
            self._owner.on_done(self, self._over(code), now)
        else:
            self._why = "closed by the peer before any byte of the response"
            self._fail(kind_of_end(reused=self.served > 0, answered=False))

    def broken(self, code: int, why: str) -> None:
        """Reading or writing failed."""
        if self.state == CLOSED:
            return
        if self.event is None:
            self._set.lost(self)
            return
        self._why = why or os.strerror(code)
        self._fail(kind_of_break(reused=self.served > 0, sent=self.bytes_sent > 0, answered=self.first_ns > 0))

    def _over(self, code: int) -> int:
        """End the event with a complete answer, or a faulty one (`code` below 0). Returns its outcome code."""
        self.served += 1
        if self.pending:  # answered before it was asked in full: true, but the connection is out of step
            self.pending = b""
            self.reusable = False
        if not self.reader.keep_alive:
            self.reusable = False
        if code < 0:
            self.reusable = False
            self._why = self.reader.why
            code = ERROR_BASE - code
        return code

    def _fail(self, kind: ErrorKind) -> None:
        self.reusable = False
        self._owner.on_done(self, ERROR_BASE + kind, monotonic_ns())

    def close(self) -> None:
        """See Connection."""
        if self.state == CLOSED:
            return
        self._set.addresses.answers[self.address] += self.served
        self.reader.close()
        self._close_socket(given_up=not self.reusable)

    def raw_response(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """See Connection."""
        return self.reader.shown()

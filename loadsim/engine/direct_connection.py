"""One connection of the direct transport: it opens, writes, reads, and decides whether it can be used again.

It carries bytes and reports instants. The transport calls it when its socket is ready.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from loadsim.engine.error_kind_of_failure import kind_of_break, kind_of_end, kind_of_errno
from loadsim.engine.next_address_attempts import UNDER_WAY, Attempt, Race, Watcher, begin_next
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.receive_stamps import ask, receive
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.response_parser import Memo, ResponseReader
from loadsim.engine.tls_session import TlsSession
from loadsim.engine.transport_interface import ConnectionOwner, Ended, Made
from loadsim.error_kinds import ErrorKind
from loadsim.model import SignedRequest
from loadsim.outcome_codes import ERROR_BASE

IN, OUT = select.EPOLLIN, select.EPOLLOUT
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError)
CHUNK = 16 * 1024
"""Read size."""
CONNECTING, FAILING, HANDSHAKE, READY, CLOSED = range(5)


class ConnectionSet(Watcher, Protocol):
    """The interface of the set that watches the sockets of connections."""

    owner: ConnectionOwner
    memo: Memo
    wire: Wire
    answers: list[Ended]

    def add(self, connection: DirectConnection) -> None:
        """Watch its socket."""

    def modify(self, fd: int, mask: int) -> None:
        """Watch it for something else."""

    def remove(self, connection: DirectConnection) -> None:
        """Watch it no more."""

    def release(self, attempt: Attempt) -> None:
        """Watch an attempt's socket no more; it stays as it is."""

    def bury(self, sock: socket.socket) -> None:
        """Close a socket; during a batch, after it."""

    def send_all(self, made: Iterable[Made], attempt: int = 1) -> None:
        """Write requests, see Transport."""

    def soon(self, report: Callable[[], None]) -> None:
        """Call back from the loop: nothing is reported from inside a call of the engine's."""

    def later(self, connection: DirectConnection, code: int) -> None:
        """Report a failure of `open` or `send`."""

    def lost(self, connection: DirectConnection) -> None:
        """An idle connection ended; no event is touched by it."""


class DirectConnection:
    """One TCP or TLS connection of the set."""

    __slots__ = (
        "_owner",
        "_race",
        "_set",
        "_sock",
        "_started_ns",
        "_tls",
        "_why",
        "address",
        "bytes_received",
        "bytes_sent",
        "connected_ns",
        "event",
        "fd",
        "first_ns",
        "mask",
        "overhead",
        "pending",
        "reader",
        "ready_ns",
        "receipt_ns",
        "recv",
        "reusable",
        "seal",
        "send_bytes",
        "sent_ns",
        "served",
        "slot_ns",
        "state",
    )

    def __init__(self, among: ConnectionSet) -> None:
        self._set = among
        self._owner = among.owner
        self.reader = ResponseReader(among.memo)
        self.address = 0
        """Of the address that it is connected, or connects, to."""
        self._race: Race | None = None
        self._tls: TlsSession | None = None
        self.pending: bytes | memoryview = b""
        """The bytes that the kernel has not accepted yet, encrypted if over TLS."""
        self.overhead = 0
        """Number of bytes by which the written data is longer than the request, because of TLS."""
        self._why = ""
        self.event: Any = None
        self.served = 0
        self.slot_ns = self.sent_ns = self.first_ns = self.connected_ns = self.receipt_ns = self.ready_ns = 0
        self.bytes_sent = self.bytes_received = 0
        self.reusable = True
        self._started_ns = monotonic_ns()
        self._connect()

    # -- opening ------------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        among = self._set
        order = among.addresses.order(self._started_ns)
        sock, self.address, code = begin_next(among.addresses, order)
        self._take(sock)
        among.add(self)
        if code not in UNDER_WAY:
            self.state = FAILING
            among.later(self, code)
        elif order:
            self._race = Race(among, self, order)

    def _take(self, sock: socket.socket) -> None:
        """Go on with a socket that is being connected."""
        self._sock: socket.socket = sock
        self.send_bytes = sock.send
        self.fd = sock.fileno()
        self.state = CONNECTING
        self.mask = OUT

    def adopt(self, attempt: Attempt) -> None:
        """Go on with another attempt in place of its own."""
        self._set.remove(self)
        self._set.bury(self._sock)
        self._set.release(attempt)
        self._take(attempt.sock)
        self.address = attempt.address
        self._set.add(self)

    def _connected(self) -> None:
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self.connect_failed(code)
            return
        self._end_race()
        self._set.addresses.made(self.address)
        self.connected_ns = monotonic_ns()
        ask(self._sock)
        wire = self._set.wire
        if wire.tls is None:
            self._ready(0)
            return
        self._tls = TlsSession(wire.tls, wire.server_name, self._sock.recv, self._peer_ended)
        self.seal = self._tls.seal
        self.state = HANDSHAKE
        self._handshake()

    def connect_failed(self, code: int) -> None:
        """This address failed: try the next one, or end the event."""
        if self.state == CLOSED:
            return
        self._set.addresses.failed(self.address, monotonic_ns())
        if self._race is not None and self._race.next_for(self):
            return
        self._end_race()
        self._why = os.strerror(code)
        self._fail(kind_of_errno(code))

    def _end_race(self) -> None:
        race, self._race = self._race, None
        if race is not None:
            race.end()

    def _handshake(self) -> None:
        assert self._tls is not None  # noqa: S101 - made when TCP was up
        try:
            done = self._tls.handshake()
            self.pending = bytes(self.pending) + self._tls.take()
            while self.pending:
                self.pending = self.pending[self.send_bytes(self.pending) :]
        except BlockingIOError:
            self._watch(IN | OUT)
        except OSError as error:  # includes ssl.SSLError
            with contextlib.suppress(OSError):
                self._sock.send(self._tls.take())  # the alert that tells the peer why
            self._why = f"TLS handshake: {error.strerror or error}"
            self._fail(ErrorKind.tls)
        else:
            if done:
                self._ready(monotonic_ns() - self.connected_ns)
            else:
                self._watch(IN)

    def _ready(self, tls_ns: int) -> None:
        self.state = READY
        self.recv = self._tls.recv if self._tls else self._sock.recv
        self._watch(IN)
        self._owner.on_handshake(self, self.connected_ns - self._started_ns, tls_ns)
        self._owner.on_open(self)

    def _watch(self, mask: int) -> None:
        if mask != self.mask:
            self.mask = mask
            self._set.modify(self.fd, mask)

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

    def _flush(self) -> None:
        """Write what is pending."""
        pending = self.pending
        mask = IN
        try:
            while pending:
                sent = self.send_bytes(pending)
                self._count(sent)
                pending = pending[sent:]
        except BlockingIOError:
            mask = IN | OUT
        except OSError as error:
            self.pending = b""
            self._why = error.strerror or str(error)
            self._set.later(self, error.errno or errno.EIO)
            return
        self.pending = pending
        self._watch(mask)

    # -- readiness ----------------------------------------------------------------------------------------------------

    def on_ready(self, mask: int) -> None:
        """The set says that the socket can be read or written, or is broken."""
        if self.state == READY:
            if mask != OUT:
                self._read()
            if self.pending and self.state == READY:
                self._flush()
        elif self.state == CONNECTING:
            self._connected()
        elif self.state == HANDSHAKE:
            self._handshake()

    def _read(self) -> None:
        try:
            data = self.recv(CHUNK)
        except OSError as error:
            self.unread(error)
        else:
            self.take(data, monotonic_ns())

    def unread(self, error: OSError) -> None:
        """Reading raised `error`."""
        due = self._tls.take() if self._tls is not None else b""
        if due:  # what reading made OpenSSL say: an alert, an answer to a question of the protocol's own
            self.pending = bytes(self.pending) + due
            self.overhead += len(due)
            self._flush()
        if isinstance(error, _WOULD_BLOCK):
            return
        if isinstance(error, ssl.SSLError) and self.event is not None:
            self._why = f"TLS: {error.strerror or error}"
            self._fail(ErrorKind.tls)
        else:
            self.broken(error.errno or 0, error.strerror or str(error))

    def recv_stamped(self, size: int) -> tuple[bytes, int]:
        """As `recv`, and when the kernel had received it, see `receive_stamps.receive`. Raises what `recv` does."""
        data, stamp = receive(self._sock, size)
        return (data if self._tls is None else self._tls.open(data)), stamp

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
        addresses = self._set.addresses
        addresses.answers[self.address] += self.served
        if self.state == CONNECTING and not self.reusable:  # given up, and not just at the end of the run
            for address in (self.address, *(self._race.under_way() if self._race is not None else ())):
                addresses.failed(address, monotonic_ns())
        self._end_race()
        self.state = CLOSED
        self.reader.close()
        self._set.remove(self)
        self._set.bury(self._sock)
        self.recv = self.send_bytes = self.seal = self._tls = None  # type: ignore[assignment]  # they keep the socket

    @property
    def opened(self) -> bool:
        """Connected and handshaken."""
        return self.state == READY

    def raw_response(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """See Connection."""
        return self.reader.shown()

    def error_text(self) -> str:
        """See Connection."""
        return self._why

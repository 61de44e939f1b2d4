"""One socket to the endpoint, whatever protocol it carries: it connects, shakes hands, writes what is pending, closes.

A protocol is a subclass, which says what becomes of a socket that is ready, of what is read, and of failures.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from loadsim.engine.error_kind_of_failure import kind_of_errno
from loadsim.engine.next_address_attempts import UNDER_WAY, Attempt, Race, Watcher, begin_next
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.receive_stamps import ask, receive, receive_sealed
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.tls_session import TlsSession
from loadsim.error_kinds import ErrorKind

IN, OUT = select.EPOLLIN, select.EPOLLOUT
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError)
CONNECTING, FAILING, HANDSHAKE, READY, CLOSED = range(5)


One_contra = TypeVar("One_contra", bound="EndpointSocket", contravariant=True)


class Sockets(Watcher, Protocol[One_contra]):
    """The interface of the set that watches sockets."""

    wire: Wire

    def add(self, one: One_contra) -> None:
        """Watch it."""

    def modify(self, fd: int, mask: int) -> None:
        """Watch it for something else."""

    def remove(self, one: One_contra) -> None:
        """Watch it no more."""

    def release(self, attempt: Attempt) -> None:
        """Watch an attempt's socket no more; it stays as it is."""

    def bury(self, sock: socket.socket) -> None:
        """Close a socket; during a batch, after it."""

    def soon(self, report: Callable[[], None]) -> None:
        """Call back from the loop: nothing is reported from inside a call of the engine's."""

    def later(self, one: One_contra, code: int) -> None:
        """Report a failure of `open` or `send`."""


class EndpointSocket:
    """One TCP or TLS connection of a set."""

    __slots__ = (
        "_race",
        "_sock",
        "_sockets",
        "_started_ns",
        "_tls",
        "_why",
        "address",
        "connected_ns",
        "fd",
        "mask",
        "overhead",
        "pending",
        "recv",
        "recv_stamped",
        "seal",
        "send_bytes",
        "state",
    )

    def __init__(self, among: Sockets[Any]) -> None:
        self._sockets = among
        self.address = 0
        """Of the address that it is connected, or connects, to."""
        self._race: Race | None = None
        self._tls: TlsSession | None = None
        self.pending: bytes | memoryview = b""
        """The bytes that the kernel has not accepted yet, encrypted if over TLS."""
        self.overhead = 0
        """Number of bytes by which the written data is longer than what it says, because of TLS."""
        self._why = ""
        self.connected_ns = 0
        self._started_ns = monotonic_ns()

    # -- what a protocol says -----------------------------------------------------------------------------------------

    def _became_ready(self, tls_ns: int) -> None:
        """Connected and, in `tls_ns`, handshaken."""
        raise NotImplementedError

    def _fail(self, kind: ErrorKind) -> None:
        """It is of no use any more; `_why` has the words."""
        raise NotImplementedError

    def _read(self) -> None:
        """Its socket can be read."""
        raise NotImplementedError

    def _peer_ended(self) -> None:
        """The stream ends after the bytes just read."""
        raise NotImplementedError

    def _count(self, sent: int) -> None:
        """The kernel accepted so many of the bytes that were pending."""
        raise NotImplementedError

    def broken(self, code: int, why: str) -> None:
        """Reading or writing failed."""
        raise NotImplementedError

    def internal(self, error: Exception) -> None:
        """Our own fault while it was served."""
        raise NotImplementedError

    def _busy(self) -> bool:
        """Whether an event is on it."""
        raise NotImplementedError

    # -- opening ------------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        among = self._sockets
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
        self._sockets.remove(self)
        self._sockets.bury(self._sock)
        self._sockets.release(attempt)
        self._take(attempt.sock)
        self.address = attempt.address
        self._sockets.add(self)

    def _connected(self) -> None:
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self.connect_failed(code)
            return
        self._end_race()
        self._sockets.addresses.made(self.address)
        self.connected_ns = monotonic_ns()
        ask(self._sock)
        wire = self._sockets.wire
        if wire.tls is None:
            self._ready(0)
            return
        self._tls = TlsSession(wire.tls, wire.server_name, self._sock.recv, self._peer_ended)
        self.seal = self._tls.seal
        self.state = HANDSHAKE
        self._handshake()

    def connect_failed(self, code: int) -> None:
        """This address failed: try the next one, or give up."""
        if self.state == CLOSED:
            return
        self._sockets.addresses.failed(self.address, monotonic_ns())
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
        tls, recvmsg = self._tls, self._sock.recvmsg
        self.recv = tls.recv if tls else self._sock.recv
        self.recv_stamped = partial(receive_sealed, recvmsg, tls.open) if tls else partial(receive, recvmsg)
        """As `recv`, and when the kernel had received it, see `receive`."""
        self._watch(IN)
        self._became_ready(tls_ns)

    def _watch(self, mask: int) -> None:
        if mask != self.mask:
            self.mask = mask
            self._sockets.modify(self.fd, mask)

    # -- writing ------------------------------------------------------------------------------------------------------

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
            self._sockets.later(self, error.errno or errno.EIO)
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

    def unread(self, error: OSError) -> None:
        """Reading raised `error`."""
        due = self._tls.take() if self._tls is not None else b""
        if due:  # what reading made OpenSSL say: an alert, an answer to a question of the protocol's own
            self.pending = bytes(self.pending) + due
            self.overhead += len(due)
            self._flush()
        if isinstance(error, _WOULD_BLOCK):
            return
        if isinstance(error, ssl.SSLError) and self._busy():
            self._why = f"TLS: {error.strerror or error}"
            self._fail(ErrorKind.tls)
        else:
            self.broken(error.errno or 0, error.strerror or str(error))

    def _close_socket(self, *, given_up: bool) -> None:
        """Close it. `given_up`: it was tried in vain while it was being connected, and not just ended with the run."""
        addresses = self._sockets.addresses
        if self.state == CONNECTING and given_up:
            for address in (self.address, *(self._race.under_way() if self._race is not None else ())):
                addresses.failed(address, monotonic_ns())
        self._end_race()
        self.state = CLOSED
        self._sockets.remove(self)
        self._sockets.bury(self._sock)
        # they keep the socket
        self.recv = self.recv_stamped = self.send_bytes = self.seal = self._tls = None  # type: ignore[assignment]

    @property
    def opened(self) -> bool:
        """Connected and handshaken."""
        return self.state == READY

    def error_text(self) -> str:
        """What the operating system or the parser said of the last error."""
        return self._why

"""The direct transport: every connection of a shard in one epoll set, and that set one reader of the loop.

It is fast because there is one loop event per batch of ready sockets, and not one per socket.

Two rules keep it correct. A socket closed during a batch is really closed after the batch; otherwise a reused
descriptor would get the readiness of another socket. And no error of one connection leaves the drain callback.
"""

from __future__ import annotations

import asyncio
import itertools
import select
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

from loadsim.engine.direct_connection import CHUNK, FAILING, IN, OUT, READY, DirectConnection
from loadsim.engine.endpoint_addresses import Addresses
from loadsim.engine.next_address_attempts import Attempt
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.receive_stamps import WallClock
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.response_parser import Memo
from loadsim.engine.transport_interface import ConnectionOwner, Ended
from loadsim.model import NS_PER_MS

_SMALL = 479
"""Read size where every answer is known to be small: CPython keeps the memory of bytes up to this size at hand."""
_FITS = 384
"""The largest answer that such a read takes in one piece, in a TLS record too."""
_FRAMINGS = 4096
"""Number of body lengths whose header line is cached."""
_ROUNDS = 4
"""Number of times that one wake-up polls for ready sockets before the loop continues."""


_STAMPED = 32
"""One of so many reads asks for the kernel's stamp, which costs about 1 µs. The others are known to have waited less
than `_SELDOM_NS`: the sockets were looked at so shortly before."""
_SELDOM_NS = NS_PER_MS
"""All of them do where the last look at the sockets was so long ago, or at no known time: few are to be read, or all
have waited."""
_ALL = itertools.repeat(True)


class _Framings(dict[int, bytes]):
    """The header line with the length of a body, and the empty line, by size. Cached, since bodies have few sizes."""

    def __missing__(self, size: int) -> bytes:
        framing = b"Content-Length: %d\r\n\r\n" % size
        if len(self) < _FRAMINGS:
            self[size] = framing
        return framing


class DirectTransport:
    """The set, see ConnectionSet. Linux only (epoll)."""

    name = "direct"
    makes_cycles = False

    def __init__(self, loop: asyncio.AbstractEventLoop, wire: Wire, trace_id: str | None, first: int = 0) -> None:
        """`first`: the number of the address to start with."""
        self._loop = loop
        self._epoll = select.epoll()
        self._table: dict[int, DirectConnection] = {}
        self._attempts: dict[int, Attempt] = {}
        """Sockets that connect beside those of the table, by descriptor."""
        self.addresses = Addresses(wire.addresses, first)
        self._graveyard: list[socket.socket] = []
        self._draining = False
        self.answers: list[Ended] = []
        """The connections that were read in this batch."""
        self.wire = wire
        self.tls = wire.tls is not None
        self.head = wire.head
        # formatted with the index of each event; without a trace the zero precision swallows it
        self._trace_id = trace_id
        self.trace = self._trace_of(1)
        self.memo = Memo()
        self._varied = False
        """Whether an answer was seen that a small read did not take in one piece."""
        self._framings = _Framings()
        self._wall = WallClock()
        self._some = itertools.cycle((False,) * (_STAMPED - 1) + (True,))
        """Which of the reads ask for a stamp, where not all of them do."""
        self._looked_ns = 0
        self._converted_ns = 0
        """The look whose stamps are converted with `_ahead`."""
        self._ahead: int | None = None

    def start(self, owner: ConnectionOwner) -> None:
        """See Transport."""
        self.owner = owner
        self._loop.add_reader(self._epoll.fileno(), self._drain)

    def open(self) -> DirectConnection:
        """See Transport."""
        return DirectConnection(self)

    def connections(self) -> Iterable[DirectConnection]:
        """See Transport."""
        return list(self._table.values())

    async def close(self) -> None:
        """See Transport."""
        self._loop.remove_reader(self._epoll.fileno())
        for connection in self.connections():
            connection.close()
        self._bury_all()
        self._epoll.close()

    # -- sending ------------------------------------------------------------------------------------------------------

    def send_all(self, made: Iterable[tuple[Any, tuple[bytes, bytes], int]], attempt: int = 1) -> None:
        """See Transport. All requests are put together before the first is written, for the reason that the engine
        makes them in batches."""
        head, framings, tls, join = self.head, self._framings, self.tls, b"".join
        trace = self.trace if attempt == 1 else self._trace_of(attempt)
        ready = []
        for connection, (headers, body), index in made:
            data = join((head, headers, trace % index, framings[len(body)], body))
            if tls:
                seal, size = connection.seal, len(data)
                try:
                    data = seal(data)
                except OSError as error:  # ssl.SSLError
                    connection.unsealed(error)
                    continue
                connection.overhead = len(data) - size
            ready.append((connection, data))
        self._write_all(ready)

    def _write_all(self, ready: list[tuple[DirectConnection, bytes]]) -> None:
        clock = monotonic_ns
        for connection, data in ready:
            connection.first_ns = connection.receipt_ns = 0
            connection.bytes_received = 0
            # Called by way of a name: CPython 3.11 has no fast way to call what a slot holds.
            send = connection.send_bytes
            connection.sent_ns = clock()
            try:
                sent = send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                connection.unsent(error)
                continue
            if sent == len(data):
                connection.bytes_sent = sent - connection.overhead
            else:
                connection.partly_sent(data, sent)

    def _trace_of(self, attempt: int) -> bytes:
        """The trace header of an attempt, for any index."""
        return f"X-Loadsim-Id: {self._trace_id}/%d/{attempt}\r\n".encode() if self._trace_id else b"%.0a"

    # -- for connections ----------------------------------------------------------------------------------------------

    def add(self, connection: DirectConnection) -> None:
        """Watch it."""
        self._table[connection.fd] = connection
        self._epoll.register(connection.fd, connection.mask)

    def modify(self, fd: int, mask: int) -> None:
        """Watch it for something else."""
        self._epoll.modify(fd, mask)

    def remove(self, connection: DirectConnection) -> None:
        """Watch it no more."""
        if self._table.pop(connection.fd, None) is not None:
            self._epoll.unregister(connection.fd)

    def add_attempt(self, attempt: Attempt) -> None:
        """Watch a socket that connects beside that of its connection."""
        self._attempts[attempt.fd] = attempt
        self._epoll.register(attempt.fd, OUT)

    def release(self, attempt: Attempt) -> None:
        """Watch it no more; its socket stays as it is."""
        del self._attempts[attempt.fd]
        self._epoll.unregister(attempt.fd)

    def drop(self, attempt: Attempt) -> None:
        """Watch it no more, and close it."""
        self.release(attempt)
        self.bury(attempt.sock)

    def call_later(self, delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back from the loop."""
        return self._loop.call_later(delay_s, call)

    def bury(self, sock: socket.socket) -> None:
        """Close a socket; during a batch, after it."""
        if self._draining:
            self._graveyard.append(sock)
        else:
            sock.close()

    def lost(self, connection: DirectConnection) -> None:
        """An idle connection ended; no event is touched by it."""
        connection.close()
        self.owner.on_lost(connection)

    def soon(self, report: Callable[[], None]) -> None:
        """Call back from the loop: nothing is reported from inside a call of the engine's."""
        self._loop.call_soon(report)

    def later(self, connection: DirectConnection, code: int) -> None:
        """Report a failure of `open` or `send`."""
        self._loop.call_soon(self._report, connection, code)

    def _report(self, connection: DirectConnection, code: int) -> None:
        if connection.opened:
            connection.broken(code, "")
        elif connection.state == FAILING:
            connection.connect_failed(code)

    # -- the one reader -----------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        self._draining = True
        poll = self._epoll.poll
        try:
            for _ in range(_ROUNDS):
                ready = poll(0, 1024)
                if not ready:
                    break
                self._read_all(ready)
                if self.answers:
                    answers, self.answers = self.answers, []
                    self.owner.on_answers(answers)
        finally:
            self._draining = False
            if self._graveyard:
                self._bury_all()

    def _read_all(self, ready: list[tuple[int, int]]) -> None:
        """First read every socket of the batch, so that no answer's time includes the making of other requests."""
        get, clock, memo, answers = self._table.get, monotonic_ns, self.memo, self.answers
        began, looked, ticked = clock(), self._looked_ns, self.owner.looked_ns
        self._looked_ns = began
        if looked < ticked or not ticked:
            looked = ticked
        asks = _ALL if began - looked > _SELDOM_NS else self._some
        size = _SMALL if not self._varied and memo.data is not None and len(memo.data) <= _FITS else CHUNK
        for (fd, mask), ask in zip(ready, asks):  # noqa: B905 - `asks` has no end
            connection = get(fd)
            if connection is None:
                self._attempt_ready(fd)
                continue
            try:
                if mask != IN or connection.event is None or connection.state != READY:
                    connection.on_ready(mask)
                    continue
                recv = connection.recv
                try:
                    if ask:
                        data, stamp = connection.recv_stamped(size)
                    else:
                        data = recv(size)
                except OSError as error:
                    if size == _SMALL and connection.served:  # before its first answer it may be a session ticket
                        self._varied |= isinstance(error, ssl.SSLWantReadError)
                    connection.unread(error)
                    continue
                now = clock()
                connection.receipt_ns = self._receipt(connection, now, stamp, looked) if ask else looked - now
                if data == memo.data and not connection.reader.started and not connection.pending:
                    # the short way of `take`, for a response that is known and begins here
                    connection.reader.raw = data
                    connection.first_ns = now
                    connection.bytes_received = len(data)
                    connection.served += 1
                    answers.append((connection, memo.status, now))
                else:
                    self._varied |= len(data) == _SMALL
                    connection.take(data, now)
            except Exception as error:  # noqa: BLE001 - it must not take its neighbours with it
                self.owner.on_internal(connection, error)

    def _receipt(self, connection: DirectConnection, now: int, stamp: int, looked: int) -> int:
        """See Column.receipt: of what was read at `now`, with its stamp, or 0; the last look was at `looked`, or 0."""
        if self._converted_ns != self._looked_ns:
            self._converted_ns, self._ahead = self._looked_ns, self._wall.ahead_ns()
        if stamp and self._ahead is not None and 0 < now - stamp + self._ahead <= now - connection.sent_ns:
            return now - stamp + self._ahead
        return looked - now if looked else 0

    def _attempt_ready(self, fd: int) -> None:
        attempt = self._attempts.get(fd)
        connection = None if attempt is None else attempt.connection
        if attempt is None or connection is None:
            return
        try:
            attempt.on_ready()
        except Exception as error:  # noqa: BLE001 - as above
            self.owner.on_internal(connection, error)

    def _bury_all(self) -> None:
        for sock in self._graveyard:
            sock.close()
        self._graveyard.clear()

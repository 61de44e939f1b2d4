"""The direct transport over HTTP/1.1: every connection of a shard in one set of sockets, read in batches.

What makes it fast: all requests of a batch are put together before the first is written, and an answer that repeats
the one before byte for byte is not parsed again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from loadsim.compiled_step import step
from loadsim.engine.delivery_headers import DeliveryHeaders, line
from loadsim.engine.direct_connection import CHUNK, DirectConnection
from loadsim.engine.endpoint_socket import IN, READY
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.response_parser import Memo
from loadsim.engine.socket_set import SocketSet
from loadsim.engine.transport_interface import SendEvents

SMALL = 479
"""Read size where every answer is known to be small: CPython keeps the memory of bytes up to this size at hand."""
FITS = 384
"""The largest answer that such a read takes in one piece, in a TLS record too."""
_FRAMINGS = 4096
"""Number of body lengths whose header line is cached."""


class _Framings(dict[int, bytes]):
    """The header line with the length of a body, and the empty line, by size. Cached, since bodies have few sizes."""

    def __missing__(self, size: int) -> bytes:
        framing = b"Content-Length: %d\r\n\r\n" % size
        if len(self) < _FRAMINGS:
            self[size] = framing
        return framing


class DirectTransport(SocketSet[DirectConnection]):
    """See Transport and ConnectionSet."""

    if step is not None:
        __slots__ = ("_varied", "memo")  # what the compiled step reaches

    name = "direct"
    makes_cycles = False
    send_events: SendEvents | None = None
    shared = None

    def __init__(self, loop: asyncio.AbstractEventLoop, wire: Wire, headers: DeliveryHeaders, first: int = 0) -> None:
        """`headers`: those that name a delivery; `first`: the number of the address to start with."""
        super().__init__(loop, wire, first)
        self.tls = wire.tls is not None
        self.head = wire.head
        self._lines = headers.lines(line)
        self._form = self._lines.template()
        self.memo = Memo()
        self._varied = False
        """Whether an answer was seen that a small read did not take in one piece."""
        self._framings: dict[int, bytes] = _Framings()

    def open(self) -> DirectConnection:
        """See Transport."""
        return DirectConnection(self)

    def connections(self) -> Iterable[DirectConnection]:
        """See Transport."""
        return list(self._table.values())

    async def close(self) -> None:
        """See Transport."""
        for connection in self.connections():
            connection.close()
        await self._close_set()

    # -- sending ------------------------------------------------------------------------------------------------------

    def send_all(self, made: Iterable[tuple[Any, tuple[bytes, bytes], int]], attempt: int = 1) -> None:
        """See Transport. All requests are put together before the first is written, for the reason that the engine
        makes them in batches."""
        head, framings, tls, join = self.head, self._framings, self.tls, b"".join
        lines: Mapping[int, bytes] = self._lines
        form = self._form if attempt == 1 else self._lines.template(attempt)
        if form is None:
            made, lines = self._lines.of_batch(made, attempt)
        ready = []
        for connection, (headers, body), index in made:
            name = lines[index] if form is None else form % index
            data = join((head, headers, name, framings[len(body)], body))
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

    def lost(self, connection: DirectConnection) -> None:
        """An idle connection ended; no event is touched by it."""
        connection.close()
        self.owner.on_lost(connection)

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read_size(self) -> int:
        data = self.memo.data
        return SMALL if not self._varied and data is not None and len(data) <= FITS else CHUNK

    def _read_all(self, ready: list[tuple[int, int]], begun: tuple[int, Iterable[bool]] | None = None) -> None:
        """First read every socket of the batch, so that no answer's time includes the making of other requests.

        `begun`: what `_look` gave, where these are some of a batch that has begun."""
        get, clock, memo, answers = self._table.get, monotonic_ns, self.memo, self.answers
        looked, asks = self._look(clock()) if begun is None else begun
        size = self._read_size()
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
                    if size == SMALL and connection.served:  # before its first answer it may be a session ticket
                        self._varied |= isinstance(error, ssl.SSLWantReadError)
                    connection.unread(error)
                    continue
                now = clock()
                connection.receipt_ns = self._receipt(connection.sent_ns, now, stamp, looked) if ask else looked - now
                if data == memo.data and not connection.reader.started and not connection.pending:
                    # the short way of `take`, for a response that is known and begins here
                    connection.reader.raw = data
                    connection.first_ns = now
                    connection.bytes_received = len(data)
                    connection.served += 1
                    answers.append((connection, memo.status, now))
                else:
                    self._varied |= len(data) == SMALL
                    connection.take(data, now)
            except Exception as error:  # noqa: BLE001 - it must not take its neighbours with it
                self.owner.on_internal(connection, error)

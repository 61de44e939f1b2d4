"""The aiohttp transport, for proxies and for platforms without epoll.

A connection here is an aiohttp session with a pool of its own, because the engine must know which event uses which
connection: `reuse`, `closed_idle` and the counts of connections depend on it. aiohttp connects and writes; answers are
read by a tap on the socket. Exceptions of aiohttp are never printed: they contain the URL, which may hold a secret.
"""

from __future__ import annotations

import asyncio
import io
import os
import socket
from collections.abc import Iterable
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import ResolveResult
from multidict import CIMultiDict
from yarl import URL

from loadsim.engine.aiohttp_tap import Tap, text_of
from loadsim.engine.delivery_headers import DeliveryHeaders, line
from loadsim.engine.endpoint_addresses import Addresses
from loadsim.engine.error_kind_of_failure import NO_RESOURCE, kind_of_break, kind_of_errno
from loadsim.engine.next_address_attempts import ATTEMPT_DELAY_NS
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.response_parser import Memo
from loadsim.engine.transport_interface import ConnectionOwner, Made, ResourceLimitError, SendEvents
from loadsim.error_kinds import ErrorKind
from loadsim.model import NS_PER_S, SignedRequest
from loadsim.outcome_codes import ERROR_BASE

_WHOLE_BODY = 1 << 20
"""aiohttp writes bodies up to this size in one piece; larger ones must be files."""
_ONLY_OURS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_UNTIMED = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)

_serving: ContextVar[AiohttpConnection] = ContextVar("connection")
"""The connection of the present task, which aiohttp's hooks do not have."""


class _Request(aiohttp.ClientRequest):
    """A request that knows the socket it is about to be written to."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        if conn.transport is not None and conn.protocol is not None:
            _serving.get().granted(conn.transport, conn.protocol)
        return await super().send(conn)


class _Connector(aiohttp.TCPConnector):
    """Connects to the addresses that were looked up before the run, in the order of the present connection.

    aiohttp's own form of addresses loses the zone of a link-local address.
    """

    async def _resolve_host(self, *_: Any, **__: Any) -> list[ResolveResult]:
        return []

    def _convert_hosts_to_addr_infos(self, _: list[ResolveResult]) -> list[Any]:
        return _serving.get().address_infos()


class AiohttpConnection:
    """One connection: a task that opens it with its first event and carries one event after the other."""

    def __init__(self, transport: AiohttpTransport) -> None:
        self._transport = transport
        self._owner = transport.owner
        self._tap: Tap | None = None
        self._stream: asyncio.Transport | None = None
        self._waiting: asyncio.Future[SignedRequest] | None = None
        self._code = 0
        """The outcome of the event in progress: a status, minus an ErrorKind, or 0 while it is open."""
        self._why = ""
        self._opening_ns = 0
        self._order = transport.addresses.order(monotonic_ns())
        self.address = self._order[0]
        """Of the address that it is connected to."""
        self._written = self._total = self._done_ns = 0
        self.closed = False
        self.event: Any = None
        self.served = 0
        self.slot_ns = self.sent_ns = self.first_ns = self.receipt_ns = self.ready_ns = 0
        self.bytes_received = 0
        self.reusable = True
        family, _ = transport.addresses.found[self.address]
        try:
            # made now and not when aiohttp would, so that a lack of descriptors shows before the event is taken on
            self._socket: socket.socket | None = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise ResourceLimitError(os.strerror(error.errno or 0)) from None
        self.task = transport.loop.create_task(self._live())

    # -- what the engine asks -----------------------------------------------------------------------------------------

    @property
    def opened(self) -> bool:
        """Connected and handshaken; aiohttp connects when the first request is there."""
        return self._tap is not None

    @property
    def bytes_sent(self) -> int:
        """What aiohttp wrote, less what still waits in the loop's buffer."""
        stream = self._stream
        return self._written - (0 if stream is None or stream.is_closing() else stream.get_write_buffer_size())

    def send(self, request: SignedRequest, index: int, attempt: int = 1) -> None:
        """See Connection."""
        self.sent_ns = self.first_ns = self.receipt_ns = 0
        self.bytes_received = self._written = 0
        self._code, self._why = 0, ""
        lines = self._transport.lines
        name = lines[index] if attempt == 1 else lines.of([index], attempt)[index]
        self._next().set_result(SignedRequest(request.headers + name, request.body))

    def close(self) -> None:
        """See Connection."""
        if not self.closed:
            self.closed = True
            addresses = self._transport.addresses
            addresses.answers[self.address] += self.served
            if self._tap is None and self._opening_ns and not self.reusable:  # given up while it was being opened
                now = monotonic_ns()
                for tried in self._order[: 1 + (now - self._opening_ns) // ATTEMPT_DELAY_NS]:
                    addresses.failed(tried, now)
            self._transport.forget(self)
            if self._stream is not None:
                self._stream.abort()  # a polite close would wait for what the peer does not read
            self.task.cancel()

    def raw_response(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """See Connection."""
        return self._tap.reader.shown() if self._tap is not None else ((), "")

    def error_text(self) -> str:
        """See Connection."""
        return self._why

    # -- called by the tap and the hooks ------------------------------------------------------------------------------

    def opening(self) -> None:
        """aiohttp begins to connect."""
        self._opening_ns = monotonic_ns()

    def address_infos(self) -> list[tuple[int, int, int, str, Any]]:
        """Where to connect, in the order of trying, as aiohttp wants it."""
        found = self._transport.addresses.found
        return [
            (found[number][0], socket.SOCK_STREAM, socket.IPPROTO_TCP, "", found[number][1]) for number in self._order
        ]

    def made(self) -> None:
        """The connection is made, TLS included."""
        if not self.closed:
            self._owner.on_handshake(self, monotonic_ns() - self._opening_ns, 0)

    def granted(self, stream: asyncio.Transport, inner: aiohttp.client_proto.ResponseHandler) -> None:
        """The next request goes out on `stream`."""
        if self._stream is not stream:
            # also where the old one ended as this event was given to us: aiohttp connects anew without asking
            addresses = self._transport.addresses
            addresses.answers[self.address] += self.served
            self.address = addresses.won(self._order, stream.get_extra_info("peername"), monotonic_ns())
            self._stream, self._tap, self.served = stream, Tap(self, inner, self._transport.memo), 0
            stream.set_protocol(self._tap)
        self.sent_ns = monotonic_ns()

    def writing(self, size: int) -> None:
        """So much of the body is about to be written; the head goes with the first piece."""
        if self._written == 0:
            self._written = self._total - self._body_size
            self.sent_ns = monotonic_ns()
        self._written += size

    # -- called by the tap, see TappedConnection -----------------------------------------------------------------------

    @property
    def asking(self) -> bool:
        """See TappedConnection."""
        return self.event is not None and self._code == 0

    def arrived(self, size: int) -> None:
        """See TappedConnection."""
        if self.first_ns == 0:
            self.first_ns = monotonic_ns()
        self.bytes_received += size

    def answered(self, code: int, why: str) -> None:
        """See TappedConnection."""
        self._code, self._why, self._done_ns = code, why, monotonic_ns()
        looked = self._owner.looked_ns
        self.receipt_ns = looked - self._done_ns if looked else 0

    def unasked(self) -> None:
        """See TappedConnection."""
        if self.event is None and self._stream is not None:
            self._stream.close()

    def went(self) -> None:
        """See TappedConnection."""
        if self.event is None and not self.closed:
            self.close()
            self._owner.on_lost(self)

    # -- its life -----------------------------------------------------------------------------------------------------

    def _next(self) -> asyncio.Future[SignedRequest]:
        if self._waiting is None:
            self._waiting = self._transport.loop.create_future()
        return self._waiting

    def _take_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """aiohttp wants a socket: the one that is there, or another one for the next address."""
        made, self._socket = self._socket, None
        if made is not None and made.family == info[0]:
            return made
        if made is not None:
            made.close()
        return socket.socket(info[0], info[1], info[2])

    async def _live(self) -> None:
        _serving.set(self)
        try:
            async with self._transport.session(self._take_socket) as session:
                self._owner.on_open(self)
                while True:
                    request = await self._next()
                    self._waiting = None
                    code = await self._carry(session, request)
                    self._owner.on_done(self, code, self._done_ns)
        except Exception as error:  # noqa: BLE001 - the engine decides what a fault of ours means
            self._owner.on_internal(self, error)
        finally:
            if self._socket is not None:
                self._socket.close()

    async def _carry(self, session: aiohttp.ClientSession, request: SignedRequest) -> int:
        try:
            await self._exchange(session, request)
        except (aiohttp.ClientError, OSError) as error:
            if self._code == 0:
                self.answered(-self._kind_of(error), text_of(error))
        if self._code == 0:
            raise RuntimeError("aiohttp ended an exchange without an answer")
        self.reusable = self._code > 0 and self._in_step()
        if self._code > 0:
            self.served += 1
            return self._code
        return ERROR_BASE - self._code

    def _in_step(self) -> bool:
        """Whether the next request may follow: kept alive, and asked in full before it was answered."""
        return self._tap is not None and self._tap.keeps and self.bytes_sent == self._total

    async def _exchange(self, session: aiohttp.ClientSession, request: SignedRequest) -> None:
        transport = self._transport
        headers = CIMultiDict(transport.headers)
        headers.extend(request.header_pairs())
        size = self._body_size = len(request.body)
        own = transport.head_size + len(request.headers)
        self._total = own + len(b"Content-Length: %d\r\n\r\n" % size) + size
        data = request.body if size <= _WHOLE_BODY else io.BytesIO(request.body)
        proxy = transport.wire.proxy
        async with session.post(
            transport.url, data=data, headers=headers, allow_redirects=False, proxy=proxy
        ) as response:
            if not self._in_step():
                response.close()  # or leaving the block would wait for a request that is still being written

    # -- failures -----------------------------------------------------------------------------------------------------

    def _kind_of(self, error: Exception) -> ErrorKind:
        """The kind of an error before the tap had anything to read, or of a request that could not be written."""
        if self._tap is None:
            for tried in self._order:
                self._transport.addresses.failed(tried, monotonic_ns())
            self._order = []
            return self._kind_of_opening(error)
        return kind_of_break(reused=self.served > 0, sent=self.bytes_sent > 0, answered=self.first_ns > 0)

    def _kind_of_opening(self, error: Exception) -> ErrorKind:
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return ErrorKind.dns
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return ErrorKind.connect_error
        if isinstance(error, aiohttp.ClientSSLError):
            return ErrorKind.tls
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        code = cause.errno if isinstance(cause, OSError) else None
        kind = kind_of_errno(code)
        if self._transport.wire.tls is not None and kind is ErrorKind.connect_error and code not in NO_RESOURCE:
            return ErrorKind.tls  # TCP fails by the kinds above; what is left broke the handshake
        return kind


class AiohttpTransport:
    """aiohttp's client as a Transport. `connect` includes the TLS handshake: aiohttp does not separate them."""

    name = "aiohttp"
    makes_cycles = True
    send_events: SendEvents | None = None
    shared = None

    def __init__(self, loop: asyncio.AbstractEventLoop, wire: Wire, headers: DeliveryHeaders, first: int = 0) -> None:
        """`headers`: those that name a delivery; `first`: the number of the address to start with."""
        self.loop = loop
        self.wire = wire
        self.lines = headers.lines(line)
        self.head_size = len(wire.head)
        request_line, *lines = wire.head.decode().split("\r\n")
        path = request_line.split(" ")[1]
        self.url = URL(f"{'http' if wire.tls is None else 'https'}://{wire.host}{path}", encoded=True)
        self.headers = CIMultiDict((name, value) for name, _, value in (line.partition(": ") for line in lines) if name)
        self._live: dict[AiohttpConnection, None] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.memo = Memo()
        self.addresses = Addresses(wire.addresses, first)
        self._resolver = aiohttp.ThreadedResolver()  # never asked; the default one may start threads
        self._hooks = _hooks()

    def start(self, owner: ConnectionOwner) -> None:
        """See Transport."""
        self.owner = owner

    def open(self) -> AiohttpConnection:
        """See Transport."""
        connection = AiohttpConnection(self)
        self._live[connection] = None
        return connection

    def send_all(self, made: Iterable[Made], attempt: int = 1) -> None:
        """See Transport."""
        for connection, request, index in made:
            connection.send(SignedRequest(*request), index, attempt)

    def connections(self) -> Iterable[AiohttpConnection]:
        """See Transport."""
        return list(self._live)

    async def close(self) -> None:
        """See Transport."""
        for connection in self.connections():
            connection.close()
        if self._ending:
            await asyncio.wait(self._ending)

    # -- for connections ----------------------------------------------------------------------------------------------

    def forget(self, connection: AiohttpConnection) -> None:
        """It is closing: wait for its task at the end of the run only."""
        self._live.pop(connection, None)
        if not connection.task.done():
            self._ending.add(connection.task)
            connection.task.add_done_callback(self._ending.discard)

    def session(self, socket_factory: Any) -> aiohttp.ClientSession:
        """A client for one connection, without redirects, decompression, cookies and timeouts."""
        return aiohttp.ClientSession(
            connector=_Connector(
                limit=0,
                ssl=True if self.wire.tls is None else self.wire.tls,
                resolver=self._resolver,
                use_dns_cache=False,
                keepalive_timeout=None,
                happy_eyeballs_delay=ATTEMPT_DELAY_NS / NS_PER_S,
                socket_factory=socket_factory,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_UNTIMED,
            skip_auto_headers=_ONLY_OURS,
            request_class=_Request,
            auto_decompress=False,
            trace_configs=[self._hooks],
        )


def _hooks() -> aiohttp.TraceConfig:
    async def opening(*_: object) -> None:
        _serving.get().opening()

    async def made(*_: object) -> None:
        _serving.get().made()

    async def writing(_: object, __: SimpleNamespace, sent: aiohttp.TraceRequestChunkSentParams) -> None:
        _serving.get().writing(len(sent.chunk))

    hooks = aiohttp.TraceConfig()
    hooks.on_connection_create_start.append(opening)
    hooks.on_connection_create_end.append(made)
    hooks.on_request_chunk_sent.append(writing)
    return hooks

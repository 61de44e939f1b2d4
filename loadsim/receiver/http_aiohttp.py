"""The aiohttp engine: HTTP by aiohttp's low-level server, everything else by the desk.

Decides how to spend little per request: no router, no access log, answers rendered before, bodies taken from the buffer
where they are complete. Refuses to know what a request deserves.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import ceil
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from loadsim.model import NS_PER_S
from loadsim.receiver import answers
from loadsim.receiver.alarm import Alarm
from loadsim.receiver.answers import Answer
from loadsim.receiver.decide import TRANSFER_CODING, understood
from loadsim.receiver.desk import Desk
from loadsim.receiver.faults import SlowReading, reset
from loadsim.receiver.options import ReceiverOptions

VERSIONS = (HttpVersion11, HttpVersion10)
LINGER_S = 1.0
"""How long what a refused sender still sends is read and thrown away, so that it sees the answer and not a reset."""
LONGEST_TICK_S = 1.0
BACKLOG = 4096


class _RefusedError(Exception):
    """The body is not to be read to its end: it went over a limit."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _Prepared(web.StreamResponse):
    """One answer to any number of requests: writes bytes that were rendered before."""

    def __init__(self, desk: Desk, answer: Answer, *, keep: bool) -> None:
        super().__init__(status=answer.status)
        self._desk = desk
        self._answer = answer
        self._keep = keep

    @property
    def keep_alive(self) -> bool:
        return self._keep

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the sender is gone")
        transport.write(self._desk.bytes_of(self._answer, not self._keep, request.method == hdrs.METH_HEAD))
        if request.protocol.writing_paused:
            await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Everything was written by `prepare`."""


class _Reset(_Prepared):
    """In place of an answer: the connection is reset."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if request.transport is not None:
            reset(request.transport)
        return None


class _PreparedLast(_Prepared):
    """The answer to what is not HTTP: what else comes is thrown away for a while, so that the sender can read it."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        await super().prepare(request)
        if isinstance(request.protocol, _Connection):
            await request.protocol.linger()
        return None


class _Connection(web.RequestHandler):
    """aiohttp's connection, except that what is not HTTP gets our answer and stands in the books, and that a head has a
    deadline.
    """

    __slots__ = ("_engine", "_gone", "_in_head", "_refused", "_ticks")

    def __init__(self, engine: AiohttpEngine, server: web.Server, **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._engine = engine
        self._gone: asyncio.Future[None] | None = None
        self._in_head = False
        self._refused = False
        self._ticks = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages or self._current_request is not None:
            self._in_head = False
        elif not self._in_head:
            self._in_head, self._ticks = True, 0

    def tick(self, most: int) -> None:
        """One tick went by: end a head that has taken more than so many, and who has read nothing for so long."""
        if self.transport is None or not (self._in_head or self.writing_paused or self._refused):
            self._ticks = 0
            return
        self._ticks += 1
        if self._refused or (self.writing_paused and self._ticks > most):
            self.transport.abort()
        elif self._ticks > most:
            self._refused = True
            self.transport.write(self._engine.too_slow())
            self.transport.write_eof()  # until the next tick what comes is thrown away, so that the answer can be read
            self.close()

    async def linger(self) -> None:
        """End our side, and wait a while for the other to end its own."""
        self.close()
        self._gone = asyncio.get_running_loop().create_future()
        if self.transport is not None:
            self.transport.write_eof()
        await asyncio.wait([self._gone], timeout=LINGER_S)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - the base class's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        if status >= 500 and exc is not None:
            self.log_exception("Error handling request", exc_info=exc)
        return self._engine.last(answers.INTERNAL if status >= 500 else answers.BAD_REQUEST)


class _SlowConnection(SlowReading, _Connection):
    """The same, reading slowly."""

    def __init__(self, engine: AiohttpEngine, server: web.Server, bytes_per_s: int, **kwargs: Any) -> None:
        super().__init__(engine, server, **kwargs)
        self.bytes_per_s = bytes_per_s


class AiohttpEngine:
    """Serves one listening socket. `serve` starts, `stop` answers what is in flight and ends."""

    def __init__(self, options: ReceiverOptions, desk: Desk, alarm: Alarm | None) -> None:
        self._desk = desk
        self._alarm = alarm
        self._pick = desk.names(TRANSFER_CODING).pick
        self._max_body = options.max_body
        self._read_timeout = options.read_timeout_ns / NS_PER_S
        self._idle_timeout = options.idle_timeout_ns / NS_PER_S
        self._read_rate = options.read_rate
        self._tick_s = min(LONGEST_TICK_S, self._read_timeout / 2)
        self._timer: asyncio.TimerHandle | None = None
        self._prepared: dict[tuple[Answer, bool], _Prepared] = {}
        self._listener: asyncio.Server | None = None
        self._server = web.Server(self._handle)

    async def serve(self, sock: Any) -> None:
        """Accept connections on `sock`, a bound TCP socket."""
        loop = asyncio.get_running_loop()
        kind = _Connection if self._read_rate is None else partial(_SlowConnection, bytes_per_s=self._read_rate)
        factory = partial(
            kind,
            self,
            self._server,
            loop=loop,
            access_log=None,
            keepalive_timeout=self._idle_timeout,
            lingering_time=LINGER_S,
            auto_decompress=False,
        )
        self._listener = await loop.create_server(factory, sock=sock, backlog=BACKLOG)
        self._timer = loop.call_later(self._tick_s, self._tick)

    def drop(self) -> None:
        """Accept nothing, close every connection as it stands; `serve` may follow."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._timer is not None:
            self._timer.cancel()
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def stop(self, timeout_s: float) -> None:
        """Accept nothing more, answer what is in flight within `timeout_s`, close every connection."""
        if self._listener is not None:
            self._listener.close()
        if self._timer is not None:
            self._timer.cancel()
        self._server.pre_shutdown()
        await self._server.shutdown(timeout_s)

    def last(self, answer: Answer) -> web.StreamResponse:
        """Count a request that was not understood; its answer is the last on its connection."""
        self._desk.refuse(answer)
        return _PreparedLast(self._desk, answer, keep=False)

    def too_slow(self) -> bytes:
        """Count a request whose head did not come in time, and the bytes of its answer."""
        self._desk.refuse(answers.TOO_SLOW)
        return self._desk.bytes_of(answers.TOO_SLOW, True)

    def refusal(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        """Count a request that is refused before it was read, and its answer."""
        self._desk.refuse(answer)
        return self._respond(request, answer)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.version not in VERSIONS:
            return self.last(answers.BAD_REQUEST)
        payload = request.content
        if payload.is_eof():
            body = payload.read_nowait()
            if len(body) > self._max_body:
                return self.refusal(request, answers.TOO_LARGE)
        else:
            length = request.content_length
            if length is not None and length > self._max_body:
                return self.refusal(request, answers.TOO_LARGE)
            if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.transport is not None:
                request.transport.write(answers.CONTINUE)
            try:
                async with asyncio.timeout(self._read_timeout):
                    body = await self._read(payload)
            except TimeoutError:
                return self.refusal(request, answers.TOO_SLOW)
            except _RefusedError as refused:
                return self.refusal(request, refused.answer)
            except (HttpProcessingError, web.PayloadAccessError):
                return self.refusal(request, answers.BAD_REQUEST)
            except ConnectionError:
                return self._respond(request, answers.BAD_REQUEST)  # nobody is there to read it: nothing is counted
        headers, mark = self._pick(request.raw_headers)
        if TRANSFER_CODING in headers and not understood(headers[TRANSFER_CODING]):
            return self.refusal(request, answers.BAD_REQUEST)
        answer, instant = self._desk.take(request.method, request.raw_path, headers, body, mark)
        if instant and self._alarm is not None:
            del body  # nobody needs it any more
            await self._alarm.at(instant)
        return self._respond(request, answer)

    def _tick(self) -> None:
        # Ticks are counted, not timed, so that a stall of the whole loop is nobody's fault.
        most = ceil(self._read_timeout / self._tick_s)
        for connection in self._server.connections:
            if isinstance(connection, _Connection):
                connection.tick(most)
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    async def _read(self, payload: StreamReader) -> bytes:
        chunks, size, room = [], 0, self._desk.room
        try:
            while not payload.at_eof():
                chunk = await payload.readany()
                chunks.append(chunk)
                before, size = size, size + len(chunk)
                has_room = room.changed(before, size)
                if size > self._max_body:
                    raise _RefusedError(answers.TOO_LARGE)
                if not has_room:
                    raise _RefusedError(answers.NO_ROOM)
        finally:
            room.changed(size, 0)
        return b"".join(chunks)

    def _respond(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        keep = not answer.close and request.keep_alive and request.version == HttpVersion11
        key = (answer, keep)
        found = self._prepared.get(key)
        if found is None:
            kind = _Reset if answer is answers.RESET else _Prepared
            found = self._prepared[key] = kind(self._desk, answer, keep=keep)
        return found

"""The aiohttp HTTP engine: aiohttp's low-level server in front of the handler.

It spends little per request: no router, no access log, answers rendered in advance, bodies taken from the buffer when
they are complete. A request that comes whole while nothing else is under way on its connection, and whose answer may be
sent at once, is answered as soon as aiohttp's parser hands it over.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import ceil
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from loadsim.model import NS_PER_S
from loadsim.receiver import answers
from loadsim.receiver.aiohttp_exchange import AnsweringParser, Prepared, ReadRequest, Reset
from loadsim.receiver.answer_choice import TRANSFER_CODING, understood
from loadsim.receiver.answers import Answer
from loadsim.receiver.connection_faults import SlowReading
from loadsim.receiver.connection_limits import BACKLOG, LINGER_S, LONGEST_TICK_S
from loadsim.receiver.handler import WebhookHandler
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.rendered_answers import CONTINUE
from loadsim.receiver.timer import Timer

VERSIONS = (HttpVersion11, HttpVersion10)
_CAN_ANSWER = hasattr(HttpRequestParser, "message_consumed") and all(
    hasattr(web.RequestHandler, name)
    for name in ("_parser", "_waiter", "_keepalive_timeout", "_next_keepalive_close_time")
)
"""Whether this aiohttp has what answering at once needs; without that it answers in its own way."""


class _RefusedError(Exception):
    """The body went over a limit and is not read to its end."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _PreparedLast(Prepared):
    """The answer to input that is not HTTP. Further input is discarded for a while, so that the sender can read the
    answer."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        await super().prepare(request)
        if isinstance(request.protocol, _Connection):
            await request.protocol.linger()
        return None


class _Connection(web.RequestHandler):
    """aiohttp's connection with four changes: input that is not HTTP gets our answer and is counted, nothing after it
    is parsed, the head of a request has a deadline, and what can be answered at once is.
    """

    __slots__ = ("_answered", "_engine", "_gone", "_in_head", "_not_http", "_refused", "_ticks")

    def __init__(self, engine: AiohttpEngine, server: web.Server, **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._engine = engine
        self._gone: asyncio.Future[None] | None = None
        self._answered = self._in_head = False
        self._not_http = self._refused = False
        self._ticks = 0
        if engine.answers_at_once:
            self._parser = AnsweringParser(self._parser, self._answer)  # type: ignore[assignment]  # in its place

    def data_received(self, data: bytes) -> None:
        if self._not_http:
            return
        self._answered = False
        web.RequestHandler.data_received(self, data)  # super() costs more
        if self._answered or self._messages or self._current_request is not None:
            self._in_head = False
            # aiohttp asks its parser again for each piece of a body that is read, and keeps an error for each time
            self._not_http = bool(self._messages) and not isinstance(self._messages[-1][0], RawRequestMessage)
        elif not self._in_head:
            self._in_head, self._ticks = True, 0

    def _answer(self, message: RawRequestMessage, payload: StreamReader, size: int) -> bool:
        """Answer the request that has just come, if its connection waits for one, and if it can be done at once."""
        waiter, transport = self._waiter, self.transport
        if waiter is None or waiter.done() or transport is None or self.writing_paused:
            return False
        data, keep = self._engine.answered(self, message, payload, size)
        if not data:
            return False
        transport.write(data)
        if keep:
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        else:
            self.close()
            transport.close()
        self._answered = True
        return True

    def tick(self, most: int) -> None:
        """Count one tick; end a connection whose head, or whose reading of an answer, has taken more than `most`
        ticks."""
        if self.transport is None or not (self._in_head or self.writing_paused or self._refused):
            self._ticks = 0
            return
        self._ticks += 1
        if self._refused or (self.writing_paused and self._ticks > most):
            self.transport.abort()
        elif self._ticks > most:
            self._refused = True
            self.transport.write(self._engine.too_slow())
            self.transport.write_eof()  # input is discarded until the next tick, so that the answer can be read
            self.close()

    async def linger(self) -> None:
        """Close our side, and wait a while for the sender to close its own."""
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
    """A connection that is read slowly."""

    def __init__(self, engine: AiohttpEngine, server: web.Server, bytes_per_s: int, **kwargs: Any) -> None:
        super().__init__(engine, server, **kwargs)
        self.bytes_per_s = bytes_per_s


class AiohttpEngine:
    """Serves one listening socket. `serve` starts, `stop` answers what is in flight and ends."""

    def __init__(self, options: ReceiverOptions, handler: WebhookHandler, timer: Timer | None) -> None:
        self._handler = handler
        self._timer = timer
        self._pick = handler.names(TRANSFER_CODING).pick
        self._max_body = options.max_body
        self._read_timeout = options.read_timeout_ns / NS_PER_S
        self._idle_timeout = options.idle_timeout_ns / NS_PER_S
        self._read_rate = options.read_rate
        self._tick_s = min(LONGEST_TICK_S, self._read_timeout / 2)
        self._next_tick: asyncio.TimerHandle | None = None
        self._prepared: dict[tuple[Answer, bool], Prepared] = {}
        self._listener: asyncio.Server | None = None
        self.answers_at_once = handler.answers_at_once and _CAN_ANSWER
        self._server = web.Server(self._handle, request_factory=ReadRequest)  # type: ignore[arg-type]  # it makes no others

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
        self._next_tick = loop.call_later(self._tick_s, self._tick)

    def drop(self) -> None:
        """Accept no more connections and close all open ones at once; `serve` may follow."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._next_tick is not None:
            self._next_tick.cancel()
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def stop(self, timeout_s: float) -> None:
        """Accept nothing more, answer what is in flight within `timeout_s`, close every connection."""
        if self._listener is not None:
            self._listener.close()
        if self._next_tick is not None:
            self._next_tick.cancel()
        self._server.pre_shutdown()
        await self._server.shutdown(timeout_s)

    def last(self, answer: Answer) -> web.StreamResponse:
        """Count a request that is not valid HTTP; its answer is the last on its connection."""
        self._handler.refuse(answer)
        return _PreparedLast(self._handler, answer, keep=False)

    def too_slow(self) -> bytes:
        """Count a request whose head did not arrive in time; returns the bytes of its answer."""
        self._handler.refuse(answers.TOO_SLOW)
        return self._handler.bytes_of(answers.TOO_SLOW, True)

    def refusal(self, request: ReadRequest, answer: Answer) -> web.StreamResponse:
        """Count a request that is refused before it was read completely; returns its answer."""
        self._handler.refuse(answer)
        return self._respond(request, answer)

    def answered(
        self, connection: _Connection, message: RawRequestMessage, payload: StreamReader, size: int
    ) -> tuple[bytes, bool]:
        """Decide and count a request of which `size` bytes have come with its body, if that is complete and usual: the
        bytes of its answer, and whether its connection stays open. No bytes: nothing was done."""
        usual = message.version == HttpVersion11 and not message.should_close and message.method == hdrs.METH_POST
        if not usual or size > self._max_body or not payload.is_eof():
            return b"", True
        headers, delivery_id = self._pick(message.raw_headers)
        if TRANSFER_CODING in headers:
            return b"", True
        handler = self._handler
        try:
            body = payload.read_nowait()
            answer, _, data = handler.reply(message.method, message.path, headers, body, delivery_id)
            return data or handler.bytes_of(answer, answer.close), not answer.close
        except Exception as error:  # noqa: BLE001 - as aiohttp's connection does
            connection.log_exception("Error handling request", exc_info=error)
            handler.refuse(answers.INTERNAL)
            return handler.bytes_of(answers.INTERNAL, True), False

    async def _handle(self, request: ReadRequest) -> web.StreamResponse:
        message, payload = request.parsed, request.content
        if message.version not in VERSIONS:
            return self.last(answers.BAD_REQUEST)
        if payload.is_eof():
            body = payload.read_nowait()
            if len(body) > self._max_body:
                return self.refusal(request, answers.TOO_LARGE)
        else:
            rest = await self._rest(request, payload)
            if isinstance(rest, web.StreamResponse):
                return rest
            body = rest
        headers, delivery_id = self._pick(message.raw_headers)
        if TRANSFER_CODING in headers and not understood(headers[TRANSFER_CODING]):
            return self.refusal(request, answers.BAD_REQUEST)
        answer, instant = self._handler.take(message.method, message.path, headers, body, delivery_id)
        if instant and self._timer is not None:
            del body  # no longer needed
            await self._handler.until(answer, instant, self._timer)
        return self._respond(request, answer)

    async def _rest(self, request: ReadRequest, payload: StreamReader) -> bytes | web.StreamResponse:
        """The body of a request that is not complete yet, or the answer that refuses it."""
        length = request.content_length
        if length is not None and length > self._max_body:
            return self.refusal(request, answers.TOO_LARGE)
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(CONTINUE)
        try:
            async with asyncio.timeout(self._read_timeout):
                return await self._read(payload)
        except TimeoutError:
            return self.refusal(request, answers.TOO_SLOW)
        except _RefusedError as refused:
            return self.refusal(request, refused.answer)
        except (HttpProcessingError, web.PayloadAccessError):
            return self.refusal(request, answers.BAD_REQUEST)
        except ConnectionError:
            return self._respond(request, answers.BAD_REQUEST)  # the sender has gone: nothing is counted

    def _tick(self) -> None:
        # Ticks are counted, not timed, so that no connection is closed because the whole loop stalled.
        most = ceil(self._read_timeout / self._tick_s)
        for connection in self._server.connections:
            if isinstance(connection, _Connection):
                connection.tick(most)
        self._next_tick = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    async def _read(self, payload: StreamReader) -> bytes:
        chunks, size, budget = [], 0, self._handler.budget
        try:
            while not payload.at_eof():
                chunk = await payload.readany()
                chunks.append(chunk)
                before, size = size, size + len(chunk)
                within_budget = budget.changed(before, size)
                if size > self._max_body:
                    raise _RefusedError(answers.TOO_LARGE)
                if not within_budget:
                    raise _RefusedError(answers.NO_ROOM)
        finally:
            budget.changed(size, 0)
        return b"".join(chunks)

    def _respond(self, request: ReadRequest, answer: Answer) -> web.StreamResponse:
        message = request.parsed
        keep = not answer.close and not message.should_close and message.version == HttpVersion11
        key = (answer, keep)
        found = self._prepared.get(key)
        if found is None:
            kind = Reset if answer is answers.RESET else Prepared
            found = kind(self._handler, answer, keep=keep)
            if not answer.once:
                self._prepared[key] = found
        return found

"""The requests and answers of the aiohttp engine: as little of each as aiohttp's connection needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from loadsim.receiver.answers import Answer
from loadsim.receiver.connection_faults import reset
from loadsim.receiver.handler import WebhookHandler


class Prepared(web.StreamResponse):
    """One answer for any number of requests: it writes bytes that were rendered in advance."""

    def __init__(self, handler: WebhookHandler, answer: Answer, *, keep: bool) -> None:
        super().__init__(status=answer.status)
        self._handler = handler
        self._answer = answer
        self._keep = keep

    @property
    def keep_alive(self) -> bool:
        return self._keep

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the sender closed the connection")
        transport.write(self._handler.bytes_of(self._answer, not self._keep, request.method == hdrs.METH_HEAD))
        if request.protocol.writing_paused:
            await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Does nothing: `prepare` has written everything."""


class Sent(web.StreamResponse):
    """An answer that is written already, on a connection that stays open: there is nothing to wait for."""

    keep_alive = True

    def __init__(self, done: asyncio.Future[None]) -> None:
        """`done` is over already: to wait for it costs less than a coroutine that does nothing."""
        super().__init__()
        self._done = done

    def prepare(  # type: ignore[override]  # it is awaited, and nothing else
        self, request: web.BaseRequest
    ) -> Awaitable[None]:
        if request.protocol.writing_paused:
            return request.writer.drain()
        return self._done

    def write_eof(self, data: bytes = b"") -> Awaitable[None]:  # type: ignore[override]  # noqa: ARG002
        """Does nothing."""
        return self._done


class ReadRequest(web.BaseRequest):
    """A request of which nothing is prepared but what is read here and by aiohttp's connection.

    aiohttp's own also looks up addresses and TLS and splits the URL, which costs more than checking a signature.
    """

    ATTRS = web.BaseRequest.ATTRS | {"parsed", "connection"}

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        payload_writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> None:
        self.parsed = message
        self.connection = protocol
        self._message = message
        self._payload = payload
        self._protocol = protocol
        self._payload_writer = payload_writer
        self._headers = message.headers
        self._method = message.method
        self._task = task
        self._cache = {}


class Reset(Prepared):
    """Resets the connection instead of answering."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if request.transport is not None:
            reset(request.transport)
        return None

"""The requests and answers of the aiohttp engine: as little of each as aiohttp's connection needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

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


class AnsweringParser:
    """aiohttp's parser, which keeps for itself the request that `answer` has answered.

    For each request that it hands over, aiohttp's connection has a task, a future and three turns of the loop, which
    cost more than all that is done with a delivery here.
    """

    __slots__ = ("_answer", "_feed", "_parser")

    def __init__(self, parser: Any, answer: Callable[[RawRequestMessage, StreamReader, int], bool]) -> None:
        """`answer`: of a request that came alone and its body, of which no more than so many bytes have come."""
        self._parser, self._feed, self._answer = parser, parser.feed_data, answer

    def feed_data(self, data: bytes) -> tuple[Sequence[tuple[RawRequestMessage, StreamReader]], bool, bytes]:
        """See aiohttp.http_parser.HttpParser."""
        parsed: tuple[Sequence[tuple[RawRequestMessage, StreamReader]], bool, bytes] = self._feed(data)
        requests, upgraded, rest = parsed
        if len(requests) != 1 or upgraded or not self._answer(*requests[0], len(data)):
            return parsed
        self._parser.message_consumed()
        return (), upgraded, rest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


class ReadRequest(web.BaseRequest):
    """A request of which nothing is prepared but what is read here and by aiohttp's connection.

    aiohttp's own also looks up addresses and TLS and splits the URL, which costs more than checking a signature.
    """

    ATTRS = web.BaseRequest.ATTRS | {"parsed"}

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        payload_writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> None:
        self.parsed = message
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

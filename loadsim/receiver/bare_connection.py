"""One connection of the bare engine, on asyncio.Protocol and httptools.

It turns bytes into complete requests, sends answers in order, and enforces the limits against hostile senders.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Protocol, cast

import httptools

from loadsim.receiver import answers
from loadsim.receiver.answer_choice import TRANSFER_CODING, VERSIONS, HeaderNames, add_field, joined, understood
from loadsim.receiver.answers import ACCEPTED, Answer
from loadsim.receiver.arriving_request import HEAD_LIMIT, ArrivingRequest
from loadsim.receiver.connection_faults import SlowReading, reset
from loadsim.receiver.handler import AT_ONCE, WebhookHandler
from loadsim.receiver.known_heads import LENGTH, Known, KnownHeads
from loadsim.receiver.rendered_answers import CONTINUE
from loadsim.receiver.timer import Timer

_LENGTH_DIGITS = 18
FIELD_LIMIT = 128
FRAMING_FACTOR = 16
"""A chunked body may have this many times its limit as bytes of transfer: the smallest chunks need six bytes for
one."""
PIPELINE_LIMIT = 64
"""With this many requests waiting, no more is read from the connection."""


class OwningEngine(Protocol):
    """The engine that a connection belongs to, as far as the connection uses it."""

    timer: Timer | None
    connections: set[Connection]
    names: HeaderNames
    heads: KnownHeads
    stopping: bool
    """True when the next answer of every connection is its last."""

    def lost(self, connection: Connection) -> None:
        """The connection was closed."""


class Connection(asyncio.Protocol):
    """One connection. The parser's callbacks only collect data; answers are sent after the parser has returned."""

    __slots__ = (
        "_at_start",
        "_busy",
        "_cut_off",
        "_engine",
        "_handler",
        "_held",
        "_known",
        "_max_body",
        "_names",
        "_parser",
        "_paused",
        "_ready",
        "_reply",
        "_request",
        "_stuck",
        "_ticks",
        "_transport",
        "_wire_bytes",
        "finished",
    )  # fmt: skip

    def __init__(self, engine: OwningEngine, handler: WebhookHandler) -> None:
        self._engine = engine
        self._handler = handler
        self._max_body = handler.max_body
        self._names = engine.names
        self._known = engine.heads.read
        self._reply = handler.reply
        self._at_start = True
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._request: ArrivingRequest | None = None
        self._ready: deque[ArrivingRequest] = deque()
        self._busy: asyncio.Future[None] | None = None
        self._wire_bytes = 0
        self._held = 0
        self._ticks = 0
        self._paused = False
        self._stuck = False
        self._cut_off = False
        self.finished = False
        """The last answer was sent: further input is discarded."""

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._engine.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._ready.clear()
        self._request = None
        self._within_budget()
        if self._busy is not None:
            self._busy.cancel()
        self._engine.lost(self)

    def data_received(self, data: bytes) -> None:
        if self.finished:
            return
        is_whole = self._at_start and not self._wire_bytes
        if is_whole and self._busy is None and not self._ready and not self._stuck:
            known = self._known(data)
            if known is not None:
                self._take_known(known)
                return
        self._wire_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(answers.BAD_REQUEST)
        else:
            if self._request is not None:
                self._check_early(self._request)
            if self._request is not None and not self._within_budget():
                self._refuse(answers.NO_ROOM)
        if self._ready:
            self._serve(data if is_whole and self._at_start and len(self._ready) == 1 else b"")

    def pause_writing(self) -> None:
        self._stuck = True
        self._ticks = 0
        self._flow()

    def resume_writing(self) -> None:
        self._stuck = False
        self._serve()

    # Called by the parser.

    def on_message_begin(self) -> None:
        self._at_start = False

    def on_url(self, url: bytes) -> None:
        if self._request is None:
            self._request = ArrivingRequest(url)
            self._ticks = 0
        else:
            self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._request
        if request is None or not request.in_head:
            return  # a trailer, which must not be taken for a header
        request.fields += 1
        if self._wire_bytes > HEAD_LIMIT:
            request.head_size += len(name) + len(value)
        key = self._names[name]
        if key:
            headers = request.headers
            if key in headers:
                add_field(headers, key, value)
            else:  # same as add_field, without the call, which most requests never need
                headers[key] = value.strip(b" \t").decode("latin-1")
        elif key is None:
            request.delivery_id = joined(request.delivery_id, value) if request.delivery_id else value

    def on_headers_complete(self) -> None:
        request = self._request
        if request is None:
            return
        request.in_head = False
        headers, parser = request.headers, self._parser
        method = parser.get_method()
        request.method = "POST" if method == b"POST" else method.decode("latin-1")
        request.keep, version = parser.should_keep_alive(), "1.1"
        # A connection kept open by default is HTTP/1.1; the parser is asked for the version, which costs, only
        # otherwise.
        if not request.keep or "connection" in headers or "proxy-connection" in headers:
            version = parser.get_http_version()
            request.keep = request.keep and version == "1.1"  # HTTP/1.0 can ask for it; such connections are closed
        length = headers.get(LENGTH, "0")
        if not length.isdigit() or len(length) > _LENGTH_DIGITS or int(length) > self._max_body:
            request.refused = answers.TOO_LARGE
        if version not in VERSIONS or (TRANSFER_CODING in headers and not understood(headers[TRANSFER_CODING])):
            request.refused = answers.BAD_REQUEST
        if "expect" in headers:
            request.expects = headers["expect"].lower() == "100-continue"
        if request.fields > FIELD_LIMIT or request.head_size > HEAD_LIMIT:
            request.refused = answers.HEAD_TOO_LARGE

    def on_body(self, body: bytes) -> None:
        request = self._request
        if request is None:
            return
        size = request.size = request.size + len(body)
        if size > self._max_body:
            request.refused = request.refused or answers.TOO_LARGE
        elif request.refused is not None:
            pass
        elif size == len(body):
            request.body = body
        elif request.pieces is None:
            request.pieces = [request.body, body]
        else:
            request.pieces.append(body)

    def on_message_complete(self) -> None:
        if self._request is not None:
            self._ready.append(self._request)
        self._request = None
        self._wire_bytes = 0
        self._at_start = True

    # Internal.

    def _check_early(self, request: ArrivingRequest) -> None:
        """Refuse an incomplete request that is over a limit; send 100 Continue to a sender that waits for it."""
        if request.in_head and (self._wire_bytes > HEAD_LIMIT or request.fields > FIELD_LIMIT):
            self._refuse(answers.HEAD_TOO_LARGE)
        elif self._wire_bytes > HEAD_LIMIT + FRAMING_FACTOR * self._max_body:
            self._refuse(answers.TOO_LARGE)
        elif request.refused is not None:
            self._refuse(request.refused)
        elif request.expects and not request.in_head and not self._ready and self._busy is None:
            request.expects = False
            if self._transport is not None and request.size == 0:
                self._transport.write(CONTINUE)

    def _refuse(self, answer: Answer) -> None:
        """Answer the arriving request with a refusal; nothing after it is read."""
        request = self._request or ArrivingRequest()
        request.refused, request.body, request.pieces = answer, b"", None
        self._request = None
        self._ready.append(request)
        self._cut_off = True

    def _within_budget(self) -> bool:
        """Update the count of body bytes held here; False when it grew and all connections together hold too much."""
        held = sum(request.size for request in self._ready if request.refused is None)
        if self._request is not None:
            held += self._request.size
        before, self._held = self._held, held
        return self._handler.budget.changed(before, held)

    def _serve(self, whole: bytes = b"") -> None:
        """Answer complete requests in order, until one has to wait for its service time.

        `whole`: the bytes of the only request, if they came at once.
        """
        ready, handler, out = self._ready, self._handler, b""
        while ready and self._busy is None and not self._stuck and not self.finished:
            request = ready.popleft()
            if request.refused is not None:
                handler.refuse(request.refused, request.size)
                out += self._answer(request, request.refused)
                continue
            body = request.body if request.pieces is None else b"".join(request.pieces)
            answer, instant = handler.take(
                request.method, request.target.decode("latin-1"), request.headers, body, request.delivery_id
            )
            if whole and answer.entry in ACCEPTED:
                self._engine.heads.learn(whole, request.target)
            if instant != AT_ONCE and self._engine.timer is not None:
                request.body, request.pieces = b"", None  # no longer needed
                self._wait(request, answer, instant, self._engine.timer)
            else:
                out += self._answer(request, answer)
        if out:
            self._send(out)
        if ready or self._paused or self._stuck:
            self._flow()
        if ready or self._held:
            self._within_budget()

    def _take_known(self, known: Known) -> None:
        """Answer one whole request that nothing waits before."""
        target, headers, delivery_id, body = known
        engine = self._engine
        if not engine.stopping and self._transport is not None:
            answer, instant, data = self._reply("POST", target, headers, body, delivery_id)
            if data:
                self._ticks = 0
                self._transport.write(data)
                return
        else:
            answer, instant = self._handler.take("POST", target, headers, body, delivery_id)
        request = ArrivingRequest()
        request.method, request.keep = "POST", True
        if instant != AT_ONCE and engine.timer is not None:
            self._wait(request, answer, instant, engine.timer)
        else:
            self._send(self._answer(request, answer))

    def _wait(self, request: ArrivingRequest, answer: Answer, instant_ns: int, timer: Timer) -> None:
        """Answer at a later instant."""
        self._busy = self._handler.until(answer, instant_ns, timer)
        self._busy.add_done_callback(partial(self._served, request, answer))

    def _served(self, request: ArrivingRequest, answer: Answer, instant: asyncio.Future[None]) -> None:
        if instant.cancelled():
            return
        self._busy = None
        self._send(self._answer(request, answer))
        self._serve()
        if self._request is not None:
            self._check_early(self._request)

    def _answer(self, request: ArrivingRequest, answer: Answer) -> bytes:
        close = answer.close or not request.keep or self._engine.stopping
        if answer is answers.RESET:
            self.finished = True
            transport, self._transport = self._transport, None
            if transport is not None:
                reset(transport)
            return b""
        self.finished = close
        self._ticks = 0
        return self._handler.bytes_of(answer, close, request.method == "HEAD")

    def _send(self, data: bytes) -> None:
        if self._transport is None:
            return
        self._transport.write(data)
        if self.finished and self._cut_off:
            self._transport.write_eof()  # not close(): unread input would turn it into a reset, and lose the answer
        elif self.finished:
            self._transport.close()

    def _flow(self) -> None:
        """Pause reading while the sender does not read its answers, or while too many requests wait."""
        pause = self._stuck or len(self._ready) >= PIPELINE_LIMIT
        if pause != self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # Called by the engine.

    def tick(self, read: int, idle: int, linger: int) -> None:
        """Count one tick, and end states that have lasted longer than the given number of ticks: reading, idling,
        lingering."""
        if self._transport is None:
            return
        self._ticks += 1
        if self.finished or self._stuck:
            if self._ticks > (linger if self.finished else read):
                self._transport.abort()
        elif self._busy is not None or self._ready:
            self._ticks = 0
        elif self._request is not None or self._wire_bytes:
            if self._ticks > read:
                self._refuse(answers.TOO_SLOW)
                self._serve()
        elif self._ticks > idle:
            self._transport.close()

    def wind_down(self) -> None:
        """Close now when nothing is in flight; otherwise the next answer is the last."""
        whole_head = self._request is not None and not self._request.in_head
        if self._transport is not None and not (self._busy or self._ready or whole_head):
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once; answers that become due later are discarded."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


class SlowConnection(SlowReading, Connection):
    """A connection that is read slowly."""

    def __init__(self, engine: OwningEngine, handler: WebhookHandler, bytes_per_s: int) -> None:
        super().__init__(engine, handler)
        self.bytes_per_s = bytes_per_s

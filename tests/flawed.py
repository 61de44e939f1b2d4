"""A webhook receiver written for the tests, sound or with named flaws: what a run must find, and must not find.

It checks the Trackpilots scheme with its own few lines and not with loadsim's, serves HTTP by hand on the test's event
loop, and keeps what a real endpoint would keep: what it did for which delivery. Its books are honest, whatever else is
wrong with it, and served as any endpoint could serve them. `Flaw` says what can be wrong.
"""

from __future__ import annotations

import asyncio
import base64
import enum
import functools
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Collection
from types import TracebackType
from typing import NamedTuple, Self

import httptools

WINDOW_S = 300
MAX_BODY = 1_000_000
BUSY = 8


class Flaw(enum.Enum):
    """What is wrong with a receiver."""

    fails_open = "accepts every so many-th forged event while more than 8 are in flight"
    loses = "acknowledges every so many-th event and does nothing with it"
    reserialises = "verifies what it makes of the parsed body, not the bytes that came"
    any_future = "looks only for timestamps that are too old"
    not_idempotent = "looks whether it knows a delivery when it comes, and remembers it when it is done"


class Delivery(NamedTuple):
    """One request as the receiver's own books have it."""

    index: int  # type: ignore[assignment]  # as in an ArrivalBlock: nobody asks a row for tuple.index
    """Of the event, by the trace header; -1 without one."""
    mark: str
    """The trace header itself."""
    status: int
    effect: bool
    """Whether something was done for it: once per event in a sound receiver."""


class Receiver:
    """An async context manager: a server on a free loopback port. `flaws` empty: sound.

    `forged_period` and `lost_period` are how often the two counting flaws strike, `delay_s` how long each accepted or
    refused event is in service. With `together` the first so many deliveries of an accepted body end together, when the
    last of them has been in service that long: whether they overlap is then no matter of time.
    """

    def __init__(
        self,
        secret: str,
        flaws: Collection[Flaw] = (),
        *,
        forged_period: int = 100,
        lost_period: int = 1_000,
        delay_s: float = 0.004,
        together: int = 1,
    ) -> None:
        self.deliveries: list[Delivery] = []
        self.lost = 0
        self._key = secret.encode()
        self._flaws = frozenset(flaws)
        self._forged_period, self._lost_period, self._delay_s = forged_period, lost_period, delay_s
        self._together = together
        self._came: dict[bytes, list[Callable[[], None]]] = {}
        """Deliveries of each accepted body, where some are to end together."""
        self._in_flight = self._forged = self._acknowledged = 0
        self._known: set[bytes] = set()
        self.open: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for transport in tuple(self.open):
            transport.close()
        await asyncio.sleep(0)  # transports really close in the loop's next turn

    @property
    def url(self) -> str:
        """Where webhooks are taken."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hooks"

    @property
    def ledger_url(self) -> str:
        """Where its books are served: how often something was done for which event."""
        return self.url.replace("/hooks", "/ledger")

    def ledger(self, run: str) -> bytes:
        """Its books as JSON."""
        done = bytearray(1 + max((delivery.index for delivery in self.deliveries), default=-1))
        for delivery in self.deliveries:
            done[delivery.index] += delivery.effect
        accepted = base64.b64encode(done).decode()
        return json.dumps({"schema": "loadsim.ledger/1", "run": run, "of": "effects", "accepted": accepted}).encode()

    def rows(self) -> str:
        """Its books as lines of JSON, in the order in which things were done."""
        return "".join(f'{{"event": "{delivery.mark}"}}\n' for delivery in self.deliveries if delivery.effect)

    @property
    def effects(self) -> int:
        """How often something was done."""
        return sum(delivery.effect for delivery in self.deliveries)

    def take(self, headers: dict[bytes, bytes], body: bytes, connection: _Connection) -> None:
        """Decide a request, and answer it when its time in service is over."""
        self._in_flight += 1
        status = self._status(headers, body)
        if status == 401 and Flaw.fails_open in self._flaws and self._in_flight > BUSY:
            self._forged += 1
            if self._forged % self._forged_period == 0:
                status = 200
        key = hashlib.sha256(body).digest()
        new = status == 200 and key not in self._known
        if new and Flaw.not_idempotent not in self._flaws:
            self._known.add(key)
        mark = headers.get(b"x-loadsim-id", b"run/-1/1").decode()
        done = functools.partial(self._done, connection, status, mark, key if new else b"")
        self._end(done, key if status == 200 else b"")

    def _end(self, done: Callable[[], None], accepted: bytes) -> None:
        """Have `done` called after the time in service; `accepted` is the key of an accepted body, or empty."""
        ending = [done]
        if accepted and self._together > 1:
            came = self._came.setdefault(accepted, [])
            came.append(done)
            ending = came[:] if len(came) == self._together else [done] if len(came) > self._together else []
        for each in ending:
            asyncio.get_running_loop().call_later(self._delay_s, each)

    def _done(self, connection: _Connection, status: int, mark: str, key: bytes) -> None:
        self._in_flight -= 1
        effect = bool(key)
        if status == 200:
            self._acknowledged += 1
            if Flaw.loses in self._flaws and self._acknowledged % self._lost_period == 0:
                self.lost += 1
                connection.answer(status)
                return
            if key:
                self._known.add(key)
        self.deliveries.append(Delivery(int(mark.split("/")[1]), mark, status, effect))
        connection.answer(status)

    def _status(self, headers: dict[bytes, bytes], body: bytes) -> int:
        signature, timestamp = headers.get(b"x-webhook-signature"), headers.get(b"x-webhook-timestamp")
        if len(body) > MAX_BODY:
            return 413
        if not signature or not timestamp:
            return 400
        signed = body
        if Flaw.reserialises in self._flaws:
            try:
                signed = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
            except ValueError:
                return 400
        expected = hmac.digest(self._key, timestamp + b"." + signed, "sha256").hex().encode()
        if not hmac.compare_digest(signature, expected):
            return 401
        age_s = time.time() - int(timestamp)
        if age_s > WINDOW_S or (age_s < -WINDOW_S and Flaw.any_future not in self._flaws):
            return 401
        try:
            json.loads(body)
        except ValueError:
            return 400
        return 200


class _Connection(asyncio.Protocol):
    """One keep-alive connection: requests one after the other, as senders of webhooks do."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._receiver.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._transport is not None
        self._receiver.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_message_begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._parser.get_method() == b"GET":
            self.answer(200, self._receiver.ledger(self._url.decode().partition("run=")[2]))
        elif self._parser.get_method() == b"PUT":
            self.answer(404)  # a ledger of its own kind, which needs not be told of runs
        else:
            self._receiver.take(self._headers, b"".join(self._body), self)

    def answer(self, status: int, body: bytes = b"") -> None:
        """Write the response."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

"""The handler of a receiver that forwards: what was decided here is counted, and the local server answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from loadsim.receiver.answers import ACCEPTED, Answer, Entry
from loadsim.receiver.delivery_reader import DeliveryReader
from loadsim.receiver.forwarding import Forwarder, Reply, failed, progress_line
from loadsim.receiver.handler import WebhookHandler
from loadsim.receiver.kept_fields import KeptFields
from loadsim.receiver.timer import Timer

NOT_ENDED = failed(502, "Bad Gateway", "the receiver stopped before the local server answered")
LATER = 1
"""The instant of an answer that is not known yet."""


class Forwarded(Answer):
    """The answer to one delivery that was passed on. `reply` is there once `coming` is done."""

    __slots__ = ("coming", "reply")
    coming: asyncio.Task[None]
    reply: Reply

    def set(self, name: str, value: object) -> None:
        """Set one of the two, of which none is known when the answer is made."""
        object.__setattr__(self, name, value)

    @property
    def once(self) -> bool:
        """True."""
        return True


class ForwardingHandler(WebhookHandler):
    """Passes on every request to the receiver's path, also those that its own check refuses."""

    __slots__ = ("_forwarder", "_reader", "_running", "_say")

    def __init__(
        self, *args: Any, forwarder: Forwarder, reader: DeliveryReader, say: Callable[[str], None], **kwargs: Any
    ) -> None:
        """`say` gets one line for each delivery; the other arguments are those of WebhookHandler."""
        super().__init__(*args, **kwargs)
        self.keeps_fields = True
        self._forwarder = forwarder
        self._reader = reader
        self._say = say
        self._running: set[asyncio.Task[None]] = set()

    def take(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, delivery_id: bytes = b""
    ) -> tuple[Answer, int]:
        """See WebhookHandler. The answer is a Forwarded one, unless the request is for another path."""
        own, instant = super().take(method, target, headers, body)
        if own.entry in (None, Entry.not_found) or not isinstance(headers, KeptFields):
            return own, instant
        answer = Forwarded(own.status, own.entry, b"")
        answer.set("reply", NOT_ENDED)
        coming = asyncio.ensure_future(self._pass_on(answer, method, target, headers.fields, body, delivery_id))
        answer.set("coming", coming)
        self._running.add(coming)
        coming.add_done_callback(self._running.discard)
        return answer, LATER

    def until(self, answer: Answer, instant_ns: int, timer: Timer) -> asyncio.Future[None]:
        """See WebhookHandler."""
        if isinstance(answer, Forwarded):
            return asyncio.shield(answer.coming)  # a sender that gives up does not end it
        return super().until(answer, instant_ns, timer)

    def bytes_of(self, answer: Answer, close: bool, head: bool = False) -> bytes:
        """See WebhookHandler."""
        if not isinstance(answer, Forwarded):
            return super().bytes_of(answer, close, head)
        self._row.answered(answer.reply.status)
        return answer.reply.rendered(close=close, head=head)

    async def _pass_on(
        self,
        answer: Forwarded,
        method: str,
        target: str,
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        delivery_id: bytes,
    ) -> None:
        now_s, begin = time.time(), time.perf_counter()
        reply = await self._forwarder.forward(method, target, fields, body)
        answer.set("reply", reply)
        took_s = time.perf_counter() - begin
        accepted = answer.entry in ACCEPTED
        if delivery_id and accepted:
            self._notes.extend((delivery_id, now_s, reply.status))
        kind = self._reader.type(self._reader.headers(fields), body)
        refusal = None if accepted or answer.entry is None else answer.entry.name
        self._say(progress_line(now_s, kind, reply, took_s, refusal))

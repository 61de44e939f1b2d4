"""Handles complete requests for one worker: decides and counts them, and says when the answer may be sent.

Both HTTP engines use it; reading and writing bytes is theirs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from loadsim.measure.delivery_ids import HEADER
from loadsim.receiver.answer_choice import AnswerChoice, HeaderNames
from loadsim.receiver.answers import ACCEPTED, QUEUE_FULL, Answer, Entry
from loadsim.receiver.buffer_budget import BufferBudget
from loadsim.receiver.counters import WorkerCounters
from loadsim.receiver.failing_answers import failing_answers
from loadsim.receiver.fault_plan import NO_FAULT, RESET, Fault, Queue
from loadsim.receiver.kept_fields import KeepingHeaderNames
from loadsim.receiver.ledger import Ledger
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.processing import Processing
from loadsim.receiver.rendered_answers import RenderedAnswers
from loadsim.receiver.timer import Timer

AT_ONCE = 0


class WebhookHandler:
    """Answers the requests of one worker.

    `first` is called once, at the first request that is counted; it may block, which makes the receiver stall. `log`
    gets the body of every verified event.
    """

    __slots__ = (
        "_decide",
        "_extras",
        "_failing",
        "_fault_plan",
        "_first",
        "_ledger",
        "_log",
        "_notes",
        "_queue",
        "_rendered",
        "_row",
        "_rules",
        "_work",
        "budget",
        "keeps_fields",
        "max_body",
    )  # fmt: skip

    def __init__(
        self,
        options: ReceiverOptions,
        rules: AnswerChoice,
        row: WorkerCounters,
        fault_plan: Iterator[Fault],
        queue: Queue | None = None,
        *,
        first: Callable[[], None] | None = None,
        log: Callable[[bytes], None] | None = None,
        ledger: Ledger | None = None,
        work: Processing | None = None,
    ) -> None:
        self.max_body = options.max_body
        self.budget = BufferBudget(options)
        self._rendered = RenderedAnswers()
        self._rules = rules
        self._decide = rules.decide
        self.keeps_fields = rules.keeps_fields
        self._row = row
        self._fault_plan = fault_plan
        self._queue = queue
        self._failing = failing_answers(options)
        self._first = first
        self._log = log
        self._ledger = ledger
        self._notes: list[Any] = [] if ledger is None else ledger.notes
        self._work = work
        self._extras = bool(options.longest_ns or self._failing or log or work)

    @property
    def answers_at_once(self) -> bool:
        """Whether every answer may be sent at once."""
        return not (self._extras or self.keeps_fields)

    def names(self, *framing: str) -> HeaderNames:
        """The header names that `take` needs, and those that the engine itself looks up (`framing`)."""
        kind = KeepingHeaderNames if self.keeps_fields else HeaderNames
        return kind((*self._rules.needs, *framing), apart=None if self._ledger is None else HEADER)

    def take(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, delivery_id: bytes = b""
    ) -> tuple[Answer, int]:
        """Decide and count a complete request. Returns the answer and the monotonic ns when it may be sent, or AT_ONCE.

        `delivery_id` is the value of that header, or empty; it is noted when a ledger is kept.
        """
        now_s = time.time()
        answer = self._decide(method, target, headers, body, now_s)
        return self._taken(answer, body, delivery_id, now_s)

    def reply(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, delivery_id: bytes
    ) -> tuple[Answer, int, bytes]:
        """As `take`, with the bytes of an answer that may be sent at once and keeps its connection open.

        They are counted as sent, and stand for a request that may keep the connection and is none of HEAD. Empty: the
        caller asks `bytes_of` in time.
        """
        if self._extras or self.keeps_fields:
            return *self.take(method, target, headers, body, delivery_id), b""
        now_s = time.time()
        answer = self._decide(method, target, headers, body, now_s)
        entry = answer.entry
        if entry is None or answer.close or self._first is not None:
            return *self._taken(answer, body, delivery_id, now_s), b""
        self._row.took_and_answered(entry, len(body), answer.status)
        if delivery_id and entry in ACCEPTED:
            self._notes.extend((delivery_id, now_s, answer.status))
        return answer, AT_ONCE, self._rendered.kept(answer, now_s)

    def _taken(self, answer: Answer, body: bytes, delivery_id: bytes, now_s: float) -> tuple[Answer, int]:
        entry = answer.entry
        if entry is None:
            return answer, AT_ONCE
        if self._first is not None:
            first, self._first = self._first, None
            first()
        self._row.took(entry, len(body))
        instant = AT_ONCE
        if self._extras and entry in ACCEPTED:
            answer, instant = self._extra(answer, body, delivery_id)
        if delivery_id and entry in ACCEPTED:  # a refused delivery may carry any id
            # Same as Ledger.note; a call would double the cost.
            self._notes.extend((delivery_id, now_s, answer.status))
        return answer, instant

    def until(self, answer: Answer, instant_ns: int, timer: Timer) -> asyncio.Future[None]:  # noqa: ARG002
        """A future that is done when the answer may be sent; `instant_ns` as `take` returned it."""
        return timer.at(instant_ns)

    def _extra(self, answer: Answer, body: bytes, delivery_id: bytes) -> tuple[Answer, int]:
        """What an accepted event gets in addition: a log line, a failure on purpose, work for later, a service time."""
        if self._log is not None and answer.entry is Entry.verified:
            self._log(body)
        status, service_ns = next(self._fault_plan)
        if status != NO_FAULT:
            answer = self._failing[status]
            self._row.failed(reset=status == RESET)
        elif self._work is not None and not self._work.offer(delivery_id):
            return QUEUE_FULL, AT_ONCE
        if self._queue is not None:
            return answer, self._queue.finish(time.monotonic_ns(), service_ns)
        return answer, time.monotonic_ns() + service_ns if service_ns else AT_ONCE

    def refuse(self, answer: Answer, size: int = 0) -> None:
        """Count a request that is refused before it was read completely."""
        if answer.entry is not None:
            self._row.took(answer.entry, size)

    def bytes_of(self, answer: Answer, close: bool, head: bool = False) -> bytes:
        """The answer's bytes. They are counted as sent, so call it just before writing."""
        if answer.entry is not None:
            self._row.answered(answer.status)
        return self._rendered.bytes_of(answer, time.time(), close or answer.close, head)

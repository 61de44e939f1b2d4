"""One worker's counter: takes a whole request, has it decided, keeps the books, and says when the answer may leave.

The part that both engines share. Decides what is counted when; refuses to know how bytes come in or go out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from loadsim.measure.marks import HEADER
from loadsim.model import NS_PER_S
from loadsim.plan.conduct import ASKS_TO_WAIT
from loadsim.receiver import answers
from loadsim.receiver.answers import ACCEPTED, Answer, Entry, Wire
from loadsim.receiver.board import Row
from loadsim.receiver.decide import HeaderNames, Rules
from loadsim.receiver.ledger import Ledger
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.room import Room
from loadsim.receiver.service import AS_DESERVED, RESET, Fate, Queue

AT_ONCE = 0


class Desk:
    """Answers requests for one worker.

    `first` is called once, at the first request that the books know (it may block: that is how a receiver stalls);
    `log` gets the body of every verified event.
    """

    __slots__ = (
        "_extras", "_failing", "_fates", "_first", "_ledger", "_log", "_notes", "_queue", "_row", "_rules",
        "max_body", "room", "wire",
    )  # fmt: skip

    def __init__(
        self,
        options: ReceiverOptions,
        rules: Rules,
        row: Row,
        fates: Iterator[Fate],
        queue: Queue | None = None,
        *,
        first: Callable[[], None] | None = None,
        log: Callable[[bytes], None] | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.max_body = options.max_body
        self.room = Room(options)
        self.wire = Wire()
        self._rules = rules
        self._row = row
        self._fates = fates
        self._queue = queue
        self._failing = failing_answers(options)
        self._first = first
        self._log = log
        self._ledger = ledger
        self._notes: list[Any] = [] if ledger is None else ledger.notes
        self._extras = bool(options.longest_ns or self._failing or log)

    def names(self, *framing: str) -> HeaderNames:
        """Which headers `take` is to be given, and those that the engine looks up itself."""
        return HeaderNames((*self._rules.needs, *framing), apart=None if self._ledger is None else HEADER)

    def take(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, mark: bytes = b""
    ) -> tuple[Answer, int]:
        """Decide and count a whole request: the answer, and the monotonic ns when it may leave, or AT_ONCE.

        `mark` says which event it is, where the request says so and a ledger is kept.
        """
        now_s = time.time()
        answer = self._rules.decide(method, target, headers, body, now_s)
        entry = answer.entry
        if entry is None:
            return answer, AT_ONCE
        if self._first is not None:
            first, self._first = self._first, None
            first()
        self._row.took(entry, len(body))
        instant = AT_ONCE
        if self._extras and entry in ACCEPTED:
            answer, instant = self._extra(answer, body)
        if mark and entry in ACCEPTED:  # a refused one may say whatever it likes of itself
            # As Ledger.note has it, without the call, which would cost as much again.
            self._notes.extend((mark, now_s, answer.status))
        return answer, instant

    def _extra(self, answer: Answer, body: bytes) -> tuple[Answer, int]:
        """What an accepted event meets beyond its answer: the log, a failure on purpose, its service time."""
        if self._log is not None and answer.entry is Entry.verified:
            self._log(body)
        status, service_ns = next(self._fates)
        if status != AS_DESERVED:
            answer = self._failing[status]
            self._row.failed(reset=status == RESET)
        if self._queue is not None:
            return answer, self._queue.finish(time.monotonic_ns(), service_ns)
        return answer, time.monotonic_ns() + service_ns if service_ns else AT_ONCE

    def refuse(self, answer: Answer, size: int = 0) -> None:
        """Count a request that is refused without being read whole."""
        if answer.entry is not None:
            self._row.took(answer.entry, size)

    def bytes_of(self, answer: Answer, close: bool, head: bool = False) -> bytes:
        """The answer's bytes; call it when they are about to be written, for that is what it counts."""
        if answer.entry is not None:
            self._row.answered(answer.status)
        return self.wire.bytes_of(answer, time.time(), close or answer.close, head)


def failing_answers(options: ReceiverOptions) -> dict[int, Answer]:
    """The answers that fail on purpose, by what `service.fates` calls them."""
    wait = "" if options.retry_after_ns is None else str(options.retry_after_ns // NS_PER_S)
    failing = {
        status: answers.refusal(
            status, Entry.internal, "Failed on purpose", retry_after=wait if status in ASKS_TO_WAIT else ""
        )
        for status, _ in options.failing()
    }
    return failing | ({RESET: answers.RESET} if options.reset else {})

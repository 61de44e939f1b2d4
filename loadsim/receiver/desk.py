"""One worker's counter: takes a whole request, has it decided, keeps the books, and says when the answer may leave.

The part that both engines share. Decides what is counted when; refuses to know how bytes come in or go out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from loadsim.measure.marks import HEADER
from loadsim.receiver import answers
from loadsim.receiver.answers import ACCEPTED, Answer, Entry, Wire
from loadsim.receiver.board import Row
from loadsim.receiver.decide import HeaderNames, Rules
from loadsim.receiver.ledger import Ledger
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.service import Service

AT_ONCE = 0
FRAMING_HEADERS = ("connection", "content-length", "expect")
"""What an engine looks up itself."""


class Desk:
    """Answers requests for one worker.

    `first` is called once, at the first request that the books know (it may block: that is how a receiver stalls);
    `log` gets the body of every verified event.
    """

    __slots__ = (
        "_extras", "_fail_answer", "_failures", "_first", "_ledger", "_log", "_notes", "_row", "_rules", "_service",
        "max_body", "names", "wire",
    )  # fmt: skip

    def __init__(
        self,
        options: ReceiverOptions,
        rules: Rules,
        row: Row,
        service: Service,
        *,
        failures: Iterator[bool] | None = None,
        first: Callable[[], None] | None = None,
        log: Callable[[bytes], None] | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.max_body = options.max_body
        self.names = HeaderNames((*rules.needs, *FRAMING_HEADERS), apart=None if ledger is None else HEADER)
        """Which headers `take` is to be given."""
        self.wire = Wire()
        self._rules = rules
        self._row = row
        self._service = None if service.instant else service
        self._failures = failures
        self._fail_answer = answers.refusal(options.fail_status, Entry.internal, "Failed on purpose")
        self._first = first
        self._log = log
        self._ledger = ledger
        self._notes: list[Any] = [] if ledger is None else ledger.notes
        self._extras = not (failures is None and log is None and self._service is None)

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
        if mark:
            # As Ledger.note has it, without the call, which would cost as much again.
            self._notes.extend((mark, now_s, answer.status))
        return answer, instant

    def _extra(self, answer: Answer, body: bytes) -> tuple[Answer, int]:
        """What an accepted event meets beyond its answer: the log, a failure on purpose, its service time."""
        if self._log is not None and answer.entry is Entry.verified:
            self._log(body)
        if self._failures is not None and next(self._failures):
            self._row.failed()
            answer = self._fail_answer
        if self._service is None:
            return answer, AT_ONCE
        return answer, self._service.finish(time.monotonic_ns())

    def refuse(self, answer: Answer, size: int = 0, mark: bytes = b"") -> None:
        """Count a request that is refused without being read whole."""
        if answer.entry is not None:
            self._row.took(answer.entry, size)
            if mark and self._ledger is not None:
                self._ledger.note(mark, time.time(), answer.status)

    def bytes_of(self, answer: Answer, *, close: bool, head: bool = False) -> bytes:
        """The answer's bytes; call it when they are about to be written, for that is what it counts."""
        if answer.entry is not None:
            self._row.answered(answer.status)
        return self.wire.bytes_of(answer, time.time(), close=close or answer.close, head=head)

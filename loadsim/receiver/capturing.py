"""The worker's side of a capture: accepted deliveries become rows, which go to the one writer through a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping

from loadsim.events.capture_row import row_line
from loadsim.events.redaction import EVERY, Redaction
from loadsim.receiver.answer_choice import CONTENT_TYPE, AnswerChoice
from loadsim.receiver.answers import ACCEPTED, Answer
from loadsim.receiver.delivery_reader import DeliveryReader
from loadsim.receiver.kept_fields import KeptFields
from loadsim.receiver.options import ReceiverOptions
from loadsim.signing import Scheme
from loadsim.signing import scheme as scheme_of


class RowPipe:
    """The worker's end of the pipe to the writer. Rows of one turn of the loop are written together.

    Where the writer is behind, a write waits for it: a capture that was asked for slows the receiver rather than lose
    rows.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._rows: list[bytes] = []

    def add(self, row: bytes) -> None:
        """Write the row soon, behind those before it."""
        if not self._rows:
            asyncio.get_running_loop().call_soon(self._write)  # before the answer can end the last connection
        self._rows.append(row)

    def _write(self) -> None:
        left = memoryview(b"".join(self._rows))
        self._rows.clear()
        with contextlib.suppress(BrokenPipeError):  # the parent has ended, and so will this process
            while left:
                left = left[os.write(self._fd, left) :]


class CapturingRules:
    """Chooses answers as `rules` do, and writes a row for each delivery that they accept."""

    keeps_fields = True

    def __init__(self, rules: AnswerChoice, scheme: Scheme, options: ReceiverOptions, pipe: RowPipe) -> None:
        self._rules = rules
        self._reader = DeliveryReader(scheme, options.capture_headers)
        self._redaction = redaction_of(scheme, options.redact)
        self._pipe = pipe
        self.needs = rules.needs

    def decide(self, method: str, target: str, headers: Mapping[str, str], body: bytes, now_s: float) -> Answer:
        """The answer of the rules."""
        answer = self._rules.decide(method, target, headers, body, now_s)
        if answer.entry in ACCEPTED and isinstance(headers, KeptFields):
            kept = self._reader.headers(headers.fields)
            kind = self._reader.type(kept, body)
            written = self._redaction.of(body, headers.get(CONTENT_TYPE, ""))
            self._pipe.add(row_line(written, kind, round(now_s * 1e6) * 1000, kept))
        return answer


def check_capture(options: ReceiverOptions) -> None:
    """Raise UsageError for headers and paths that cannot be."""
    described = scheme_of(options.scheme, options.custom)
    DeliveryReader(described, options.capture_headers)
    redaction_of(described, options.redact)


def redaction_of(scheme: Scheme, paths: tuple[str, ...]) -> Redaction:
    """The user's paths, and where the scheme writes its signature or secret into the body. Raises UsageError."""
    signature = scheme.signature
    # A delivery with several items has the field in each of them: `value.0.clientState` is blank in all.
    every = ".".join(EVERY if step.isdigit() else step for step in signature.name.split("."))
    return Redaction((*paths, *(() if signature.place == "header" else (signature.name, every))))

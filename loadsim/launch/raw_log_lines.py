"""The raw log of a run: one JSON object per line and delivery, in the fields of vegeta's results.

`vegeta report`, `plot` and `encode` read it; they skip our own fields (from
`type` on; instants in ns since 1970, 0 where it did not happen). Written while frames arrive: memory does not grow
with the run. Source: vegeta's README, "encode", and its JSON result.

`receipt_ns` is how late the answer was read, by the kernel's stamp where `receipt_exact` is true, else at most.

`seq` is the event's index. `attempt` is the number of the delivery, as in its delivery id; 0 where the line is of no
delivery: its event ended without one, or between two. `copy` numbers the identical deliveries of a volley, which are
all of one attempt. Each event has one line with `outcome` true, which says how it ended.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from loadsim.engine.raw_log_rows import WIDTH
from loadsim.error_kinds import ErrorKind
from loadsim.model import NS_PER_S, LoadsimError
from loadsim.outcome_codes import DROPPED, ERROR_BASE, UNFINISHED, is_success
from loadsim.plan import Plan
from loadsim.plan.redact import redact_url

FILE = "raw.ndjson"


class RawLog:
    """A file that takes the raw rows of every shard. Raises LoadsimError, in one line, when it cannot be made.

    A full disk ends the log and not the run; `failure` then has the reason.
    """

    def __init__(self, path: Path, plan: Plan, run_id: str) -> None:
        self.path = path
        self.failure = ""
        self._plan, self._run_id = plan, run_id
        self._copied = plan.copied
        self._url = redact_url(plan.scenario.target.url)
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise LoadsimError(f"{path}: the raw log cannot be written: {error.strerror}") from None

    def add(self, raw: bytes) -> None:
        """The rows of one frame (see `engine.raw_log_rows`)."""
        if not self.failure:
            rows = np.frombuffer(raw, np.int64).reshape(-1, WIDTH).tolist()
            self._safely(lambda: self._file.write(b"".join(map(self._line, rows))))

    def keep(self, directory: Path) -> Path:
        """Close the log and move it into the run's directory. Raises LoadsimError when it is not complete."""
        path = directory / FILE
        self._safely(self._file.close)
        if not self.failure:
            self._safely(lambda: self.path.replace(path))
        if self.failure:
            self.discard()
            raise LoadsimError(self.failure)
        return path

    def discard(self) -> None:
        """Remove an unfinished log; one that was moved to its directory stays."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _safely(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self.failure = f"{self.path.parent}: the raw log could not be written completely: {error.strerror}"

    def _line(self, row: list[int]) -> bytes:
        (
            index,
            stratum,
            code,
            due,
            woken,
            slot,
            sent,
            first,
            done,
            bytes_out,
            bytes_in,
            attempt,
            receipt,
            ready,
            outcome,
        ) = row
        phase, kind, case = self._plan.unpack(stratum)
        began = sent or due
        return orjson.dumps(
            {
                "attack": self._run_id,
                "seq": index,
                "code": code if code < ERROR_BASE else 0,
                "timestamp": _rfc3339(began),
                "latency": done - began,
                "bytes_out": bytes_out if attempt else 0,  # else they are in the line of its last delivery
                "bytes_in": bytes_in if attempt else 0,
                "error": _error(code),
                "body": None,
                "method": "POST",
                "url": self._url,
                "headers": None,
                "type": self._plan.types[kind],
                "case": self._plan.cases[case],
                "phase": self._plan.phases[phase].name,
                "attempt": min(attempt, 1) if self._copied[stratum] else attempt,
                "copy": attempt if self._copied[stratum] else min(attempt, 1),
                "outcome": bool(outcome),
                "response_ns": done - due,
                "due_ns": due,
                "woken_ns": woken,
                "slot_ns": slot,
                "ready_ns": ready,
                "sent_ns": sent,
                "first_byte_ns": first,
                "done_ns": done,
                "receipt_ns": abs(receipt),
                "receipt_exact": receipt > 0,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


def _error(code: int) -> str:
    """Empty for a 2xx answer; vegeta writes `503 Service Unavailable` for a status that is none."""
    if code < ERROR_BASE:
        if is_success(code):
            return ""
        try:
            return f"{code} {HTTPStatus(code).phrase}"
        except ValueError:
            return str(code)
    if code in (UNFINISHED, DROPPED):
        return "unfinished" if code == UNFINISHED else "dropped"
    return ErrorKind(code - ERROR_BASE).name


def _rfc3339(wall_ns: int) -> str:
    seconds, rest = divmod(wall_ns, NS_PER_S)
    moment: Any = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"

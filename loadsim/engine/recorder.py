"""Buffers packed outcome rows of the hot path, and folds them into the tally in small groups.

Folding delays due events, so it is done BITE rows at a time, or when there is time before the next due event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from loadsim.engine.outcome_rows import table_of
from loadsim.measure.hdr import Ints
from loadsim.measure.tally import Tally
from loadsim.measure.without_generator_tally import LatenessTally

BITE = 2048
"""Rows that are folded at once under load: cheapest by far, at a millisecond or so."""
PACED_BITE = 512
"""Rows that are worth folding between two events that fall due: more expensive per row, but four times quicker."""


class Log(Protocol):
    """Receives every row as well, for a raw log or a reconciliation."""

    def add(self, table: Ints, *, outcomes: bool) -> None:
        """Rows as int64 (n, columns of `outcome_columns.Column`). `outcomes`: one for each event, as it ended;
        else deliveries that are not, or not yet, their event's outcome."""


class Recorder:
    """Buffers in front of a Tally.

    To `rows` the engine appends one packed row per event, its outcome; `signs` and `handshakes` are flat lists that it
    extends, by (stratum, due, ns) and (stratum, due, connect ns, tls ns).
    """

    def __init__(self, tally: Tally, logs: Sequence[Log] = (), lateness: LatenessTally | None = None) -> None:
        """`lateness`: also gets every event."""
        self.tally = tally
        self._lateness = lateness
        self._logs = tuple(logs)
        self.rows: list[bytes] = []
        self.signs: list[int] = []
        self.handshakes: list[int] = []
        self.attempts: list[bytes] = []
        """Rows like those of `rows`, of attempts that were followed by another one: for the tally alone."""
        self.deliveries: list[bytes] = []
        """Rows like those of `rows`, of deliveries that are not their event's outcome when they end: for logs alone."""
        self.retry_backlog: list[int] = []
        """By (stratum, instant, 0 or 1), see `Tally.fold_retry_backlog`."""
        self.ended = 0
        """Events that have been folded."""

    def fold(self) -> None:
        """Count what is buffered."""
        rows = self.rows
        if rows:
            table = table_of(rows)
            self.ended += len(table)
            self.tally.fold(table)
            self.tally.fold_receipts(table)
            if self._lateness is not None:
                self._lateness.fold(table)
            for log in self._logs:
                log.add(table, outcomes=True)
            rows.clear()
        if self.signs:
            self.tally.fold_sign(np.array(self.signs, dtype=np.int64).reshape(-1, 3))
            self.signs.clear()
        if self.handshakes:
            opened = np.array(self.handshakes, dtype=np.int64).reshape(-1, 4)
            self.tally.fold_handshakes(opened)
            if self._lateness is not None:
                self._lateness.fold_handshakes(opened)
            self.handshakes.clear()
        if self.attempts:
            self.tally.fold_attempts(table_of(self.attempts))
            self.attempts.clear()
        if self.deliveries:
            for log in self._logs:
                log.add(table_of(self.deliveries), outcomes=False)
            self.deliveries.clear()
        if self.retry_backlog:
            self.tally.fold_retry_backlog(np.array(self.retry_backlog, dtype=np.int64).reshape(-1, 3))
            self.retry_backlog.clear()

    def add_attempt(self, row: bytes) -> None:
        """See `attempts`."""
        self.attempts.append(row)
        if len(self.attempts) >= BITE:
            self.fold()

    def add_delivery(self, row: bytes) -> None:
        """See `deliveries`."""
        self.deliveries.append(row)
        if len(self.deliveries) >= BITE:
            self.fold()

    def stop(self, instant_ns: int) -> None:
        """Releasing ended at this instant of the clock."""
        self.tally.stop(instant_ns)

"""Buffers packed outcome rows of the hot path, and folds them into the tally in small groups.

Folding delays due events: where events have due times it is done in steps, between which those that are due are sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from loadsim.compiled_step import step
from loadsim.engine.outcome_rows import table_of
from loadsim.measure.hdr import Ints
from loadsim.measure.tally import Tally
from loadsim.measure.without_generator_tally import LatenessTally

BITE = 2048
"""Rows that are folded together. More together cost less each; in all it takes one or two milliseconds."""
MOST = 4 * BITE
"""Rows that may be left for the time between due events; attempts and other deliveries are then folded at once."""
SLOW_TURNS_S = 0.05
"""How long the steps of a fold before a frame may take, with all that the loop does between them."""


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

    if step is not None:
        __slots__ = ("__dict__", "_folding", "rows", "signs")  # what the compiled step reaches

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
        """Events whose folding has begun."""
        self._folding: Iterator[None] | None = None
        """The steps that are left of a fold."""
        self._folds = 0
        """How many folds have ended."""

    @property
    def waiting(self) -> int:
        """How many rows are buffered, of the kind that has most."""
        return max(len(self.rows), len(self.attempts), len(self.deliveries))

    def fold(self) -> None:
        """Count what is buffered, now."""
        self._end_steps()
        self._folding = self._steps()
        self._end_steps()

    @property
    def under_way(self) -> bool:
        """Whether steps of a fold are left."""
        return self._folding is not None

    def step(self) -> None:
        """Take the next step of the fold that is under way, or begin one: with BITE rows about a quarter of a
        millisecond."""
        if self._folding is None:
            self._folding = self._steps()
        if next(self._folding, self) is self:
            self._end_steps()

    async def fold_in_steps(self) -> None:
        """Count what is buffered, and let the loop go on between the steps. Where its turns take long, as with slow
        signing, some is left: the frame is awaited."""
        clock = asyncio.get_running_loop().time
        end, latest = self._folds + 1 + self.under_way, clock() + SLOW_TURNS_S
        while self._folds < end and clock() < latest:
            self.step()
            await asyncio.sleep(0)

    def _end_steps(self) -> None:
        if self._folding is not None:
            for _ in self._folding:
                pass
            self._folding = None
            self._folds += 1

    def _steps(self) -> Iterator[None]:
        """Count what is buffered, each kind as it is when its step comes."""
        if self.rows:
            table = table_of(self.rows)
            self.rows.clear()
            self.ended += len(table)
            yield
            yield from self.tally.folding(table)
            self.tally.fold_receipts(table)
            yield
            if self._lateness is not None:
                self._lateness.fold(table)
            for log in self._logs:
                yield
                log.add(table, outcomes=True)
        if self.signs:
            yield
            self.tally.fold_sign(_taken(self.signs, 3))
        if self.handshakes:
            yield
            opened = _taken(self.handshakes, 4)
            self.tally.fold_handshakes(opened)
            if self._lateness is not None:
                self._lateness.fold_handshakes(opened)
        if self.attempts:
            yield
            attempts = table_of(self.attempts)
            self.attempts.clear()
            self.tally.fold_attempts(attempts)
        if self.deliveries:
            yield
            deliveries = table_of(self.deliveries)
            self.deliveries.clear()
            for log in self._logs:
                log.add(deliveries, outcomes=False)
        if self.retry_backlog:
            yield
            self.tally.fold_retry_backlog(_taken(self.retry_backlog, 3))

    def add_attempt(self, row: bytes) -> None:
        """See `attempts`."""
        self.attempts.append(row)
        if len(self.attempts) >= MOST:
            self.fold()

    def add_delivery(self, row: bytes) -> None:
        """See `deliveries`."""
        self.deliveries.append(row)
        if len(self.deliveries) >= MOST:
            self.fold()

    def stop(self, instant_ns: int) -> None:
        """Releasing ended at this instant of the clock."""
        self.tally.stop(instant_ns)


def _taken(numbers: list[int], columns: int) -> Ints:
    """Numbers as int64 (n, columns); the list is empty afterwards."""
    table = np.array(numbers, dtype=np.int64).reshape(-1, columns)
    numbers.clear()
    return table

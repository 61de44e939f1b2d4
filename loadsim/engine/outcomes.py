"""Notes what became of every delivery, for a run whose books are joined with the receiver's.

Decides what is noted: event, stratum and code of each delivery that ended, in any engine. A run without a ledger never
meets this code, so that its hot path pays nothing for it. Nothing stays here: each frame takes along what ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from loadsim.engine.engine import Engine
from loadsim.engine.recorder import BITE
from loadsim.engine.transport import Answer
from loadsim.measure.hdr import Ints
from loadsim.measure.outcomes import UNSENT, pack
from loadsim.model import ERROR_BASE, UNFINISHED

_COLUMNS = 3


class OutcomeNotes:
    """A flat list of index, stratum, code (or UNSENT), packed in small bites. `flags`: by stratum."""

    def __init__(self, flags: Ints) -> None:
        self.rows: list[int] = []
        self._flags = flags
        self._packed: list[bytes] = []

    def fold(self) -> None:
        """Pack what is noted."""
        if self.rows:
            self._packed.append(pack(np.array(self.rows, dtype=np.int64).reshape(-1, _COLUMNS), self._flags))
            self.rows.clear()

    def take(self) -> bytes:
        """Everything since the last call, see `measure.outcomes.pack`."""
        self.fold()
        taken, self._packed = self._packed, []
        return b"".join(taken)


class NotingEngine(Engine):
    """An engine that notes how each delivery ended. `notes` is set before it runs."""

    notes: OutcomeNotes

    def _settle(self, answers: Sequence[Answer]) -> None:
        """See Engine."""
        rows = self.notes.rows
        extend = rows.extend
        for connection, code, _ in answers:
            event = connection.event
            if event is not None:
                sent = code < ERROR_BASE or connection.bytes_sent
                extend((event[0], event[1], code if sent else UNSENT))
        if len(rows) >= BITE * _COLUMNS:
            self.notes.fold()
        super()._settle(answers)

    def _ended_unsent(self, index: int, stratum: int, due: int, woken: int, slot: int, code: int, now: int) -> None:
        self.notes.rows.extend((index, stratum, UNSENT))
        super()._ended_unsent(index, stratum, due, woken, slot, code, now)

    def _finish_all(self) -> int:
        for connection in self._transport.connections():
            event = connection.event
            if event is not None:
                self.notes.rows.extend((event[0], event[1], UNFINISHED if connection.bytes_sent else UNSENT))
        return super()._finish_all()


def noting(base: type[Engine]) -> type[NotingEngine]:
    """The engine `base`, with every delivery noted."""
    if base is Engine:
        return NotingEngine
    return cast("type[NotingEngine]", type(f"Noting{base.__name__}", (NotingEngine, base), {}))

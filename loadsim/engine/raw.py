"""Keeps every outcome with its event's index, for a run that was asked for a raw log.

Decides how an index is paired with the row that the engine counts: it is noted in the same order. A run without a raw
log never meets this code, so that its hot path pays nothing for it. Knows nothing of files and forms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loadsim.engine.engine import Engine
from loadsim.engine.recorder import Recorder, table_of
from loadsim.engine.transport import Answer
from loadsim.measure.tally import Tally
from loadsim.model import Column


class RawRecorder(Recorder):
    """A recorder that keeps what it folds until somebody takes it.

    `wall_offset_ns`: what turns an instant of the engine's clock into ns since 1970.
    """

    def __init__(self, tally: Tally, wall_offset_ns: int, cases: int = 1) -> None:
        super().__init__(tally, cases)
        self._offset_ns = wall_offset_ns
        self.indexes: list[int] = []
        """Of the events in `rows`, in the same order."""
        self._kept: list[bytes] = []

    def fold(self) -> None:
        """Count what is buffered, and keep it."""
        if self.rows:
            rows = table_of(self.rows).copy()
            instants = rows[:, Column.due : Column.done + 1]
            instants += np.where(instants == 0, 0, self._offset_ns)
            self._kept.append(np.column_stack((np.array(self.indexes, dtype=np.int64), rows)).tobytes())
            self.indexes.clear()
        super().fold()

    def take_raw(self) -> bytes:
        """Everything since the last call: int64 rows of index and `model.Column`, times in ns since 1970."""
        taken, self._kept = self._kept, []
        return b"".join(taken)


class RawEngine(Engine):
    """An engine that says which event each row of its recorder, a RawRecorder, is of."""

    _recorder: RawRecorder

    def _settle(self, answers: Sequence[Answer]) -> None:
        """See Engine. One by one, so that an index and its row always come together."""
        for answer in answers:
            event = answer[0].event
            if event is not None:
                self._recorder.indexes.append(event[0])
            super()._settle((answer,))

    def dispatch(self, index: int, stratum: int, due: int, woken: int) -> None:
        """See Taker."""
        super().dispatch(index, stratum, due, woken)
        recorder = self._recorder
        if len(recorder.rows) > len(recorder.indexes):  # no connection was free: it ended here
            recorder.indexes.append(index)

    def _ended_unsent(self, index: int, stratum: int, due: int, woken: int, slot: int, code: int, now: int) -> None:
        self._recorder.indexes.append(index)
        super()._ended_unsent(index, stratum, due, woken, slot, code, now)

    def _finish_all(self) -> int:
        under_way = (connection.event for connection in self._transport.connections())
        self._recorder.indexes += [event[0] for event in under_way if event is not None]
        self._recorder.indexes += [waiting[0] for waiting in self._queue]
        return super()._finish_all()

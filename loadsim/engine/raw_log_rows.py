"""Keeps every row, for a run that was asked for a raw log: one for each delivery, and one for each event without any.

A run without a raw log does not use this module.
"""

from __future__ import annotations

import numpy as np

from loadsim.measure.hdr import Ints
from loadsim.measure.outcome_columns import Column

WIDTH = 1 + len(Column)
"""Columns of a raw row: `outcome_columns.Column`, then 1 where the row is its event's outcome."""


class RawRows:
    """A `recorder.Log` that keeps rows until they are taken.

    `wall_offset_ns`: what turns an instant of the engine's clock into ns since 1970.
    """

    def __init__(self, wall_offset_ns: int) -> None:
        self._offset_ns = wall_offset_ns
        self._kept: list[bytes] = []

    def add(self, table: Ints, *, outcomes: bool) -> None:
        """See Log."""
        rows = np.column_stack((table, np.full(len(table), outcomes, dtype=np.int64)))
        instants = rows[:, Column.due : Column.done + 1]
        instants += np.where(instants == 0, 0, self._offset_ns)
        ready = rows[:, Column.ready]
        ready += np.where(ready == 0, 0, self._offset_ns)
        self._kept.append(rows.tobytes())

    def take(self) -> bytes:
        """Everything since the last call: int64 rows of WIDTH columns, times in ns since 1970."""
        taken, self._kept = self._kept, []
        return b"".join(taken)

"""Records the outcome of every delivery (event, stratum, code), for a run that is reconciled with a ledger.

Each frame carries the outcomes since the last one, so that nothing accumulates here.
"""

from __future__ import annotations

import numpy as np

from loadsim.measure.event_outcomes import UNSENT, pack
from loadsim.measure.hdr import Ints
from loadsim.measure.outcome_columns import Column
from loadsim.outcome_codes import ERROR_BASE


class OutcomeNotes:
    """A `recorder.Log` of index, stratum, code (or UNSENT), packed. `flags`: by stratum."""

    def __init__(self, flags: Ints) -> None:
        self._flags = flags
        self._packed: list[bytes] = []

    def add(self, table: Ints, *, outcomes: bool) -> None:  # noqa: ARG002 - every delivery counts alike
        """See Log."""
        index, stratum, code, sent = table[table[:, Column.attempt] > 0][:, _KEPT].T
        code = np.where((code < ERROR_BASE) | (sent > 0), code, UNSENT)
        self._packed.append(pack(np.column_stack((index, stratum, code)), self._flags))

    def take(self) -> bytes:
        """Everything since the last call, see `measure.outcomes.pack`."""
        taken, self._packed = self._packed, []
        return b"".join(taken)


_KEPT = [Column.index, Column.stratum, Column.code, Column.bytes_sent]

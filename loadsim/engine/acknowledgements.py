"""Records when each delivery was due and how it ended, for a run whose effects are watched.

Each frame carries what was recorded since the last one, so that nothing accumulates here.
"""

from __future__ import annotations

import numpy as np

from loadsim.measure.cells import succeeded
from loadsim.measure.effect_book import Flag, pack
from loadsim.measure.hdr import Ints
from loadsim.measure.outcome_columns import Column


class Acknowledgements:
    """A `recorder.Log` of ended deliveries, packed.

    `flags`: by stratum. `wall_offset_ns`: what turns an instant of the engine's clock into ns since 1970.
    """

    def __init__(self, flags: Ints, wall_offset_ns: int) -> None:
        self._flags = flags
        self._offset_ns = wall_offset_ns
        self._packed: list[bytes] = []

    def add(self, table: Ints, *, outcomes: bool) -> None:  # noqa: ARG002 - every delivery counts alike
        """See Log."""
        made = table[table[:, Column.attempt] > 0]
        flags = self._flags[made[:, Column.stratum]] | Flag.acknowledged * succeeded(made[:, Column.code])
        ended = made[:, Column.done] - np.abs(made[:, Column.receipt])  # when it came, not when we read it
        offset = self._offset_ns
        self._packed.append(pack(made[:, Column.index], flags, made[:, Column.due] + offset, ended + offset))

    def take(self) -> bytes:
        """Everything since the last call, see `measure.effect_book.pack`."""
        taken, self._packed = self._packed, []
        return b"".join(taken)

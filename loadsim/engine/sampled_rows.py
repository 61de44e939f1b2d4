"""Keeps the rows of deliveries whose trace is sampled, for a run that sends spans of them to a collector.

A run that sends no spans does not use this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from loadsim.engine.raw_log_rows import WIDTH, RawRows
from loadsim.measure.hdr import Ints
from loadsim.measure.outcome_columns import Column
from loadsim.measure.trace_ids import TraceIds

MOST_A_SECOND = 200
"""Rows of all shards together that are kept in a second: a span costs the parent 0.1 to 0.2 ms."""


class Sampled(NamedTuple):
    """What one shard kept since its last frame."""

    rows: Ints
    """As `raw_log_rows` has them."""
    left_out: int
    """Number of sampled deliveries that were too many."""


class SampledRows:
    """A `recorder.Log` of the sampled deliveries, at most `most` between two calls of `take`.

    `copied`: by stratum, whether its events are several identical deliveries, which bear one trace context: only the
    first of them is kept. `wall_offset_ns`: see RawRows.
    """

    def __init__(self, ids: TraceIds, copied: Sequence[bool], wall_offset_ns: int, most: int) -> None:
        self._ids, self._most = ids, most
        self._copied = np.array(copied, dtype=np.bool)
        self._kept = RawRows(wall_offset_ns)
        self._rows = self._left_out = 0

    def add(self, table: Ints, *, outcomes: bool) -> None:
        """See Log."""
        attempt = table[:, Column.attempt]
        delivered = (attempt == 1) | ((attempt > 1) & ~self._copied[table[:, Column.stratum]])
        table = table[delivered & self._ids.sampled(table[:, Column.index], attempt)]
        room = self._most - self._rows
        self._left_out += max(0, len(table) - room)
        if room > 0 and len(table):
            self._kept.add(table[:room], outcomes=outcomes)
            self._rows += len(table[:room])

    def take(self) -> bytes:
        """What was kept since the last call, for `sampled`; empty where no delivery was sampled."""
        if not self._rows and not self._left_out:
            return b""
        taken = self._left_out.to_bytes(8, "little") + self._kept.take()
        self._rows = self._left_out = 0
        return taken


def sampled(packed: bytes) -> Sampled:
    """What `SampledRows.take` returned."""
    rows = np.frombuffer(packed, np.int64, offset=8).reshape(-1, WIDTH)
    return Sampled(rows, int.from_bytes(packed[:8], "little"))

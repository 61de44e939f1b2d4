"""Takes outcomes from the hot path at the price of packing a row, and folds them into the tally in small bites.

Decides when folding happens, because folding is paid by lag: BITE rows at a time, or whenever there is time before the
next due event. Knows nothing of connections.
"""

from __future__ import annotations

import struct

import numpy as np

from loadsim.measure.hdr import Ints
from loadsim.measure.tally import Tally
from loadsim.model import Column, Sample

COLUMNS = len(Column)
ROW = struct.Struct(f"{COLUMNS}q")
"""One outcome, see `model.Column`."""
BITE = 2048
"""Rows that are folded at once under load: cheapest by far, at a millisecond or so."""
PACED_BITE = 512
"""Rows that are worth folding between two events that fall due: dear each, but done in a quarter of that time."""
SAMPLES_PER_CODE = 3


class Recorder:
    """Buffers in front of a Tally.

    To `rows` the engine appends one packed `ROW` per event; the others are flat lists that it extends: `signs` by
    (stratum, due, ns), `handshakes` by (stratum, due, connect ns, tls ns).
    """

    def __init__(self, tally: Tally, cases: int = 1) -> None:
        """`cases`: how many there are in the plan, the genuine one included."""
        self.tally = tally
        self._cases = cases
        self.rows: list[bytes] = []
        self.signs: list[int] = []
        self.handshakes: list[int] = []
        self.attempts: list[bytes] = []
        """Rows like those of `rows`, of attempts that were followed by another one."""
        self.backlog: list[int] = []
        """By (stratum, instant, 0 or 1), see `Tally.fold_backlog`."""
        self.ended = 0
        """Events that have been folded."""
        self.samples: list[Sample] = []
        self._sampled: dict[int, int] = {}

    def fold(self) -> None:
        """Count what is buffered."""
        rows = self.rows
        if rows:
            table = table_of(rows)
            self.ended += len(table)
            self.tally.fold(table)
            rows.clear()
        if self.signs:
            self.tally.fold_sign(np.array(self.signs, dtype=np.int64).reshape(-1, 3))
            self.signs.clear()
        if self.handshakes:
            self.tally.fold_handshakes(np.array(self.handshakes, dtype=np.int64).reshape(-1, 4))
            self.handshakes.clear()
        if self.attempts:
            self.tally.fold_attempts(table_of(self.attempts))
            self.attempts.clear()
        if self.backlog:
            self.tally.fold_backlog(np.array(self.backlog, dtype=np.int64).reshape(-1, 3))
            self.backlog.clear()

    def stop(self, instant_ns: int) -> None:
        """Releasing ended at this instant of the clock."""
        self.tally.stop(instant_ns)

    def wants_sample(self, code: int, stratum: int) -> bool:
        """Whether this failing status or error kind has been shown less than three times in its case.

        By case, so that refusals that were due do not use up the room of those that were not.
        """
        key = code * self._cases + stratum % self._cases
        seen = self._sampled.get(key, 0)
        if seen >= SAMPLES_PER_CODE:
            return False
        self._sampled[key] = seen + 1
        return True

    def take_raw(self) -> bytes:
        """Every row since the last call, for a raw log; this one keeps none."""
        return b""

    def take_samples(self) -> list[Sample]:
        """The samples since the last call."""
        taken, self.samples = self.samples, []
        return taken


def table_of(rows: list[bytes]) -> Ints:
    """Packed rows as int64 (n, COLUMNS), read-only."""
    return np.frombuffer(b"".join(rows), dtype=np.int64).reshape(-1, COLUMNS)

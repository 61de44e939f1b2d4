"""The latencies of a shard's events without the generator's own lateness: what its objectives are judged by once more.

Beside the tally, which counts what happened. An undisturbed event counts with its lag, its receipt and the time that
making and sending it took taken off, a disturbed one (see `pauses`) as DISTURBED: nobody knows what its latency would
have been.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadsim.error_kinds import ErrorKind
from loadsim.measure.cells import (
    INDEX_BITS,
    INDEX_MASK,
    SLICE_BITS,
    SLICE_MASK,
    Cells,
    KeyCounts,
    packed,
    slice_of,
    unpacked,
)
from loadsim.measure.hdr import MICROSECONDS, Ints
from loadsim.measure.outcome_columns import Column
from loadsim.model import NS_PER_US
from loadsim.outcome_codes import DROPPED, ERROR_BASE

GROUP_SHIFT = INDEX_BITS + SLICE_BITS
DISTURBED = INDEX_MASK
"""The index of an event whose latency says nothing; greater than any bucket."""
CLASSES = 8
"""Events are counted apart by the first digit of their status; 0: those without an answer."""
_EXCUSED = [
    ERROR_BASE + kind
    for kind in (
        ErrorKind.timeout,
        ErrorKind.connect_timeout,
        ErrorKind.closed_idle,
        ErrorKind.closed_early,
        ErrorKind.reset,
    )
]
"""Failures that a pause of ours may bring about: the endpoint, or our own clock, gave the event up meanwhile."""
_TIMEOUT = ERROR_BASE + ErrorKind.timeout

Disturbed = Callable[[Ints, Ints], "NDArray[np.bool] | None"]
"""See `Pauses.disturbed`."""


class Kind(enum.IntEnum):
    """What is counted. Of the first two every event; of the next three only disturbed ones, as they were measured."""

    response = 0
    service = 1
    wait = 2
    first_byte = 3
    connect = 4
    excused = 5
    """Failures that may be the generator's own; index = the code."""


KINDS = 8


class LatenessDelta(msgspec.Struct, frozen=True, array_like=True):
    """What one shard counted since the last one. `keys` int64 and `counts` uint32 as in `TallyDelta`; `away` and
    `disturbed`: see `Pauses.take`, in ns since the start of the run."""

    keys: bytes
    counts: bytes
    away: list[tuple[int, int]]
    disturbed: list[tuple[int, int]]

    def cells(self) -> Cells:
        """The cells. Raises ValueError when there are not as many keys as counts."""
        return unpacked(self.keys, self.counts)


class LatenessTally:
    """Counts the events of one shard. `start_ns`: of the run, on the clock of the rows. `timeout_ns`: of an event."""

    def __init__(self, start_ns: int, timeout_ns: int, disturbed: Disturbed) -> None:
        self._start, self._timeout, self._disturbed = start_ns, timeout_ns, disturbed
        self._cells = KeyCounts()

    def fold(self, rows: Ints) -> None:
        """Count outcome rows: int64 (n, 14), columns of `outcome_columns.Column`."""
        stratum, code, due, woken, _, sent, _, done = np.ascontiguousarray(rows[:, Column.stratum : Column.done + 1].T)
        late = np.abs(rows[:, Column.receipt])
        answered = np.where(code < ERROR_BASE, code // 100, 0)
        base = ((stratum * KINDS * CLASSES + answered) << GROUP_SHIFT) | (slice_of(due - self._start) << INDEX_BITS)
        was_sent = sent != 0
        read, ready = done - late, rows[:, Column.ready]
        ours = np.where(was_sent & (ready != 0), sent - ready, 0)
        values = np.concatenate((read - ours - np.where(woken == 0, due, woken), (read - sent)[was_sent]))
        index = MICROSECONDS.index(np.maximum(values, 0) // NS_PER_US)
        disturbed = self._disturbed(due, np.where(was_sent, sent, done))
        if disturbed is not None:
            index[np.concatenate((disturbed, disturbed[was_sent]))] = DISTURBED
            if disturbed.any():
                self._fold_disturbed(rows[disturbed], base[disturbed])
        keys = np.concatenate((base, base[was_sent] + (Kind.service * CLASSES << GROUP_SHIFT))) | index
        kept = code != DROPPED
        self._cells.add(keys if kept.all() else keys[np.concatenate((kept, kept[was_sent]))])
        self._fold_excused(rows, base, late, disturbed)

    def fold_handshakes(self, rows: Ints) -> None:
        """Count opened connections of disturbed events: rows as `Tally.fold_handshakes` takes them."""
        stratum, due, connect, tls = np.ascontiguousarray(rows.T)
        disturbed = self._disturbed(due, due + connect + tls)
        if disturbed is not None:
            base = (stratum * KINDS * CLASSES << GROUP_SHIFT) | (slice_of(due - self._start) << INDEX_BITS)
            self._cells.add(_keyed(base[disturbed], Kind.connect, connect[disturbed]))

    def drain(self, away: list[tuple[int, int]], disturbed: list[tuple[int, int]]) -> LatenessDelta:
        """What was folded since the last drain, with the pauses since (ns of the rows' clock)."""
        return LatenessDelta(
            *packed(self._cells.drain()),
            [(start - self._start, end - self._start) for start, end in away],
            [(start - self._start, end - self._start) for start, end in disturbed],
        )

    def _fold_disturbed(self, rows: Ints, base: Ints) -> None:
        """What is measured otherwise than by our clock alone, as it was: it may have to be left out."""
        code, woken, slot, sent, first = (
            rows[:, column] for column in (Column.code, Column.woken, Column.slot, Column.sent, Column.first_byte)
        )
        waited = (woken != 0) & (slot != 0) & (code != DROPPED)
        begun = (sent != 0) & (first != 0) & (code != DROPPED)
        self._cells.add(_keyed(base[waited], Kind.wait, (slot - woken)[waited]))
        self._cells.add(_keyed(base[begun], Kind.first_byte, (first - sent)[begun]))

    def _fold_excused(self, rows: Ints, base: Ints, late: Ints, disturbed: NDArray[np.bool] | None) -> None:
        code = rows[:, Column.code]
        failed = code >= ERROR_BASE
        if not failed.any():
            return
        in_time = rows[:, Column.done] - late - rows[:, Column.slot] <= self._timeout
        excused = (code == _TIMEOUT) & (late > 0) & in_time
        if disturbed is not None:
            excused |= disturbed & np.isin(code, _EXCUSED)
        if excused.any():
            self._cells.add(base[excused] + (Kind.excused * CLASSES << GROUP_SHIFT) | code[excused])


def _keyed(base: Ints, kind: Kind, values_ns: Ints) -> Ints:
    index = MICROSECONDS.index(np.maximum(values_ns, 0) // NS_PER_US)
    return base + (kind * CLASSES << GROUP_SHIFT) | index


def parts_of(keys: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Stratum, kind, first digit of the status, slice and index of each key."""
    group = keys >> GROUP_SHIFT
    stratum, rest = np.divmod(group, KINDS * CLASSES)
    kind, answered = np.divmod(rest, CLASSES)
    return stratum, kind, answered, keys >> INDEX_BITS & SLICE_MASK, keys & INDEX_MASK

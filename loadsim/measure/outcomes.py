"""What became of every event, by its index: the sender's side of the books, for runs that are reconciled with a ledger.

Decides the few endings that reconciliation tells apart and the form in which they are kept: two bytes an event. Refuses
to know how events end and what a receiver says of them.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadsim.measure.decoding import UNREADABLE
from loadsim.measure.hdr import Ints
from loadsim.model import ERROR_BASE, UNFINISHED

SCHEMA = "loadsim.outcomes/1"
FILE = "outcomes.bin"
UNSENT = 0
"""Stands for the outcome's code where no byte of a delivery was handed to the kernel."""
REFUSAL_DUE, REUSED = 8, 16
"""Flags beside the ending: the endpoint owed a refusal; the body is that of an earlier event."""
_ENDING = 7
_MOST = 255
_LARGEST = 1 << 33
"""Bytes that a stored file may unpack to."""


class Ending(enum.IntEnum):
    """What became of an event. Of several deliveries the greatest stands for all."""

    none = 0
    """It was not sent: dropped, or still waiting for a connection at the end."""
    unsent = 1
    """It ended, and no byte of it was handed to the kernel."""
    unanswered = 2
    """Sent, and no whole answer came: a timeout, a broken connection, or still under way at the end."""
    answered = 3
    """An answer of neither 2xx nor 4xx."""
    refused = 4
    """An answer of 4xx."""
    succeeded = 5
    """An answer of 2xx."""


def pack(rows: Ints, flags: Ints) -> bytes:
    """Deliveries as they ended, int64 (n, 3) of index, stratum and code (or UNSENT), as they travel.

    `flags`: by stratum.
    """
    index, stratum, code = rows.T
    hundreds = np.searchsorted((1, 200, 300, 400, 500, ERROR_BASE, UNFINISHED + 1), code, side="right")
    ending = np.array([1, 3, 5, 3, 4, 3, 2, 2])[hundreds]
    packed: bytes = (index << 8 | flags[stratum] | ending).astype("<i8").tobytes()
    return packed


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """By index, uint8 arrays of one length: the ending of each event with its flags, and how often it was sent."""

    marks: NDArray[np.uint8]
    deliveries: NDArray[np.uint8]

    @property
    def ending(self) -> NDArray[np.uint8]:
        """What became of each event, see Ending."""
        return np.bitwise_and(self.marks, np.uint8(_ENDING))

    def flagged(self, flag: int) -> NDArray[np.bool_]:
        """Which events have a flag."""
        return np.bitwise_and(self.marks, np.uint8(flag)) > 0


class OutcomeBook:
    """Collects what shards say; grows with the highest index."""

    def __init__(self) -> None:
        self._marks = np.zeros(0, dtype=np.uint8)
        self._deliveries = np.zeros(0, dtype=np.uint16)
        self._size = 0

    def add(self, packed: bytes) -> None:
        """Deliveries that ended, as `pack` made them."""
        rows = np.frombuffer(packed, dtype="<i8")
        if not len(rows):
            return
        index, mark = rows >> 8, (rows & 0xFF).astype(np.uint8)
        self._size = max(self._size, int(index.max()) + 1)
        if self._size > len(self._marks):
            room = max(4096, 2 * self._size)
            for name in ("_marks", "_deliveries"):
                have = getattr(self, name)
                setattr(self, name, np.concatenate((have, np.zeros(room - len(have), dtype=have.dtype))))
        np.maximum.at(self._marks, index, mark)
        sent, times = np.unique(index[(mark & _ENDING) > Ending.unsent], return_counts=True)
        self._deliveries[sent] = np.minimum(self._deliveries[sent] + times, _MOST)

    def outcomes(self) -> Outcomes:
        """Everything so far."""
        return Outcomes(self._marks[: self._size], self._deliveries[: self._size].astype(np.uint8))


class _Stored(msgspec.Struct, frozen=True):
    schema: str
    run: str
    events: int
    marks: bytes
    deliveries: bytes


def dump_outcomes(outcomes: Outcomes, run: str) -> bytes:
    """The stored form: msgpack, the arrays deflated."""
    stored = _Stored(
        SCHEMA,
        run,
        len(outcomes.marks),
        zlib.compress(outcomes.marks.tobytes(), 1),
        zlib.compress(outcomes.deliveries.tobytes(), 1),
    )
    return msgspec.msgpack.encode(stored)


def load_outcomes(data: bytes, run: str) -> Outcomes:
    """The outcomes of a run from their stored form. Raises ValueError, in one line, when they are not that."""
    try:
        stored = msgspec.msgpack.decode(data, type=_Stored)
        arrays = [_unpacked(piece, stored.events) for piece in (stored.marks, stored.deliveries)]
    except (*UNREADABLE, zlib.error) as error:
        raise ValueError(f"not the outcomes of a run ({error})") from None
    if stored.schema != SCHEMA:
        raise ValueError(f"its schema is {stored.schema!r}, not {SCHEMA}")
    if stored.run != run:
        raise ValueError(f"it is of run {stored.run!r}, not of {run}")
    return Outcomes(*arrays)


def _unpacked(piece: bytes, size: int) -> NDArray[np.uint8]:
    if not 0 <= size <= _LARGEST:
        raise ValueError("not the outcomes of a run (impossible size)")
    data = zlib.decompressobj().decompress(piece, size + 1)
    if len(data) != size:
        raise ValueError("not the outcomes of a run (cut short)")
    return np.frombuffer(data, dtype=np.uint8)


def flags_of(strata: Sequence[tuple[bool, bool]]) -> Ints:
    """The flags of each stratum, from (a refusal is due, the body is another event's)."""
    return np.array([REFUSAL_DUE * due | REUSED * reused for due, reused in strata], dtype=np.int64)

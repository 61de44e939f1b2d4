"""The outcome of every event, by its index: the sender's side of a reconciliation with a receiver's ledger.

It keeps the few endings that reconciliation distinguishes, in two bytes per event.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadsim.error_kinds import ErrorKind
from loadsim.measure.hdr import Ints
from loadsim.measure.stored_json import UNREADABLE, why_newer
from loadsim.outcome_codes import ERROR_BASE, UNFINISHED

SCHEMA = "loadsim.outcomes/1"
FILE = "outcomes.bin"
UNSENT = 0
"""Replaces the outcome's code when no byte of a delivery was handed to the kernel."""
REFUSAL_DUE, REUSED = 8, 16
"""Flags beside the ending: the endpoint had to refuse the event; the body is that of an earlier event."""
_ENDING = 7
_NOT_PROCESSED = ERROR_BASE + ErrorKind.goaway
_MOST = 255
_LARGEST = 1 << 33
"""Most bytes that a stored file may unpack to."""


class Ending(enum.IntEnum):
    """How an event ended. Of several deliveries of one event the greatest ending counts."""

    none = 0
    """It was not sent: dropped, or still waiting for a connection at the end."""
    unsent = 1
    """It ended, and no byte of it was handed to the kernel."""
    unanswered = 2
    """Sent, and no complete answer came: a timeout, a broken connection, or still in flight at the end."""
    answered = 3
    """An answer of neither 2xx nor 4xx, or the endpoint said that it had not processed the event (goaway)."""
    refused = 4
    """An answer of 4xx."""
    succeeded = 5
    """An answer of 2xx."""


def pack(rows: Ints, flags: Ints) -> bytes:
    """Ended deliveries in the form in which a shard sends them.

    `rows`: int64 (n, 3), columns index, stratum and code (or UNSENT). `flags`: by stratum.
    """
    index, stratum, code = rows.T
    hundreds = np.searchsorted((1, 200, 300, 400, 500, ERROR_BASE, UNFINISHED + 1), code, side="right")
    ending = np.array([1, 3, 5, 3, 4, 3, 2, 2])[hundreds]
    ending[code == _NOT_PROCESSED] = Ending.answered
    packed: bytes = (index << 8 | flags[stratum] | ending).astype("<i8").tobytes()
    return packed


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """By event index, uint8 arrays of one length: the ending of each event with its flags, and how often it was
    sent."""

    endings: NDArray[np.uint8]
    deliveries: NDArray[np.uint8]

    @property
    def ending(self) -> NDArray[np.uint8]:
        """The ending of each event without its flags, see Ending."""
        return np.bitwise_and(self.endings, np.uint8(_ENDING))

    def flagged(self, flag: int) -> NDArray[np.bool_]:
        """Which events have this flag."""
        return np.bitwise_and(self.endings, np.uint8(flag)) > 0


class OutcomeCollector:
    """Collects the outcomes that shards send. Its memory grows with the greatest index."""

    def __init__(self) -> None:
        self._endings = np.zeros(0, dtype=np.uint8)
        self._deliveries = np.zeros(0, dtype=np.uint16)
        self._size = 0

    def add(self, packed: bytes) -> None:
        """Take ended deliveries, as `pack` made them."""
        rows = np.frombuffer(packed, dtype="<i8")
        if not len(rows):
            return
        index, ending = rows >> 8, (rows & 0xFF).astype(np.uint8)
        self._size = max(self._size, int(index.max()) + 1)
        if self._size > len(self._endings):
            size = max(4096, 2 * self._size)
            for name in ("_endings", "_deliveries"):
                have = getattr(self, name)
                setattr(self, name, np.concatenate((have, np.zeros(size - len(have), dtype=have.dtype))))
        np.maximum.at(self._endings, index, ending)
        sent, times = np.unique(index[(ending & _ENDING) > Ending.unsent], return_counts=True)
        self._deliveries[sent] = np.minimum(self._deliveries[sent] + times, _MOST)

    def outcomes(self) -> Outcomes:
        """The outcomes of all deliveries so far."""
        return Outcomes(self._endings[: self._size], self._deliveries[: self._size].astype(np.uint8))


class _Stored(msgspec.Struct, frozen=True):
    schema: str
    run: str
    events: int
    marks: bytes
    """`Outcomes.endings`, under the key of this schema."""
    deliveries: bytes


def dump_outcomes(outcomes: Outcomes, run: str) -> bytes:
    """The stored form: msgpack with compressed arrays."""
    stored = _Stored(
        SCHEMA,
        run,
        len(outcomes.endings),
        zlib.compress(outcomes.endings.tobytes(), 1),
        zlib.compress(outcomes.deliveries.tobytes(), 1),
    )
    return msgspec.msgpack.encode(stored)


def load_outcomes(data: bytes, run: str) -> Outcomes:
    """The outcomes of a run from their stored form. Raises ValueError, in one line, when the form is not valid."""
    try:
        stored = msgspec.msgpack.decode(data, type=_Stored)
        arrays = [_unpacked(piece, stored.events) for piece in (stored.marks, stored.deliveries)]
    except (*UNREADABLE, zlib.error) as error:
        raise ValueError(f"not the outcomes of a run ({error})") from None
    if stored.schema != SCHEMA:
        raise ValueError(why_newer(stored.schema, SCHEMA) or f"its schema is {stored.schema!r}, not {SCHEMA}")
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

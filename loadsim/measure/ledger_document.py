"""A receiver's ledger of one run: how often each event arrived and was accepted, by the event's index.

`GET /ledger?run=ID` serves it as JSON; the arrays are base64 of little-endian bytes. Any endpoint can serve this form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadsim.measure.stored_json import UNREADABLE, why_newer

SCHEMA = "loadsim.ledger/1"
MOST_TIMES = 255
"""The greatest count: counts are single bytes and stay at this value."""
Times = NDArray[np.uint8]
Of = Literal["deliveries", "effects"]
"""What is counted: deliveries that arrived, or effects, that is what was done for an event (once, if all is well)."""


@dataclass(frozen=True, slots=True, eq=False)
class RunLedger:
    """What a receiver counted in one run: arrays of one length, by event index. Events with greater indexes never
    arrived."""

    of: Of
    arrivals: Times
    """Deliveries that named this event, accepted or not. The companion receiver counts only those whose signature it
    accepted."""
    accepted: Times
    """How many of them were accepted as genuine and answered so; or how often something was done for the event."""
    first_s: NDArray[np.float64] | None = None
    """When the first delivery of each event arrived: seconds on any clock, 0 where none did. None: not known."""
    incomplete: str = ""
    """Why events may be missing that did arrive; empty when the ledger is complete."""

    def same(self, other: RunLedger) -> bool:
        """Whether both hold the same counts: nothing happened between two readings."""
        return np.array_equal(self.arrivals, other.arrivals) and np.array_equal(self.accepted, other.accepted)


class LedgerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger as JSON. `arrivals` may be left out when only accepted events are known."""

    schema: str = SCHEMA
    run: str
    of: Of
    accepted: bytes
    """uint8 by index."""
    arrivals: bytes = b""
    """uint8 by index."""
    first_s: bytes = b""
    """float64 by index."""
    incomplete: str = ""


def encode_ledger(run: str, ledger: RunLedger) -> bytes:
    """The ledger as JSON."""
    return msgspec.json.encode(
        LedgerDocument(
            run=run,
            of=ledger.of,
            accepted=ledger.accepted.tobytes(),
            arrivals=ledger.arrivals.tobytes(),
            first_s=b"" if ledger.first_s is None else ledger.first_s.astype("<f8").tobytes(),
            incomplete=ledger.incomplete,
        )
    )


def decode_ledger(data: bytes, run: str) -> RunLedger:
    """The ledger of a run from its JSON. Raises ValueError, in one line, when it is not valid."""
    try:
        document = msgspec.json.decode(data, type=LedgerDocument)
    except UNREADABLE as error:
        raise ValueError(f"not a ledger: {error}") from None
    if document.schema != SCHEMA:
        raise ValueError(why_newer(document.schema, SCHEMA) or f"its schema is {document.schema!r}, not {SCHEMA}")
    if document.run != run:
        raise ValueError(f"it is of run {document.run!r}, not of {run}")
    accepted = np.frombuffer(document.accepted, dtype=np.uint8)
    arrivals = np.frombuffer(document.arrivals or document.accepted, dtype=np.uint8)
    if len(document.first_s) % 8:
        raise ValueError("the length of first_s is not a multiple of 8 bytes")
    first_s = np.frombuffer(document.first_s, dtype="<f8") if document.first_s else None
    for name, array in (("arrivals", arrivals), ("first_s", first_s)):
        if array is not None and len(array) != len(accepted):
            raise ValueError(f"it has {len(accepted):,} counts in accepted, and {len(array):,} in {name}")
    if first_s is not None and not np.isfinite(first_s).all():
        raise ValueError("first_s holds a value that is not finite")
    return RunLedger(document.of, arrivals, accepted, first_s, document.incomplete)

"""A receiver's books of one run: how often each event came and was accepted, by its index.

Decides the form in which `GET /ledger?run=ID` gives them, and what a form must hold to be believed. Any endpoint can
serve it: JSON, its arrays as base64 of little-endian bytes. Refuses to know how books are kept and what was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

SCHEMA = "loadsim.ledger/1"
MOST_TIMES = 255
"""Where counts stay: they are bytes."""
Times = NDArray[np.uint8]
Of = Literal["deliveries", "effects"]
"""What the counts are of: deliveries that came, each time, or what was done for an event: once, if all is well."""


@dataclass(frozen=True, slots=True, eq=False)
class Books:
    """What a receiver knows of a run. Arrays of one length, by index; what lies behind their end never came."""

    of: Of
    arrivals: Times
    """Deliveries that said they were of this event, whatever became of them; the companion receiver's are those alone
    whose signature it accepted."""
    accepted: Times
    """Of those, how many were taken for genuine and answered as such; or how often something was done for it."""
    first_s: NDArray[np.float64] | None = None
    """When the first of them came: seconds on any clock, 0 where none did. None: not known."""
    incomplete: str = ""
    """Why events may be missing that did come; empty where none can be."""

    def same(self, other: Books) -> bool:
        """Whether nothing happened between two readings."""
        return np.array_equal(self.arrivals, other.arrivals) and np.array_equal(self.accepted, other.accepted)


class LedgerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The books as they travel. `arrivals` may be left out where only what was accepted is known."""

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


def encode_ledger(run: str, books: Books) -> bytes:
    """The books as JSON."""
    return msgspec.json.encode(
        LedgerDocument(
            run=run,
            of=books.of,
            accepted=books.accepted.tobytes(),
            arrivals=books.arrivals.tobytes(),
            first_s=b"" if books.first_s is None else books.first_s.astype("<f8").tobytes(),
            incomplete=books.incomplete,
        )
    )


def decode_ledger(data: bytes, run: str) -> Books:
    """The books of a run from their JSON. Raises ValueError, in one line, when they are not that."""
    try:
        document = msgspec.json.decode(data, type=LedgerDocument)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not a ledger: {error}") from None
    if document.schema != SCHEMA:
        raise ValueError(f"its schema is {document.schema!r}, not {SCHEMA}")
    if document.run != run:
        raise ValueError(f"it is of run {document.run!r}, not of {run}")
    accepted = np.frombuffer(document.accepted, dtype=np.uint8)
    arrivals = np.frombuffer(document.arrivals or document.accepted, dtype=np.uint8)
    if len(document.first_s) % 8:
        raise ValueError("first_s is not of whole 8-byte numbers")
    first_s = np.frombuffer(document.first_s, dtype="<f8") if document.first_s else None
    for name, array in (("arrivals", arrivals), ("first_s", first_s)):
        if array is not None and len(array) != len(accepted):
            raise ValueError(f"it has {len(accepted):,} counts in accepted, and {len(array):,} in {name}")
    if first_s is not None and not np.isfinite(first_s).all():
        raise ValueError("first_s holds what is no time")
    return Books(document.of, arrivals, accepted, first_s, document.incomplete)

"""Timestamps as schemes write them: integers since 1970 in seconds or milliseconds, and RFC 3339.

Only the plain form is accepted: no floats, signs or leading zeros, and never a time without a zone.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal

from loadsim.model import NS_PER_MS, NS_PER_S

Unit = Literal["s", "ms", "rfc3339"]
TICK_NS: dict[Unit, int] = {"s": NS_PER_S, "ms": NS_PER_MS, "rfc3339": NS_PER_MS}

LONGEST_INTEGER = 15
_INTEGER = re.compile(rf"0|[1-9][0-9]{{0,{LONGEST_INTEGER - 1}}}")
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
PLAIN: dict[Unit, re.Pattern[str]] = {"s": _INTEGER, "ms": _INTEGER, "rfc3339": _RFC3339}
"""The plain form of each unit: ASCII only, of limited length, and with one spelling for each integer."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def write_tick(unit: Unit, tick: int) -> bytes:
    """The text of `tick`, the number of TICK_NS since 1970, as the scheme writes it."""
    if unit != "rfc3339":
        return b"%d" % tick
    seconds, ms = divmod(tick, 1000)
    return (_EPOCH + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").encode() + b".%03dZ" % ms


def unix_s(text: str, unit: Unit) -> float | None:
    """Seconds since 1970 of a timestamp's text in `unit`; None when it is not in the plain form or not a valid date."""
    if PLAIN[unit].fullmatch(text) is None:
        return None
    if unit != "rfc3339":
        return int(text) * TICK_NS[unit] / NS_PER_S
    try:
        return (dt.datetime.fromisoformat(text) - _EPOCH).total_seconds()
    except ValueError:
        return None


class TimestampReader:
    """Reads timestamps. Threads may share it."""

    __slots__ = ("_integer", "_prefix", "_size", "_ticks_per_s", "_unit")

    def __init__(self, unit: Unit, prefix: str = "") -> None:
        """`prefix` stands before the timestamp in the text, as in `t=1700000000`."""
        self._unit: Unit = unit
        self._prefix, self._size = prefix, len(prefix)
        self._integer = unit != "rfc3339"
        self._ticks_per_s = NS_PER_S // TICK_NS[unit]

    def read(self, text: str) -> tuple[bytes, float] | None:
        """The text without its prefix, and seconds since 1970; None when it is not in the plain form or not a valid
        date.
        """
        bare = text
        if self._prefix:
            if not text.startswith(self._prefix):
                return None
            bare = text[self._size :]
        # Equal to PLAIN, but faster; a leading zero takes the slow way. isdigit alone accepts digits of other scripts.
        if self._integer and bare.isdigit() and bare.isascii() and bare >= "1" and len(bare) <= LONGEST_INTEGER:
            signed_s = int(bare) / self._ticks_per_s
        else:
            found = unix_s(bare, self._unit)
            if found is None:
                return None
            signed_s = found
        return bare.encode("ascii"), signed_s

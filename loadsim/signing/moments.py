"""The texts that schemes use for an instant: integers since 1970 in seconds or milliseconds, and RFC 3339.

Decides which spellings are plain enough to be accepted: a float, a sign, a leading zero or a missing zone is none.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal

from loadsim.model import NS_PER_MS, NS_PER_S

Unit = Literal["s", "ms", "rfc3339"]
TICK_NS: dict[Unit, int] = {"s": NS_PER_S, "ms": NS_PER_MS, "rfc3339": NS_PER_MS}

_RFC3339 = re.compile(
    rb"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def write_tick(unit: Unit, tick: int) -> bytes:
    """`tick` (a number of TICK_NS since 1970) as the scheme writes it."""
    if unit != "rfc3339":
        return b"%d" % tick
    seconds, ms = divmod(tick, 1000)
    return (_EPOCH + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").encode() + b".%03dZ" % ms


def rfc3339_s(text: bytes) -> float | None:
    """Seconds since 1970 of an RFC 3339 instant with upper-case T and Z; None where the text is not one."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    try:
        moment = dt.datetime.fromisoformat((match[1] + (b"+00:00" if match[3] == b"Z" else match[3])).decode())
        return (moment - _EPOCH).total_seconds() + float(b"0." + (match[2] or b"0"))
    except (ValueError, OverflowError):
        return None


def unix_s(text: bytes, unit: Unit) -> float | None:
    """Seconds since 1970 of a timestamp's text in `unit`; None where it is not in the plain form."""
    if unit == "rfc3339":
        return rfc3339_s(text)
    if not text.isdigit() or len(text) > 15 or (text[0] == 0x30 and len(text) > 1):
        return None
    return int(text) * TICK_NS[unit] / NS_PER_S

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

LONGEST_INTEGER = 15
_INTEGER = re.compile(rf"0|[1-9][0-9]{{0,{LONGEST_INTEGER - 1}}}")
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
PLAIN: dict[Unit, re.Pattern[str]] = {"s": _INTEGER, "ms": _INTEGER, "rfc3339": _RFC3339}
"""What a timestamp must match in full; ASCII only, of bounded length, and without a second spelling of an integer."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def write_tick(unit: Unit, tick: int) -> bytes:
    """`tick` (a number of TICK_NS since 1970) as the scheme writes it."""
    if unit != "rfc3339":
        return b"%d" % tick
    seconds, ms = divmod(tick, 1000)
    return (_EPOCH + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").encode() + b".%03dZ" % ms


def unix_s(text: str, unit: Unit) -> float | None:
    """Seconds since 1970 of a timestamp's text in `unit`; None where it is not in the plain form, or no date."""
    match = PLAIN[unit].fullmatch(text)
    if match is None:
        return None
    if unit != "rfc3339":
        return int(text) * TICK_NS[unit] / NS_PER_S
    try:
        moment = dt.datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment - _EPOCH).total_seconds() + float(f"0.{match[2] or 0}")

"""Parses the values of shared options: times and headers."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from loadsim.model import NS_PER_S, UsageError

if TYPE_CHECKING:
    from loadsim.plan import Headers, Target

LATEST_S = 253_402_300_799
"""The last second of the year 9999, the last that an ISO 8601 date in a body can name."""


def parse_epoch(text: str, option: str = "--epoch") -> int:
    """Unix seconds (decimals allowed) or ISO 8601 (UTC by default), as ns since 1970; or UsageError."""
    seconds = (
        Decimal(text) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text, re.ASCII) else _iso_seconds(text, option)
    )
    if not 0 <= seconds <= LATEST_S:
        raise UsageError(f"{option} {text}: must lie between the years 1970 and 9999")
    return int(seconds * NS_PER_S)


def _iso_seconds(text: str, option: str) -> Decimal:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: write unix seconds or ISO 8601, such as 2026-05-04T09:10:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return Decimal(since // dt.timedelta(microseconds=1)) / 1_000_000


def parse_headers(texts: Iterable[str]) -> Headers:
    """`Name: value` texts as a mapping by name, in the spelling of the first. Raises UsageError, which never repeats
    a value."""
    headers: dict[str, tuple[str, list[str]]] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise UsageError("-H: a header is written 'Name: value'")
        headers.setdefault(name.strip().lower(), (name.strip(), []))[1].append(value.strip())
    return {name: values[0] if len(values) == 1 else tuple(values) for name, values in headers.values()}


def types_of(target: Target) -> tuple[str, ...]:
    """The event types for a target by default: those of its scheme's provider."""
    from loadsim.events import default_types
    from loadsim.signing import family, scheme

    return default_types(family(scheme(target.scheme, target.custom)))


def http_version(http: str | None, http2: bool) -> str | None:
    """The version that `--http` and `--http2` ask for; None for none. Raises UsageError where they differ."""
    if http2 and http not in (None, "2"):
        raise UsageError(f"--http2 is --http 2, and --http {http} is given too: keep one of them")
    return "2" if http2 else http

"""What every source of effects gives at a look, and the one for a scenario's `[effects]`."""

from __future__ import annotations

import contextlib
import datetime
import decimal
from typing import NamedTuple, Protocol

import msgspec
import numpy as np

from loadsim.measure.hdr import Ints
from loadsim.model import NS_PER_S, LoadsimError

MOST_ROWS = 1000
"""Rows of one reading."""
MOST_COUNT = 1 << 31


class GapError(LoadsimError):
    """A look at a source failed; the next one may not. One line."""


class Reading(NamedTuple):
    """What one reading gave: effects that were not given before."""

    ids: list[bytes]
    at_ns: Ints
    """By the source's clock, ns since 1970; 0 where it does not say."""
    times: Ints
    told_ns: int | None
    """Its time at the reading; None where it does not say."""
    backlog: int | None
    """As the endpoint says it."""
    more: bool
    """Further rows are waiting already."""


class Source(Protocol):
    """A place where effects can be read, one after the other, each once."""

    place: str
    """Which URL, database or file, without credentials."""

    async def read(self) -> Reading:
        """The effects since the last reading, at most MOST_ROWS. Raises GapError where there is no answer."""

    async def close(self) -> None:
        """Let go of connections and files."""


def instant_ns(value: object, where: str) -> int:
    """A time as a source writes it, ns since 1970: seconds as a number, or RFC 3339. Raises GapError, naming `where`
    it stood, for anything else."""
    if isinstance(value, datetime.datetime):
        return round_ns(value)
    if isinstance(value, str):
        try:
            return round_ns(datetime.datetime.fromisoformat(value))
        except ValueError:
            pass
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, decimal.Decimal):  # as PostgreSQL's extract(epoch FROM …)
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise GapError(f"{where}: {str(value)[:40]!r} is no time: seconds since 1970, or RFC 3339")
    return round(value * NS_PER_S)


def round_ns(moment: datetime.datetime) -> int:
    """A moment as ns since 1970; one without a time zone is UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)
    since = aware - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (since.days * 86400 + since.seconds) * NS_PER_S + since.microseconds * 1000


def count_of(value: object, where: str) -> int:
    """A count as a source writes it. Raises GapError, naming `where` it stood, for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_COUNT:
        raise GapError(f"{where}: {str(value)[:40]!r} is no count: a whole number from 0 to {MOST_COUNT:,}")
    return value


class Effect(msgspec.Struct):
    """One effect as JSON writes it: in a page over HTTP, or as a line of a file."""

    id: str
    at: float | str | None = None
    count: int = 1

    def row(self) -> tuple[bytes, int, int]:
        """Its id, its instant (0: not said) and how often. Raises GapError."""
        at_ns = 0 if self.at is None else instant_ns(self.at, "at")
        return self.id.encode(), at_ns, count_of(self.count, "count")


def columns(rows: list[tuple[bytes, int, int]]) -> tuple[list[bytes], Ints, Ints]:
    """The ids, instants and counts of rows, those that count."""
    rows = [row for row in rows if row[2]]
    ids = [row[0] for row in rows]
    numbers = np.array([row[1:] for row in rows], dtype=np.int64).reshape(-1, 2)
    return ids, numbers[:, 0], numbers[:, 1]

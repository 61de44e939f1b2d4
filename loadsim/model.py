"""Types that several packages share: exceptions, secrets, requests, recorded events, objectives.

Only data and its validation: no clock, no socket, no file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

from loadsim.exit_codes import Exit

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000
US_PER_MS = 1_000
MS_PER_S = 1_000


class LoadsimError(Exception):
    """A failure that is explained to the user in one line. `exit_code` is what the command ends with."""

    exit_code: int = Exit.error


class UsageError(LoadsimError):
    """The command, the scenario or a setting is wrong. The text names the place and the reason."""

    exit_code = Exit.usage


class UnreachableError(LoadsimError):
    """The endpoint could not be reached at all (refused, DNS, TLS, timeout)."""

    exit_code = Exit.error


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 event`, `2,000 events`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def own_fault(error: Exception) -> str:
    """An unexpected exception as one line; a LoadsimError has its line already."""
    if isinstance(error, LoadsimError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}{'' if error.filename is None else f': {error.filename}'}"
    return f"internal error of loadsim: {type(error).__name__}: {' '.join(str(error).split())}"


def case_kind(name: str) -> str:
    """The kind of a case, given the name of the case or of a part of it: `documentation_key` of
    `documentation_key.github`."""
    return name.partition(".")[0]


class Secret:
    """A signing secret. Its value never shows in `repr`, `str`, tracebacks of ours, or results.

    Raises UsageError when empty: an empty key lets anyone sign.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not value:
            raise UsageError("the signing secret is empty: an empty key would let anyone sign")
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the code that signs or verifies."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class SignedRequest(NamedTuple):
    """The bytes that are sent for one event, except the request line and the connection's own headers.

    `headers` is zero or more complete header lines, each ending in CRLF (content type and signature headers);
    `body` is the exact bytes that were signed.
    """

    headers: bytes
    body: bytes

    def header_pairs(self) -> list[tuple[str, str]]:
        """The header lines as (name, value), in order. For the slow paths: panels and aiohttp."""
        pairs = []
        for line in self.headers.decode("utf-8", "surrogateescape").split("\r\n"):
            if line:
                name, _, value = line.partition(":")
                pairs.append((name, value.strip()))
        return pairs


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One row of a capture. `at_ns` is in ns since 1970. Without a body: an event is made for it."""

    body: bytes | None
    type: str | None = None
    at_ns: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


LARGEST_CAPTURE = 64_000_000
"""Greatest size of a capture in bytes: it is sent to every generator process and kept in memory there."""


@dataclass(frozen=True, slots=True)
class Capture:
    """The rows of one capture, and their event types: `names`, of which row *i* has number `numbers[i]`."""

    rows: tuple[RecordedEvent, ...]
    names: tuple[str, ...]
    numbers: tuple[int, ...] = ()
    """Empty where there is one type."""

    def digest(self) -> str:
        """A hash of all rows in hex: whether a file is still the one of a run."""
        found = hashlib.blake2b(digest_size=16)
        for row in self.rows:
            parts = (row.body or b"", repr((row.body is None, row.type, row.at_ns, row.headers)).encode())
            for part in parts:
                found.update(len(part).to_bytes(8, "big") + part)
        return found.hexdigest()

    def rows_of(self, number: int) -> tuple[RecordedEvent, ...]:
        """The rows of one type."""
        if not self.numbers:
            return self.rows
        return tuple(row for row, own in zip(self.rows, self.numbers, strict=True) if own == number)


@dataclass(frozen=True, slots=True)
class Objective:
    """One parsed objective: `metric{tags}: aggregation op value`, in canonical units.

    `value` is milliseconds for trends, a fraction (0..1) for rates, a count for counters, events/s for counter rates.
    """

    text: str
    metric: str
    aggregation: str
    op: str
    value: float
    tags: tuple[tuple[str, str], ...] = ()
    default: bool = False
    translated: str | None = None
    """How the text was read, when a foreign name (k6's) was used."""
    window_ns: int | None = None
    """Must hold in every complete window of this length; None: over the whole run."""
    abort: bool = False
    """End the run as soon as it is certain that this will not hold."""


JsonValue = Any
"""A value as JSON carries it: None, bool, int, float, str, list or dict."""

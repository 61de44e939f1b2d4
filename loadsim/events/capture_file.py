"""Recorded bodies: read from a capture and sent unchanged, repeatedly, in the recorded order.

A `.ndjson` or `.jsonl` file has one JSON object per line: `body` (text) or `body_base64`, and optionally `type`, `at`
(unix seconds or ISO 8601) and `headers`. A row with `at` and without a body only says when an event is due. Any other
file is one body. The caller reads the file.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from loadsim.events.capture_row import is_type
from loadsim.events.seeding import identifier
from loadsim.model import LARGEST_CAPTURE, NS_PER_S, RecordedEvent, UsageError

LINES = (".ndjson", ".jsonl")
_KEYS = ("body", "body_base64", "type", "at", "headers")
_LATEST_S = 253_402_300_799
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,](\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_HOP_HEADER = re.compile(
    r"host|connection|keep-alive|te|trailer|upgrade|expect|via|forwarded|user-agent|accept(-encoding)?|content-length"
    r"|transfer-encoding|proxy-.*|x-forwarded-.*|x-real-ip",
    re.IGNORECASE,
)
"""Headers that belong to the connection or to proxies, not to the request itself."""


def belongs_to_connection(name: str) -> bool:
    """Whether a header belongs to the connection or to a proxy, so that no row has it."""
    return _HOP_HEADER.fullmatch(name) is not None


class RecordedSource:
    """The events of one capture, or those of one type: event *i* is row *i* modulo their number. It has the interface
    of `EventSource`."""

    def __init__(
        self,
        type: str,  # noqa: A002
        seed: int,
        events: Sequence[RecordedEvent],
        own: Sequence[RecordedEvent] | None = None,
    ) -> None:
        """`events`: the rows as `read_recorded` returns them, at least one; `own`: those that are asked for (default:
        all). `type` is the type of rows without one."""
        self.type = self.topic = type
        self.content_type = "application/json"
        self.events = tuple(events)
        self.own = self.events if own is None else tuple(own)
        self._prefix = identifier(seed, type)[:-12]

    def event_id(self, index: int) -> str:
        """The id of event `index`, in the form of a UUID; different for every event, also when the body is sent
        again."""
        return f"{self._prefix}{index:012x}"

    def body(self, index: int, now_ns: int) -> bytes:  # noqa: ARG002 - recorded bodies know their own time
        """The recorded bytes."""
        return self.event(index).body or b""

    @property
    def indexes(self) -> Iterator[int]:
        """The indexes of `own`: events that show whether all can be signed."""
        mine = {id(event) for event in self.own}
        return (index for index, event in enumerate(self.events) if id(event) in mine)

    def event(self, index: int) -> RecordedEvent:
        """The row of event `index`."""
        return self.events[index % len(self.events)]


def read_recorded(data: bytes, source: str) -> tuple[RecordedEvent, ...]:
    """The rows of a capture. `source` is its file's name. Raises UsageError naming the line and the reason."""
    if len(data) > LARGEST_CAPTURE:
        raise UsageError(f"{source}: at most {LARGEST_CAPTURE // 10**6} MB of recorded bodies fit: cut the capture")
    if not source.lower().endswith(LINES):
        return (RecordedEvent(data),)
    rows = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            try:
                rows.append(_row(line))
            except ValueError as error:
                raise UsageError(f"{source}: line {number}: {error}") from None
    if not rows:
        raise UsageError(f"{source}: no recorded body in it: one JSON object a line, with body or body_base64")
    return tuple(rows)


def by_time(events: Sequence[RecordedEvent], source: str) -> tuple[RecordedEvent, ...]:
    """The rows in the order of their times: several processes that write one capture mix theirs. Raises UsageError
    when a row has no time."""
    for number, event in enumerate(events, 1):
        if event.at_ns is None:
            raise UsageError(f'{source}: row {number} has no "at": arrivals = "recorded" needs the time of every row')
    return tuple(sorted(events, key=lambda event: event.at_ns or 0))


def recorded_pace(events: Sequence[RecordedEvent], source: str) -> tuple[int, ...]:
    """When each row was recorded, in ns since the first; `events` as `by_time` returns them. Raises UsageError."""
    pace = [event.at_ns or 0 for event in events]
    if len(pace) < 2 or pace[0] == pace[-1]:
        raise UsageError(f'{source}: arrivals = "recorded" needs at least two rows at different times')
    return tuple(at - pace[0] for at in pace)


def _row(line: bytes) -> RecordedEvent:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise ValueError("must be a JSON object")
    unknown = [key for key in row if key not in _KEYS]
    if unknown:
        raise ValueError(f'unknown key "{unknown[0]}"; known: {", ".join(_KEYS)}')
    kind = row.get("type")
    if kind is not None and (not isinstance(kind, str) or not is_type(kind)):
        raise ValueError("type must be a text without braces, commas and control characters")
    return RecordedEvent(_body(row), kind, _at(row.get("at")), _headers(row.get("headers") or {}))


def _body(row: Mapping[str, Any]) -> bytes | None:
    if "body" not in row and "body_base64" not in row and row.get("at") is not None:
        if row.get("headers"):
            raise ValueError("headers go with a body only")
        return None
    if ("body" in row) == ("body_base64" in row):
        raise ValueError("needs either body (text) or body_base64, or at alone for its time")
    text = row.get("body", row.get("body_base64"))
    if not isinstance(text, str):
        raise ValueError(
            "body must be a string, exactly as it was received; a parsed body cannot be sent byte for byte"
        )
    if "body" in row:
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("body_base64 is not base64") from None


def _at(value: object) -> int | None:
    """Unix seconds or ISO 8601 (UTC unless it says otherwise) as ns since 1970."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST_S:
        return int(value * NS_PER_S) if isinstance(value, int) else round(value * 1e6) * 1000
    match = _ISO.fullmatch(value) if isinstance(value, str) else None
    if match is not None and isinstance(value, str):
        try:
            time = dt.datetime.fromisoformat(value[:19] + (match[2] or "Z").replace("Z", "+00:00"))
        except ValueError:
            match = None
        else:
            return int(time.timestamp()) * NS_PER_S + int((match[1] or "0").ljust(9, "0"))
    raise ValueError("at must be unix seconds or ISO 8601, such as 2026-05-04T09:10:00.123Z")


def _headers(table: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(table, dict):
        raise ValueError("headers must be an object of names and texts")
    kept = []
    for name, value in table.items():
        if not isinstance(value, str) or _TOKEN.fullmatch(name) is None or not _is_value(value):
            raise ValueError(f"the header {name!r} is not a header's name with a text of one line")
        if not belongs_to_connection(name):
            kept.append((name, value))
    return tuple(kept)


def _is_value(value: str) -> bool:
    return all(char == "\t" or (char >= " " and char != "\x7f") for char in value)

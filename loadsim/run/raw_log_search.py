"""Finds the deliveries of one event in a raw log, without reading the whole file where that can be avoided.

Lines are in the order in which shards reported what ended, so that indexes rise, but not strictly: the place of an
event is bisected, and looked for around there, further and further away.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from loadsim.model import UsageError

_FIRST_LOOK = 1 << 22
"""Bytes on each side of the bisected place that are looked through first; then twice as many, and so on."""
_SEQ = re.compile(rb'"seq":(\d+),')


def deliveries_of(path: Path, index: int, copies: int = 1) -> list[dict[str, Any]]:
    """The lines of an event by attempt: its deliveries, and its outcome. Empty where the log has none of it.

    `copies`: how many identical deliveries it has. Raises UsageError, in one line, where the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            if not file.seek(0, 2):
                return []
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
                found = _found(log, index, copies)
        return sorted(found, key=lambda row: (row["attempt"], row["copy"], row["done_ns"]))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise UsageError(f"{path}: a line of event {index} is not one of a raw log") from None


def _found(log: mmap.mmap, index: int, copies: int) -> list[dict[str, Any]]:
    wanted = b'"seq":%d,' % index
    rows: list[dict[str, Any]] = []
    for start, end in _stretches(len(log), _place(log, index)):
        rows += map(orjson.loads, _lines(log, wanted, start, end))
        if _whole(rows, copies):
            break
    return rows


def _place(log: mmap.mmap, index: int) -> int:
    """Where the event would be, were the indexes in order."""
    low, high = 0, len(log)
    while high - low > 1024:
        middle = (low + high) // 2
        at = _SEQ.search(log, log.find(b"\n", middle, high) + 1 or high, high)
        if at is None or int(at[1]) >= index:
            high = middle
        else:
            low = middle
    return low


def _stretches(size: int, place: int) -> Iterator[tuple[int, int]]:
    """Stretches that together are the whole file, those near `place` first."""
    low = high = place
    step = _FIRST_LOOK
    while low > 0 or high < size:
        yield high, min(size, high + step)
        yield max(0, low - step), low
        low, high, step = max(0, low - step), min(size, high + step), 2 * step


def _lines(log: mmap.mmap, wanted: bytes, start: int, end: int) -> Iterator[bytes]:
    """The lines that have the wanted text, if it begins within the stretch."""
    at = start
    while (at := log.find(wanted, at, min(len(log), end + len(wanted) - 1))) >= 0:
        line_start = log.rfind(b"\n", 0, at) + 1
        line_end = log.find(b"\n", at)
        yield log[line_start : len(log) if line_end < 0 else line_end]
        at += len(wanted)


def _whole(rows: list[dict[str, Any]], copies: int) -> bool:
    """Whether the outcome is there, and all deliveries beside it."""
    last = max((row["attempt"] for row in rows if row["outcome"]), default=None)
    attempts, numbers = ({row[key] for row in rows} for key in ("attempt", "copy"))
    return last is not None and len(numbers) >= copies and attempts.issuperset(range(1, last + 1))

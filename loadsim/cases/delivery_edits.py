"""Edits the bytes of a delivery: header lines are found, replaced or cut, bodies are changed, respaced or padded.

`key_cases.py`, `header_cases.py` and `body_cases.py` say which case uses which edit.
"""

from __future__ import annotations

import json

_END = b"\r\n"


class HeaderLine:
    """One header among complete lines that each end in CRLF, found by its exact name."""

    __slots__ = ("_start",)

    def __init__(self, name: str) -> None:
        self._start = _END + name.encode("latin-1") + b": "

    def value(self, lines: bytes) -> bytes:
        """The value of the header. Raises ValueError when the header is missing."""
        start, end = self._span(lines)
        return lines[start:end]

    def replaced(self, lines: bytes, value: bytes) -> bytes:
        """The lines with another value for the header."""
        start, end = self._span(lines)
        return lines[:start] + value + lines[end:]

    def cut(self, lines: bytes) -> bytes:
        """The lines without the header."""
        start, end = self._span(lines)
        return lines[: start - len(self._start) + len(_END)] + lines[end + len(_END) :]

    def cut_if_there(self, lines: bytes) -> bytes:
        """As `cut`; the lines unchanged when the header is missing."""
        return self.cut(lines) if self._start in _END + lines else lines

    def _span(self, lines: bytes) -> tuple[int, int]:
        # A line end is put before the first line for the search, so that whole names match.
        start = (_END + lines).index(self._start) + len(self._start) - len(_END)
        return start, lines.index(_END, start)


def with_another_digit(body: bytes) -> bytes:
    """The body with its last decimal digit changed, so JSON stays valid and of equal length. Without a digit: one space
    more."""
    for place in range(len(body) - 1, -1, -1):
        if 0x30 <= body[place] <= 0x39:
            other = 0x30 + (body[place] - 0x30 + 1) % 10
            return body[:place] + bytes((other,)) + body[place + 1 :]
    return body + b" "


def respaced(body: bytes) -> bytes:
    """The same JSON in other bytes, as after serialising it again; one newline more when that changes nothing."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body + b"\n"
    spaced, compact = json.dumps(document).encode(), json.dumps(document, separators=(",", ":")).encode()
    return next((text for text in (spaced, compact) if text != body), body + b"\n")


def padded(body: bytes, size: int) -> bytes:
    """The body made `size` bytes long with blanks, which JSON allows at its end."""
    return body.ljust(size)

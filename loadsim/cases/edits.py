"""Changes to the bytes of a delivery: its header lines and its body.

Decides how a line is found, replaced or cut, and how a body is changed, re-spaced and padded. Refuses to know why: what
a change makes of a delivery is `kinds.py`.
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
        """The value of the header. Raises ValueError when it is not there."""
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

    def _span(self, lines: bytes) -> tuple[int, int]:
        # The first line has no line end before it: one is put there for the search, so that names match in full.
        start = (_END + lines).index(self._start) + len(self._start) - len(_END)
        return start, lines.index(_END, start)


def with_another_digit(body: bytes) -> bytes:
    """The body with its last decimal digit changed: JSON stays JSON of the same length. Without one, a space more."""
    for place in range(len(body) - 1, -1, -1):
        if 0x30 <= body[place] <= 0x39:
            other = 0x30 + (body[place] - 0x30 + 1) % 10
            return body[:place] + bytes((other,)) + body[place + 1 :]
    return body + b" "


def respaced(body: bytes) -> bytes:
    """The same JSON in other bytes, as a re-serialising relay leaves it; a newline more where that changes nothing."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body + b"\n"
    spaced, compact = json.dumps(document).encode(), json.dumps(document, separators=(",", ":")).encode()
    return next((text for text in (spaced, compact) if text != body), body + b"\n")


def padded(body: bytes, size: int) -> bytes:
    """The body made `size` bytes long with blanks, which JSON allows at its end."""
    return body.ljust(size)

"""Standard output and standard error, guarded so that no text controls a terminal or a CI runner.

The guard is in the streams themselves, so that it holds for every message, report, log line and traceback. The rules
for safe text are in `foreign_text`.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import BinaryIO, TextIO

from loadsim.foreign_text import beginning, harmless, shown


class Guarded(io.BufferedIOBase):
    """Writes text to the stream `under` after making it harmless, also where a command comes in several pieces."""

    def __init__(self, under: BinaryIO, *, utf8: bool) -> None:
        self._under = under
        self._utf8 = utf8
        self._line = b""

    def write(self, data: object) -> int:
        """Write all of the data; returns its length."""
        given = bytes(data)  # type: ignore[call-overload]  # any buffer
        safe = shown(given, escapes=self.isatty()) if self._utf8 else given
        safe = harmless(safe, self._line)
        self._under.write(safe)
        ends = max(safe.rfind(b"\n"), safe.rfind(b"\r")) + 1
        self._line = beginning(safe[ends:] if ends else self._line + safe)
        return len(given)

    def write_exact(self, data: bytes) -> None:
        """Write trusted bytes, made by us or by the user, unchanged."""
        self._under.write(data)
        self._line = b"" if data.endswith(b"\n") else b"x"

    def writable(self) -> bool:
        """Always True."""
        return True

    def isatty(self) -> bool:
        """As the stream below it."""
        return self._under.isatty()

    def fileno(self) -> int:
        """As the stream below it."""
        return self._under.fileno()

    def flush(self) -> None:
        """Flush the stream below it."""
        if not self._under.closed:
            self._under.flush()

    def close(self) -> None:
        """Flush only: the stream below it belongs to the process and stays open."""
        self.flush()


@contextlib.contextmanager
def guarded_output() -> Iterator[None]:
    """Context in which both standard streams are guarded."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = guards = _guarded(sys.stdout), _guarded(sys.stderr)
    try:
        yield
    finally:
        for stream in guards:
            if stream is not None and not stream.closed:
                with contextlib.suppress(OSError):  # the pipe is closed
                    stream.flush()
        # Where a pipe was closed, click has replaced the stream by one that ignores this.
        sys.stdout = before[0] if sys.stdout is guards[0] else sys.stdout
        sys.stderr = before[1] if sys.stderr is guards[1] else sys.stderr


def _guarded(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # there is no stream, or one of text only
    utf8 = stream.encoding.lower().replace("_", "-") in {"utf-8", "utf8"}
    return io.TextIOWrapper(
        Guarded(stream.buffer, utf8=utf8),  # type: ignore[type-var]
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )

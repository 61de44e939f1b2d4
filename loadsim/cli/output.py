"""Standard output and standard error of the commands: nothing that is printed steers a CI runner or a terminal.

Decides that this holds for every command, message, report, log line and traceback alike, since all of them end up in
these two streams. What is safe to print is `foreign`'s business.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

import click

from loadsim.cli.streams import OutputError, writing
from loadsim.foreign import beginning, harmless, shown
from loadsim.report.figures import printable


class Guarded(io.BufferedIOBase):
    """Writes what it is given to `under`, made harmless. A command that comes in several pieces is broken as well."""

    def __init__(self, under: BinaryIO, *, utf8: bool) -> None:
        self._under = under
        self._utf8 = utf8
        self._line = b""

    def write(self, data: object) -> int:
        """Write all of it; how much it was."""
        given = bytes(data)  # type: ignore[call-overload]  # whatever has bytes
        safe = shown(given, escapes=self.isatty()) if self._utf8 else given
        safe = harmless(safe, self._line)
        self._under.write(safe)
        ends = max(safe.rfind(b"\n"), safe.rfind(b"\r")) + 1
        self._line = beginning(safe[ends:] if ends else self._line + safe)
        return len(given)

    def write_exact(self, data: bytes) -> None:
        """Write bytes that must stay as they are, and that nobody but us or the user made."""
        self._under.write(data)
        self._line = b"" if data.endswith(b"\n") else b"x"

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """As the stream below."""
        return self._under.isatty()

    def fileno(self) -> int:
        """As the stream below."""
        return self._under.fileno()

    def flush(self) -> None:
        """Pass on what the stream below holds."""
        if not self._under.closed:
            self._under.flush()

    def close(self) -> None:
        """The stream below stays open: it is the process's own."""
        self.flush()


@contextlib.contextmanager
def guarded_output() -> Iterator[None]:
    """Both standard streams are guarded while this lasts, for whoever prints."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = guards = _guarded(sys.stdout), _guarded(sys.stderr)
    try:
        yield
    finally:
        for stream in guards:
            if stream is not None and not stream.closed:
                with contextlib.suppress(OSError):  # nobody reads any more
                    stream.flush()
        # Where nobody reads any more, click has put something in their place that is silent about it.
        sys.stdout = before[0] if sys.stdout is guards[0] else sys.stdout
        sys.stderr = before[1] if sys.stderr is guards[1] else sys.stderr


def _guarded(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # there is none, or one without bytes below it
    utf8 = stream.encoding.lower().replace("_", "-") in {"utf-8", "utf8"}
    return io.TextIOWrapper(
        Guarded(stream.buffer, utf8=utf8),  # type: ignore[type-var]
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def say(text: str) -> None:
    """A message of ours in one line on standard error. It may quote anybody: control characters are shown."""
    write_line(f"loadsim: {text}")


def write_line(text: str) -> None:
    """The same without our name before it. It may have no reader any more, or no room: what goes on goes on without."""
    with contextlib.suppress(OSError):
        click.echo(printable(text), err=True)


def write_command(line: str) -> None:
    """A workflow command of our own, on standard error."""
    with contextlib.suppress(OSError):
        _write_exact(sys.stderr, f"{line}\n".encode())


def write_exact(data: bytes) -> None:
    """Bytes on standard output that must stay as they are: those of an event of our own making. Raises OutputError."""
    with writing():
        _write_exact(sys.stdout, data)


def put(data: str | bytes, *, colour: bool | None = None) -> None:
    """What a command was asked for, on standard output. Raises OutputError where that takes nothing."""
    with writing():
        click.echo(data, nl=False, color=colour)


def put_line(text: str = "") -> None:
    """A line on standard output, as `put`."""
    put(f"{text}\n")


@contextlib.contextmanager
def report_of(kept: Path | None = None) -> Iterator[None]:
    """Show a report beside a verdict, which stands where stdout takes nothing: that is said, and where it is kept."""
    try:
        yield
    except OutputError as error:
        say(str(error) if kept is None else f"{error}; the report is in {kept}/")


def write_document(data: bytes, form: str) -> None:
    """A report in one of its forms, on standard output. A page is harmless as it is, and has a library in it."""
    if form == "html":
        write_exact(data)
    else:
        put(data)


def _write_exact(stream: TextIO, data: bytes) -> None:
    stream.flush()
    below = stream.buffer
    if isinstance(below, Guarded):
        below.write_exact(data)
    else:
        below.write(data)
    stream.flush()

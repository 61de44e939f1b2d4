"""Standard output and standard error of the commands, guarded so that no text controls a terminal or a CI runner.

The guard is in the streams themselves, so that it holds for every message, report, log line and traceback. The rules
for safe text are in `foreign_text`.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import click

from loadsim.cli.streams import OutputError, writing
from loadsim.foreign_text import beginning, harmless, shown
from loadsim.report.numbers import printable


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


def say(text: str) -> None:
    """Print a message in one line on standard error. Control characters in it are shown as escapes."""
    write_line(f"loadsim: {text}")


def write_line(text: str) -> None:
    """Print a line on standard error, without `loadsim: `. Errors of the stream are ignored."""
    with contextlib.suppress(OSError):
        click.echo(printable(text), err=True)


def write_command(line: str) -> None:
    """Print a workflow command of our own on standard error."""
    with contextlib.suppress(OSError):
        _write_exact(sys.stderr, f"{line}\n".encode())


def write_exact(data: bytes) -> None:
    """Write bytes unchanged on standard output, such as the body of an event that we made. Raises OutputError."""
    with writing():
        _write_exact(sys.stdout, data)


def put(data: str | bytes, *, colour: bool | None = None) -> None:
    """Print the output of a command on standard output. Raises OutputError where that cannot be written."""
    with writing():
        click.echo(data, nl=False, color=colour)


def put_line(text: str = "") -> None:
    """Print a line on standard output, as `put` does."""
    put(f"{text}\n")


def json_option(*schemas: str, instead_of: str = "the report") -> Callable[[Any], Any]:
    """`--json`, the same in every command: one document of one of these schemas is all that stdout then holds."""
    named = " or ".join(schemas)
    return click.option(
        "--json", "as_json", is_flag=True, help=f"Print one JSON document ({named}) instead of {instead_of}."
    )


def put_json(document: object) -> None:
    """Print a document for programs on standard output: indented JSON, one newline at its end. Raises OutputError."""
    from loadsim.measure.stored_json import stored_json

    put(stored_json(document))


def indented(data: bytes) -> bytes:
    """JSON with line breaks, its values unchanged; any other text as it is."""
    import msgspec

    try:
        return msgspec.json.format(data, indent=2)
    except msgspec.DecodeError:
        return data


@contextlib.contextmanager
def report_of(saved: Path | None = None) -> Iterator[None]:
    """Context for printing a report. An error of stdout is a message that names the directory with the report.

    The exit code stays that of the verdict.
    """
    try:
        yield
    except OutputError as error:
        say(str(error) if saved is None else f"{error}; the report is in {saved}/")


def write_document(data: bytes, form: str) -> None:
    """Print a report on standard output. A page is written unchanged: it is safe, and contains a script library."""
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

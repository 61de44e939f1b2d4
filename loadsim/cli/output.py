"""What the commands print on standard output, and how an error of it is met."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import click

from loadsim.cli.guarded_streams import Guarded
from loadsim.cli.streams import OutputError, say, writing


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

"""Makes standard output and standard error safe to write to, with any encoding, a full disk or a closed pipe; and
messages to the user, on standard error.

Characters that the encoding lacks are replaced. An error of standard output becomes one line.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from loadsim.model import LoadsimError
from loadsim.report.numbers import printable

_REPLACEMENTS = {
    "✓": "+",
    "✗": "x",
    "≥": ">=",
    "≤": "<=",
    "≈": "~",
    "→": "->",
    "…": "...",
    "·": "-",
    "×": "x",
    "±": "+/-",
    "–": "-",
    "—": "-",
    "−": "-",
    "σ": "s",
    "µ": "u",
    "μ": "u",
    "•": "*",
    "▸": ">",
    "▫": "o",
    "│": "|",
    "─": "-",
    "✅": "+",
    "❌": "x",
    "⚠": "!",
    "\ufe0f": "",
    "░": ".",
    **dict.fromkeys("▁▂▃▄▅▆▇█▉▊▋▌▍▎▏", "#"),
}
"""Replacements for characters that an encoding lacks; other characters become an escape."""
_ERRORS = "loadsim.instead"


class OutputError(LoadsimError):
    """Standard output cannot be written any more."""


def prepare() -> None:
    """Make both streams usable, whatever their encoding, and also if the caller closed them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets this number, the lowest free one, so that no later file does
    sys.stdout = sys.stdout or _stream(1)
    sys.stderr = sys.stderr or _stream(2)
    codecs.register_error(_ERRORS, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # the descriptor was replaced by one of another kind
                stream.reconfigure(errors=_ERRORS)


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Context for writing to standard output. Raises OutputError, in one line, except for a closed pipe."""
    try:
        yield
    except OSError as error:
        _discard(sys.stdout)
        if error.errno != errno.EPIPE:
            raise OutputError(f"standard output cannot be written: {(error.strerror or str(error)).lower()}") from None


def say(text: str) -> None:
    """Print a message in one line on standard error. Control characters in it are shown as escapes."""
    write_line(f"loadsim: {text}")


def write_line(text: str) -> None:
    """Print a line on standard error, without `loadsim: `. Errors of the stream are ignored."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{printable(text)}\n")  # in one piece: other processes write there too
        sys.stderr.flush()


def _stream(number: int) -> TextIO:
    return open(number, "w", encoding="utf-8", closefd=False)


def _discard(stream: TextIO) -> None:
    """Discard the buffered text. Otherwise the interpreter would write it again at exit and change the exit code."""
    with contextlib.suppress(OSError, ValueError):
        number, nowhere = stream.fileno(), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_REPLACEMENTS.get(each) or _escape(each) for each in characters), error.end


def _escape(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")

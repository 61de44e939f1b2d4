"""What stands behind standard output and standard error: any encoding, a full disk, a reader that went away.

Decides that characters which an encoding lacks are replaced and not refused, and that a stdout which takes nothing is
one line. Refuses to know what is printed (`output` does).
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

_INSTEAD = {
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
"""What stands for a character that an encoding does not have; of others their escape is shown."""
_ERRORS = "loadsim.instead"


class OutputError(LoadsimError):
    """Standard output takes nothing more."""


def prepare() -> None:
    """Make both streams usable: whatever encoding they have, and also where the caller closed them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which no later file may get
    sys.stdout = sys.stdout or _stream(1)
    sys.stderr = sys.stderr or _stream(2)
    codecs.register_error(_ERRORS, _instead)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # a stream whose descriptor was replaced by one of another kind
                stream.reconfigure(errors=_ERRORS)


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Writes to standard output. Raises OutputError in one line, but not where the reader went away: it had enough."""
    try:
        yield
    except OSError as error:
        _discard(sys.stdout)
        if error.errno != errno.EPIPE:
            raise OutputError(f"standard output cannot be written: {(error.strerror or str(error)).lower()}") from None


def _stream(number: int) -> TextIO:
    return open(number, "w", encoding="utf-8", closefd=False)


def _discard(stream: TextIO) -> None:
    """Let what is buffered go nowhere, or the interpreter would try again at its end and change the exit code."""
    with contextlib.suppress(OSError, ValueError):
        number, nowhere = stream.fileno(), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


def _instead(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_INSTEAD.get(each) or _escape(each) for each in characters), error.end


def _escape(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")

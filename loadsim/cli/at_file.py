"""`@FILE`, as curl writes "from this file"; `@-` is standard input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from click import Context, Parameter

STDIN = "/dev/stdin"


def path_of(text: str) -> str:
    """The file that an option's FILE, `@FILE`, `-` or `@-` names. A file whose own name begins with `@` comes first."""
    if text.startswith("@") and not Path(text).exists():
        text = text[1:]
    return STDIN if text == "-" else text


def payload_file(_ctx: Context, _param: Parameter, given: str | None) -> str | None:
    """Callback of `--payload`."""
    return None if given is None else path_of(given)


def header_lines(_ctx: Context, _param: Parameter, given: Iterable[str]) -> tuple[str, ...]:
    """Callback of `-H`: `@FILE` stands for the lines of that file. Raises UsageError."""
    return tuple(line for text in given for line in _lines(text))


def _lines(text: str) -> Iterator[str]:
    if not text.startswith("@"):
        yield text
        return
    from loadsim.input_files import read_text_file

    yield from filter(None, (line.strip() for line in read_text_file(path_of(text)).splitlines()))


def body_of(text: str) -> tuple[bytes, str]:
    """The body that curl's `-d` gives, the text itself or `@FILE`, and its name in messages. Raises UsageError."""
    from loadsim.input_files import read_bytes_file

    if not text.startswith("@"):
        return text.encode(errors="surrogateescape"), "-d"
    path = path_of(text)
    return read_bytes_file(path), path

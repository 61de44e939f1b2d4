"""Makes foreign text harmless for a stream that a CI runner or a terminal reads: it is shown, but never obeyed.

A runner looks for commands in whatever a step prints: GitHub takes `::name::` behind blanks at the beginning of a line,
and `##[name]` anywhere in one, as Azure Pipelines and TeamCity take `##vso[` and `##teamcity[`. The character that
completes such a mark is written as `\\uXXXX`, and so is every control and format character: JSON means the same after
it.
"""

from __future__ import annotations

import re
from typing import Final

_STYLE: Final = rb"\x1b\[[0-9;]*+m"
_SKIPPED: Final = rb"(?:%b|[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\xff])" % _STYLE
"""Characters that a runner may ignore when it compares text by culture: not visible ASCII, space or line end."""
_COMMANDS = re.compile(
    rb"((?<![^\r\n])(?:%(skipped)b| )*+:%(skipped)b*+):|(#%(skipped)b*+#(?:%(skipped)b|[A-Za-z])*+)\["
    % {b"skipped": _SKIPPED}
)
_CONTROL = re.compile(
    rb"(?P<style>%b)|\r\n|[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f\xad]"
    rb"|\xe2(?:\x80[\x8b-\x8f\xa8-\xae]|\x81[\xa0-\xaf])|\xef\xbb\xbf" % _STYLE
)
"""C0, DEL, C1; soft hyphen, zero-width characters, line separators, direction marks and byte order mark, in UTF-8."""
_ENDED = re.compile(rb"##(?:[A-Za-z]*+)\Z|#\Z")


def harmless(data: bytes, line: bytes = b"") -> bytes:
    """The text, in UTF-8 or another superset of ASCII, without anything that a runner would execute as a command.

    `line`: the beginning of the line that `data` continues, already harmless.
    """
    return _COMMANDS.sub(_broken, line + data)[len(line) :]


def _broken(found: re.Match[bytes]) -> bytes:
    return found[1] + rb"\u003a" if found[1] is not None else found[2] + rb"\u005b"


def shown(data: bytes, *, escapes: bool = False) -> bytes:
    """UTF-8 text with control and format characters written as `\\uXXXX`; blanks, line ends and colours stay.

    `escapes`: escape sequences and carriage returns stay too, for a terminal with a view that is redrawn.
    """

    def written(found: re.Match[bytes]) -> bytes:
        whole = found[0]
        if found["style"] is not None or whole == b"\r\n" or (escapes and whole in b"\x1b\r"):
            return whole
        return rb"\u%04x" % ord(whole.decode())

    return _CONTROL.sub(written, data)


def beginning(line: bytes) -> bytes:
    """The part of an unfinished line that later text could complete to a command."""
    seen = re.sub(_SKIPPED, b"", line)
    if (start := seen.lstrip(b" ")) in (b"", b":"):
        return start
    ended = _ENDED.search(seen)
    return b"x" + (b"" if ended is None else ended[0][:3])

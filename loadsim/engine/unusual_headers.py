"""The header block of a response, where the parser's own view of it is not enough.

Finds its end, reads its framing fields, and corrects deviations that a client may accept (RFC 9110, RFC 9112). Called
for unusual answers only, which the parser refuses or cannot decide.
"""

from __future__ import annotations

import contextlib
import re

import httptools

_BLANK = re.compile(rb"\n\r?\n")
_FOLD = re.compile(rb"[ \t]*\r?\n[ \t]+")
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d+(?:[ \t]*,[ \t]*\d+)*)[ \t]*\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.\d \d{3}(?!\d)")

Fields = tuple[tuple[str, str], ...]


def beginning(raw: bytes, position: int) -> int:
    """Start of the next status line, after any empty lines."""
    while raw[position : position + 1] in (b"\r", b"\n"):
        position += 1
    return position


def ending(raw: bytes, start: int) -> int:
    """End of the header block that starts at `start`, with its empty line; -1 where it has not arrived."""
    found = _BLANK.search(raw, start)
    return found.end() if found else -1


def is_http1(raw: bytes, start: int) -> bool:
    """Whether a status line of HTTP/1.x begins there: not another version or a similar protocol."""
    return _STATUS_LINE.match(raw, start) is not None


def settled_lines(raw: bytes, start: int) -> bytes:
    """Of a header block that has not come in full, the lines that nothing which follows can continue."""
    end = len(raw) - 1
    while (end := raw.rfind(b"\n", start, end)) >= 0 and raw[end + 1] in b" \t":
        pass
    return raw[start : end + 1]


def mended(head: bytes) -> bytes:
    """A header block, or its beginning, in the form that every sender should use.

    A folded line is one line (RFC 9112, 5.2; after the status line it is ignored, 2.2), other control characters than
    NUL, CR and LF do no harm in a value (RFC 9110, 5.5), and one length given several times is one length (RFC 9112,
    6.3). What is still wrong then is wrong.
    """
    head = _CONTROL.sub(b" ", _FOLD.sub(b" ", head))
    lengths = {value.strip().lstrip(b"0") for found in _LENGTH.findall(head) for value in found.split(b",")}
    if len(lengths) != 1:
        return head
    once = [b"Content-Length: %b\r\n" % (lengths.pop() or b"0")]
    return _LENGTH.sub(lambda _: once.pop() if once else b"", head)


class _Parsed:
    """What a response, or the beginning of one, holds. Its parser is not kept, since the pair would be a reference
    cycle."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self.body = b""
        self.fault = ""

    def on_message_begin(self) -> None:
        self.fields, self.body = [], b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self.body += body


def lenient_parser(callbacks: object) -> httptools.HttpResponseParser:
    """llhttp, with what a client may accept: lines that end in LF alone (RFC 9112, 2.2), any HTTP/1.x (RFC 9110, 2.5)
    and spaces behind the size of a chunk."""
    parser = httptools.HttpResponseParser(callbacks)
    parser.set_dangerous_leniencies(
        lenient_optional_cr_before_lf=True,
        lenient_version=True,
        lenient_spaces_after_chunk_size=True,
    )
    return parser


def _parsed(raw: bytes) -> _Parsed:
    parsed = _Parsed()
    try:
        with contextlib.suppress(httptools.HttpParserUpgrade):
            lenient_parser(parsed).feed_data(raw)
    except httptools.HttpParserError as error:
        parsed.fault = str(error)  # what was read up to the fault is what there is to show
    return parsed


def shown(raw: bytes) -> tuple[Fields, bytes]:
    """Fields and body of the last response in `raw`."""
    parsed = _parsed(raw)
    return tuple(parsed.fields), parsed.body


def fault_of(head: bytes) -> str:
    """What the parser has against a header block, or its beginning; empty when nothing."""
    return _parsed(head).fault


def ends_with_connection(head: bytes) -> bool:
    """Whether only the end of the connection ends the body (RFC 9112, 6.3)."""
    codings = _values(head, "transfer-encoding")
    if codings:
        return codings[-1] != "chunked"
    return not _values(head, "content-length")


def keeps_http10(head: bytes) -> bool:
    """Whether a connection of HTTP/1.0 stays: it was promised, and the framing can be relied upon (RFC 9112, 6.1)."""
    return "keep-alive" in _values(head, "connection") and not _values(head, "transfer-encoding")


def _values(head: bytes, name: str) -> list[str]:
    """The list that all fields of one name make, in lower case."""
    lines = [value for key, value in _parsed(head).fields if key.lower() == name]
    return [part.strip().lower() for part in ",".join(lines).split(",")] if lines else []

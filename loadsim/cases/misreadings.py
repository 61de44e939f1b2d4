"""What an endpoint may verify in place of the bytes that came: each a change of the body, with its cause and its mend.

A misreading is proven by signing what it makes of a body and sending the body itself: whoever accepts that verifies the
changed bytes. Draws nothing, reads no clock, sends nothing.
"""

from __future__ import annotations

import json
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

RAW = "verify over the raw bytes of the request"


@dataclass(frozen=True, slots=True)
class Misreading:
    """`read` gives the bytes that are verified; it raises ValueError where it does not apply."""

    name: str
    cause: str
    mend: str
    read: Callable[[bytes], bytes]

    def of(self, body: bytes) -> bytes | None:
        """What is verified in place of `body`; None where that is the body itself, or nothing can be."""
        try:
            found = self.read(body)
        except (ValueError, RecursionError, zlib.error):
            return None
        return found if found != body else None


# -- serialised again -----------------------------------------------------------------------------------------------


def _json(
    body: bytes, *, escape: Callable[[str], str] = lambda text: text, ascii_only: bool = False, **layout: Any
) -> bytes:
    return escape(json.dumps(json.loads(body), ensure_ascii=ascii_only, **layout)).encode()


def _slashes(text: str) -> str:
    return text.replace("/", "\\/")


def _html(text: str) -> str:
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _dotnet(text: str) -> str:
    """System.Text.Json's default encoder: upper-case escapes for everything that is not plain ASCII."""
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[place : place + 2]) for place in range(0, len(units), 2)]
    return "".join(chr(code) if code < 127 and chr(code) not in "<>&'+`" else f"\\u{code:04X}" for code in codes)


_COMPACT: dict[str, Any] = {"separators": (",", ":")}
_SERIALISERS: tuple[tuple[str, str, Callable[[bytes], bytes]], ...] = (
    ("compact", "compact JSON, as JSON.stringify and most encoders write it", partial(_json, **_COMPACT)),
    ("python", "Python's json.dumps writes it", partial(_json, ascii_only=True)),
    ("python-utf8", "Python's json.dumps(ensure_ascii=False) writes it", _json),
    ("compact-ascii", "compact JSON in ASCII", partial(_json, ascii_only=True, **_COMPACT)),
    ("php", "PHP's json_encode writes it", partial(_json, ascii_only=True, escape=_slashes, **_COMPACT)),
    ("php-utf8", "PHP's json_encode(JSON_UNESCAPED_UNICODE) writes it", partial(_json, escape=_slashes, **_COMPACT)),
    ("go", "Go's json.Marshal writes a map", partial(_json, sort_keys=True, escape=_html, **_COMPACT)),
    ("go-struct", "Go's json.Marshal writes a struct", partial(_json, escape=_html, **_COMPACT)),
    ("sorted", "compact JSON with sorted keys", partial(_json, sort_keys=True, **_COMPACT)),
    ("sorted-python", "Python's json.dumps(sort_keys=True) writes it", partial(_json, ascii_only=True, sort_keys=True)),
    ("dotnet", ".NET's System.Text.Json writes it", partial(_json, escape=_dotnet, **_COMPACT)),
    ("indented", "JSON indented by two", partial(_json, indent=2)),
)


# -- read as text ---------------------------------------------------------------------------------------------------


def _decoded(body: bytes, encoding: str, errors: str) -> bytes:
    return body.decode(encoding, errors).encode("utf-8")


def _normalised(body: bytes, form: Any) -> bytes:
    return unicodedata.normalize(form, body.decode()).encode()


def _text(name: str, how: str, read: Callable[[bytes], bytes]) -> Misreading:
    return Misreading(name, f"the body is decoded {how} before it is verified", f"{RAW}: decode them afterwards", read)


def _trimmed(name: str, what: str, read: Callable[[bytes], bytes]) -> Misreading:
    return Misreading(name, f"{what} before it is verified", f"{RAW}: they belong to what was signed", read)


def _unpacked(body: bytes) -> bytes:
    return zlib.decompress(body, wbits=31)


MISREADINGS: tuple[Misreading, ...] = (
    *(
        Misreading(
            f"json-{name}",
            f"the body is parsed and serialised again before it is verified: what is verified is {words}"
            if words.startswith(("compact", "JSON"))
            else f"the body is parsed and serialised again before it is verified: what is verified is as {words}",
            f"{RAW}, and let the framework parse them afterwards",
            read,
        )
        for name, words, read in _SERIALISERS
    ),
    _trimmed("strip", "white space around the body is taken away", lambda body: body.strip(b" \t\r\n\v\f")),
    _trimmed("rstrip", "white space at the end of the body is taken away", lambda body: body.rstrip(b" \t\r\n\v\f")),
    _trimmed("lf", "line breaks are turned from CRLF into LF", lambda body: body.replace(b"\r\n", b"\n")),
    _trimmed("bom", "the byte order mark is taken away", lambda body: body.removeprefix(b"\xef\xbb\xbf")),
    _text("latin-1", "as Latin-1 (ISO 8859-1)", partial(_decoded, encoding="latin-1", errors="strict")),
    _text(
        "ascii-replace", "as ASCII, with U+FFFD for the rest,", partial(_decoded, encoding="ascii", errors="replace")
    ),
    _text("ascii-ignore", "as ASCII, without the rest,", partial(_decoded, encoding="ascii", errors="ignore")),
    _text(
        "utf8-replace", "as UTF-8, with U+FFFD for what is not,", partial(_decoded, encoding="utf-8", errors="replace")
    ),
    _text("utf8-ignore", "as UTF-8, without what is not,", partial(_decoded, encoding="utf-8", errors="ignore")),
    *(
        _text(form.lower(), f"and normalised to Unicode {form}", partial(_normalised, form=form))
        for form in ("NFC", "NFD", "NFKC")
    ),
    Misreading(
        "unpacked",
        "the body is unpacked (gzip) before it is verified",
        "harmless while the sender does not compress; else verify what came, before the framework unpacks it",
        _unpacked,
    ),
    Misreading(
        "nothing",
        "the body is not read: an empty one is verified",
        f"{RAW}, also where no Content-Length announces them, and read them once only",
        lambda _: b"",
    ),
)
"""The likelier first."""

"""Misreadings: changes of a body that an endpoint or a sender wrongly verifies or signs instead of the raw bytes.

`explain` signs the changed bytes and compares the result with a received signature. `probe` sends a body with the
signature of the changed bytes: an endpoint that accepts it verifies the changed bytes.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from loadsim.signing.serialisers import SERIALISERS, Serialiser

RAW = "verify over the raw bytes of the request"
_WHITE = b" \t\r\n\v\f"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Misreading:
    """`read` returns the bytes that are verified; it raises ValueError when it does not apply to a body."""

    name: str
    cause: str
    """What a verifier of these bytes does, in words."""
    mend: str
    signed: str
    """What happened to a delivery whose signature is that of these bytes."""
    read: Callable[[bytes], bytes]
    is_usual: bool = True
    """Observed in practice, or done by a known library."""
    unannounced_only: bool = False
    """Happens only to bodies without Content-Length."""

    def of(self, body: bytes, *, announced: bool = True) -> bytes | None:
        """The bytes that are verified instead of `body`; None when they are equal to it, or the change does not
        apply."""
        if announced and self.unannounced_only:
            return None
        try:
            found = self.read(body)
        except (ValueError, RecursionError, zlib.error, EOFError):
            return None
        return found if found != body else None


def _serialised(serialiser: Serialiser) -> Misreading:
    again = "the body is parsed and serialised again before it is verified: what is verified is"
    return Misreading(
        f"json-{serialiser.name}",
        f"{again} {serialiser.words}",
        f"{RAW}, and let the framework parse them afterwards",
        "the body was parsed and serialised again between signing and this check: the signature is that of the same "
        f"JSON written as {serialiser.words}; verify the raw bytes that arrive, before anything parses them",
        serialiser.write,
        is_usual=bool(serialiser.library),
    )


# -- read as text ---------------------------------------------------------------------------------------------------


def _text(name: str, how: str, read: Callable[[bytes], bytes]) -> Misreading:
    return Misreading(
        name,
        f"the body is {how} before it is verified",
        f"{RAW}: decode them afterwards",
        f"the signature is that of the body {how.rstrip(',')}; sign and verify the raw bytes",
        read,
    )


def _decoded(body: bytes, encoding: str, errors: str) -> bytes:
    return body.decode(encoding, errors).encode("utf-8")


def _encoded(body: bytes, encoding: str) -> bytes:
    return body.decode().encode(encoding, "replace")


def _normalised(body: bytes, form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> bytes:
    return unicodedata.normalize(form, body.decode()).encode()


def _windows(body: bytes) -> bytes:
    """Decoded as windows-1252 of encoding.spec.whatwg.org: the five bytes without a letter are control characters."""
    letters = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(128, 256)}
    return body.decode("latin-1").translate(letters).encode()


def _seven_bits(body: bytes) -> bytes:
    return bytes(byte & 0x7F for byte in body)


_TEXTS = (
    _text("latin-1", "decoded as Latin-1 (ISO 8859-1)", partial(_decoded, encoding="latin-1", errors="strict")),
    _text("windows-1252", "decoded as Windows-1252", _windows),
    _text(
        "utf8-replace",
        "decoded as UTF-8, with U+FFFD for what is not,",
        partial(_decoded, encoding="utf-8", errors="replace"),
    ),
    _text(
        "utf8-ignore", "decoded as UTF-8, without what is not,", partial(_decoded, encoding="utf-8", errors="ignore")
    ),
    _text(
        "ascii-replace",
        "decoded as ASCII, with U+FFFD for the rest,",
        partial(_decoded, encoding="ascii", errors="replace"),
    ),
    _text("ascii-ignore", "decoded as ASCII, without the rest,", partial(_decoded, encoding="ascii", errors="ignore")),
    _text("ascii-7-bit", "cut to seven bits a byte (toString('ascii') of Node.js)", _seven_bits),
    _text("to-ascii", 'decoded and encoded as ASCII, with "?" for the rest,', partial(_encoded, encoding="ascii")),
    _text("to-latin-1", "decoded and encoded as Latin-1", partial(_encoded, encoding="latin-1")),
    *(
        _text(form.lower(), f"decoded and normalised to Unicode {form}", partial(_normalised, form=form))
        for form in ("NFC", "NFD", "NFKC", "NFKD")
    ),
)


# -- cut, joined, decompressed
# ------------------------------------------------------------------------------------------


def _edge(name: str, what: str, kept: str, read: Callable[[bytes], bytes]) -> Misreading:
    """`what` happens to the body; `kept` says how the signed body differs from the received one."""
    mend = f"{RAW}: they belong to what was signed"
    return Misreading(name, f"{what} before it is verified", mend, f"the body that was signed {kept}", read)


_EDGES = (
    _edge(
        "rstrip",
        "white space at the end of the body is taken away",
        "had no white space at its end, which this one has",
        lambda body: body.rstrip(_WHITE),
    ),
    _edge(
        "strip",
        "white space around the body is taken away",
        "had no white space around it, which this one has",
        lambda body: body.strip(_WHITE),
    ),
    _edge(
        "lf",
        "line breaks are turned from CRLF into LF",
        "had LF line breaks, this one has CRLF",
        lambda body: body.replace(b"\r\n", b"\n"),
    ),
    _edge(
        "crlf",
        "line breaks are turned from LF into CRLF",
        "had CRLF line breaks, this one has LF",
        lambda body: body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    ),
    _edge(
        "bom",
        "the byte order mark is taken away",
        "had no byte order mark, this one has",
        lambda body: body.removeprefix(_BOM),
    ),
    _edge(
        "bom-added",
        "a byte order mark is put before the body",
        "began with a byte order mark, this one does not",
        lambda body: _BOM + body.removeprefix(_BOM),
    ),
    _edge(
        "lf-added",
        "a line break is put at the end of the body",
        "had a line break at its end, which this one has not",
        lambda body: body + b"\n",
    ),
    _edge(
        "crlf-added",
        "a line break (CRLF) is put at the end of the body",
        "had CRLF at its end, which this one has not",
        lambda body: body + b"\r\n",
    ),
)


def _unpacked(body: bytes) -> bytes:
    return zlib.decompress(body, wbits=31)


_OTHERS = (
    Misreading(
        "unpacked",
        "the body is unpacked (gzip) before it is verified",
        "harmless while the sender does not compress; else verify what came, before the framework unpacks it",
        "what was signed is the body unpacked (gzip); this one is still packed",
        _unpacked,
    ),
    Misreading(
        "nothing",
        "the body is not read: an empty one is verified",
        f"{RAW}, and read them once only",
        "what was signed was an empty body",
        lambda _: b"",
    ),
    Misreading(
        "nothing-unannounced",
        "a body without Content-Length is not read: an empty one is verified",
        f"{RAW}, also where no Content-Length announces them",
        "what was signed was an empty body",
        lambda _: b"",
        unannounced_only=True,
    ),
)

_KNOWN = tuple(_serialised(each) for each in SERIALISERS if each.library)
_COMBINED = tuple(_serialised(each) for each in SERIALISERS if not each.library)

MISREADINGS: tuple[Misreading, ...] = (*_EDGES, *_KNOWN, *_TEXTS, *_OTHERS, *_COMBINED)
"""The more probable first."""

"""The raw-bytes corpus: valid events in unusual bytes that an endpoint must verify exactly as they were sent.

Each form is made from a plain event and says what usually breaks on it, and whether an endpoint may refuse it for
another reason than its signature.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

MEMBER = b'"loadsim_probe":'
"""The field that most forms add to the event: endpoints ignore fields that they do not know."""


@dataclass(frozen=True, slots=True)
class RawForm:
    """One form. `of(body)` are its bytes; the other fields say how it is sent and what it tests."""

    name: str
    bytes_class: str
    breaks: str
    """What is known to change such bytes before they are verified."""
    member: bytes = b""
    """Raw text of a field that is added at the end of the event."""
    layout: Callable[[bytes], bytes] | None = None
    whole: bytes | None = None
    """Replaces the event."""
    headers: tuple[tuple[str, str], ...] = ()
    names: Literal["", "lower", "upper"] = ""
    """How header names are written; empty: as the provider does."""
    chunk: int | None = None
    """Sent in chunks of this many bytes, without Content-Length."""
    lenient: str = ""
    """Why an endpoint may refuse it although its signature is valid; empty: it may not."""
    rare: bool = False
    """No known provider sends it: a failing signature is a note, not a finding."""

    def of(self, body: bytes) -> bytes:
        """The bytes for a plain event: compact JSON, an object that has fields or an array of such."""
        if self.whole is not None:
            return self.whole
        if self.member:
            end = body.rindex(b"}")
            body = body[:end] + b"," + self.member + body[end:]
        return self.layout(body) if self.layout is not None else body


def _value(text: bytes) -> bytes:
    return MEMBER + text


def _dumped(body: bytes, **layout: object) -> bytes:
    return json.dumps(json.loads(body), ensure_ascii=False, **layout).encode()  # type: ignore[arg-type]


def _reordered(body: bytes) -> bytes:
    document = json.loads(body, object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


_STRICT = "a parser may refuse it after the signature was found right"

PLAIN_MEMBER = RawForm("plain", "one field more, in plain ASCII", "strict schemas", _value(b'"plain"'))
"""The control for all forms with an added field: an endpoint that refuses this one refuses unknown fields."""

EVERYTHING = RawForm(
    "everything",
    "white space, escapes, letters, numbers and key order at once",
    "whatever verifies anything but the raw bytes",
    MEMBER + ' {"z": "\\/ \\u00e9 é e\u0301 ﬁ <&> 😀\\n", "10": 1.0, "9": 10.00, "a": "\\u2028"}'.encode(),
    layout=lambda body: b" " + body + b"\n\r\n",
)
"""On this form every misreading gives different bytes, except those about bytes that are not JSON in UTF-8."""

CORPUS: tuple[RawForm, ...] = (
    # white space
    RawForm("spaced", "a space after : and ,", "any re-serialiser that writes compact JSON", layout=_dumped),
    RawForm(
        "indented",
        "indented, LF line breaks",
        "any re-serialiser: JSON.stringify, json.dumps, encoders of Go, PHP, Ruby",
        layout=lambda body: _dumped(body, indent=2),
    ),
    RawForm(
        "crlf-lines",
        "indented, CRLF line breaks",
        "text-mode reading, proxies and editors that write LF",
        layout=lambda body: _dumped(body, indent=2).replace(b"\n", b"\r\n"),
    ),
    RawForm("tabs", "indented by tabs", "any re-serialiser", layout=lambda body: _dumped(body, indent="\t")),
    RawForm("leading-space", "white space before the JSON", "a strip() before the check", layout=lambda b: b" \n" + b),
    RawForm(
        "trailing-space", "blanks after the JSON", "a strip() or trim() before the check", layout=lambda b: b + b"  "
    ),
    RawForm(
        "lf-tail", "a line break (LF) at the end", "a strip() or chomp before the check", layout=lambda b: b + b"\n"
    ),
    RawForm(
        "crlf-tail",
        "a line break (CRLF) at the end",
        "SendGrid's events end so; parsers and trim() drop it",
        layout=lambda body: body + b"\r\n",
    ),
    RawForm(
        "bom",
        "a byte order mark before the JSON",
        "decoders such as utf-8-sig, .NET's readers and body-parser's take it away",
        layout=lambda body: b"\xef\xbb\xbf" + body,
        lenient="RFC 8259 lets a parser refuse it",
    ),
    # keys
    RawForm("key-order", "the keys in another order", "Go maps, sort_keys, jsonb columns", layout=_reordered),
    RawForm(
        "number-keys",
        "keys that are numbers, not in order",
        "JavaScript objects put them first and in order",
        _value(b'{"b":0,"10":1,"9":2}'),
    ),
    RawForm(
        "duplicate-keys",
        "the same key twice",
        "every parser that keeps one of the two",
        _value(b'{"a":1,"a":2}'),
        lenient=_STRICT,
    ),
    RawForm(
        "proto-key",
        "keys named __proto__ and nothing at all",
        "parsers that guard against prototype pollution drop them",
        _value(b'{"__proto__":{"a":1},"":0}'),
        lenient=_STRICT,
    ),
    # strings
    RawForm(
        "escaped-slash",
        "slashes escaped as \\/",
        "PHP senders write them; re-serialisers and relays do not (smee.io)",
        _value(b'"https:\\/\\/example.test\\/a"'),
    ),
    RawForm(
        "escaped-letters",
        "letters escaped as \\u00e9",
        "re-serialisers that write UTF-8",
        _value(b'"caf\\u00e9 \\u4e16\\u754c"'),
    ),
    RawForm(
        "escaped-upper",
        "letters escaped in upper case, \\u00E9",
        "re-serialisers that write lower case",
        _value(b'"\\u00E9"'),
    ),
    RawForm(
        "letters",
        "letters beyond ASCII in UTF-8, composed (NFC)",
        "decoding as Latin-1 or ASCII; re-serialisers that escape (json.dumps)",
        _value('"café 世界"'.encode()),
    ),
    RawForm(
        "letters-nfd",
        "letters in decomposed form (NFD)",
        "Unicode normalisation before the check",
        _value('"cafe\u0301 A\u030a"'.encode()),
    ),
    RawForm(
        "ligatures",
        "compatibility letters (ﬁ, ①, full width)",
        "Unicode normalisation (NFKC) before the check",
        _value('"ﬁ①Ａ"'.encode()),
    ),
    RawForm(
        "emoji",
        "characters beyond the BMP in UTF-8",
        "strings measured in UTF-16, three-byte utf8 columns",
        _value('"😀🏳️‍🌈"'.encode()),
    ),
    RawForm(
        "surrogates",
        "emoji as escaped surrogate pair, \\ud83d\\ude00",
        "re-serialisers that write UTF-8",
        _value(b'"\\ud83d\\ude00"'),
    ),
    RawForm(
        "lone-surrogate",
        "half a surrogate pair, \\ud83d",
        "decoders that put U+FFFD in its place, or raise",
        _value(b'"\\ud83d"'),
        lenient=_STRICT,
    ),
    RawForm(
        "separators",
        "U+2028 and U+2029, raw",
        "JavaScript-safe encoders escape them; splitlines() cuts there",
        _value('"a\u2028b\u2029c"'.encode()),
    ),
    RawForm("html", "<, > and &, raw", "Go's and .NET's encoders escape them", _value(b'"<b>&\'</b>"')),
    RawForm(
        "controls",
        "escaped control characters, \\u0000 among them",
        "text columns that hold no NUL, C strings, re-serialisers that write \\b for \\u0008",
        _value(b'"\\u0000\\u0008\\u001f\\t"'),
        lenient=_STRICT,
    ),
    RawForm(
        "not-utf8",
        "bytes that are not UTF-8",
        "decoding before the check: an exception, or U+FFFD in their place",
        _value('"é '.encode() + b'caf\xe9 \x80 \xff"'),
        lenient="it is not JSON (RFC 8259 wants UTF-8)",
        rare=True,
    ),
    # numbers
    RawForm("float", "1.0 and 10.00", "JavaScript, PHP and Go write 1 and 10", _value(b"[1.0,10.00]")),
    RawForm("exponent", "1E+2 and 1e-7", "every re-serialiser has a spelling of its own", _value(b"[1E+2,1e-7]")),
    RawForm("minus-zero", "-0 and -0.0", "parsers make it 0", _value(b"[-0,-0.0]")),
    RawForm(
        "big-number",
        "integers beyond 2^53 and 2^64",
        "JavaScript rounds them, others make floats of them or raise",
        _value(b"[9007199254740993,12345678901234567890]"),
        lenient=_STRICT,
    ),
    RawForm("huge-number", "1e400", "parsers make it Infinity or null, or raise", _value(b"1e400"), lenient=_STRICT),
    RawForm(
        "precise", "more digits than a double has", "doubles keep 17 digits", _value(b"3.14159265358979323846264338")
    ),
    # structure
    RawForm(
        "deep",
        "100 arrays in one another",
        "parsers with a limit (64 in .NET, 100 in Ruby)",
        _value(b"[" * 100 + b"]" * 100),
        lenient=_STRICT,
    ),
    RawForm(
        "large",
        "150 KB",
        "body parsers with a limit of 100 KB (Express), buffers that are cut",
        _value(b'"' + b"x" * 150_000 + b'"'),
        lenient="an endpoint may have a limit of its own",
    ),
    RawForm("empty", "an empty body", "frameworks that make {} or null of it", whole=b"", lenient="it is no JSON"),
    RawForm("empty-object", "{}", "code that takes an empty body for none", whole=b"{}", lenient="it is no event"),
    RawForm(
        "array", "an array at the top, []", "code that looks for fields first", whole=b"[]", lenient="it is no event"
    ),
    EVERYTHING,
    # the way it travels
    RawForm(
        "charset",
        "Content-Type: application/json; charset=utf-8",
        "raw-body hooks that compare the content type as a whole",
        headers=(("Content-Type", "application/json; charset=utf-8"),),
    ),
    RawForm(
        "lower-names",
        "header names in lower case",
        "look-ups that mind the case; HTTP/2 proxies write so",
        names="lower",
    ),
    RawForm("upper-names", "header names in upper case", "look-ups that mind the case", names="upper"),
    RawForm(
        "chunked",
        "chunked transfer, no Content-Length, letters cut in two",
        "code that reads Content-Length bytes, or decodes every chunk for itself",
        _value('"é世😀é世😀é世😀"'.encode()),
        chunk=7,
        lenient="a server may ask for a length (411)",
    ),
    RawForm(
        "gzip",
        "Content-Encoding: gzip",
        "frameworks unpack before the code sees the body",
        layout=lambda body: gzip.compress(body, mtime=0),
        headers=(("Content-Encoding", "gzip"),),
        lenient="an endpoint need not understand it",
        rare=True,
    ),
)

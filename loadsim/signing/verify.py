"""Says of one delivery whether it is genuine, and if not, why.

Works on the raw bytes before anything parses them, compares in constant time, computes one code per delivery however
many signatures the header lists, and answers every input with None or a `Rejection`: it never raises on what a sender
can send. Knows no clock and no HTTP framework.
"""

from __future__ import annotations

import enum
import hmac
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson

from loadsim.model import NS_PER_S, Secret
from loadsim.signing.mac import MessageMac
from loadsim.signing.moments import LONGEST_INTEGER, PLAIN, unix_s

if TYPE_CHECKING:
    from loadsim.signing.description import Scheme

LONGEST_SIGNATURE_HEADER = 16_384
LONGEST_ID = 256
_PATTERNS = {
    "hex": re.compile(rb"[0-9a-f]+"),
    "base64": re.compile(rb"[A-Za-z0-9+/]+={0,2}"),
    "base64url": re.compile(rb"[A-Za-z0-9_-]+"),
}


class Rejection(enum.Enum):
    """Why a delivery is refused; the value says it in words."""

    missing_signature = "the signature header is missing"
    missing_timestamp = "the timestamp is missing"
    missing_id = "the id header is missing"
    malformed_signature = "the signature header is not in the scheme's form"
    malformed_timestamp = "the timestamp is not in the scheme's plain form"
    malformed_id = "the id is empty, too long or not ASCII"
    wrong_signature = "the signature does not belong to this body, time and key"
    stale = "the timestamp lies too far in the past"
    future = "the timestamp lies too far in the future"

    @property
    def status(self) -> int:
        """The HTTP status that a receiver answers with."""
        return 400 if self.name.startswith("missing") else 401

    @property
    def text(self) -> str:
        """The line that a receiver answers with; it tells a forger no more than the sort of failure."""
        if self.status == 400:
            return "Missing signature"
        if self in (Rejection.stale, Rejection.future):
            return "Timestamp outside tolerance"
        return "Invalid signature"


class Verifier:
    """Checks deliveries under one key. Belongs to one thread."""

    __slots__ = (
        "_encoded", "_id_name", "_integer_name", "_last", "_last_s", "_last_text", "_pattern", "_prefix", "_separator",
        "_signature_name", "_size",
        "_timestamp", "_timestamp_prefix", "_tolerance_s", "_units_per_s", "header_names",
    )  # fmt: skip

    def __init__(self, scheme: Scheme, secret: Secret, tolerance_s: float | None, url: str | None = None) -> None:
        """`tolerance_s` None or 0 accepts any time; `url` is needed by schemes that sign it."""
        mac = MessageMac(scheme, secret, url)
        timestamp = scheme.timestamp
        self.header_names = scheme.header_names()
        """What `verify` looks up, lower case; a caller may leave every other header out."""
        self._encoded = mac.encoded
        self._prefix = scheme.signature.prefix
        self._separator = scheme.signature.separator
        self._signature_name = scheme.signature.name.lower()
        self._timestamp = timestamp
        self._timestamp_prefix = scheme.signature.timestamp_prefix
        in_header = timestamp is not None and timestamp.place == "header" and timestamp.unit != "rfc3339"
        self._integer_name = timestamp.name.lower() if timestamp and in_header else None
        self._id_name = scheme.id_headers[0].lower() if scheme.signs_id else None
        self._units_per_s = NS_PER_S // timestamp.tick_ns if timestamp else 1
        self._tolerance_s = (tolerance_s or 0) if timestamp else 0
        # Deliveries of one second have one timestamp: it is read once.
        self._last_text, self._last, self._last_s = "", b"", 0.0
        self._pattern = _PATTERNS[scheme.encoding]
        self._size = len(mac.encoded(b"", b"", b""))

    def verify(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Rejection | None:
        """None when genuine. `headers` is looked up by lower-case name; `now_s` is seconds since 1970."""
        signature = headers.get(self._signature_name)
        if signature is None:
            return Rejection.missing_signature
        event_id = b""
        text = headers.get(self._integer_name) if self._integer_name is not None else None
        if text is not None and text == self._last_text:
            timestamp = self._last
        # A leading zero would be a second spelling of the same time; isdigit alone takes digits of other scripts.
        elif text is not None and text.isdigit() and text.isascii() and text >= "1" and len(text) <= LONGEST_INTEGER:
            timestamp = text.encode()
            self._last_text, self._last, self._last_s = text, timestamp, int(timestamp) / self._units_per_s
        else:
            found = self._other_time(headers, signature)
            if isinstance(found, Rejection):
                return found
            timestamp = found
        if self._id_name is not None:
            event_id = _ascii(headers.get(self._id_name, ""), LONGEST_ID)
            if not event_id:
                return Rejection.malformed_id if self._id_name in headers else Rejection.missing_id
        expected = self._prefix + self._encoded(timestamp, event_id, body)
        if not hmac.compare_digest(signature.encode("ascii", "replace"), expected):
            rejection = self._refusal(signature, expected)
            if rejection is not None:
                return rejection
        if self._tolerance_s:
            age_s = now_s - (self._last_s if timestamp is self._last else int(timestamp) / self._units_per_s)
            if age_s > self._tolerance_s:
                return Rejection.stale
            if age_s < -self._tolerance_s:
                return Rejection.future
        return None

    def _other_time(self, headers: Mapping[str, str], signature: str) -> bytes | Rejection:
        """The timestamp's text where it is not simply an integer in a header of its own; nothing if none is signed."""
        timestamp = self._timestamp
        if timestamp is None or timestamp.place == "body":
            return b""
        if self._timestamp_prefix is not None:
            text = self._time_entry(signature)
            if text is None:
                return Rejection.malformed_signature
        else:
            text = headers.get(timestamp.name.lower())
            if text is None:
                return Rejection.missing_timestamp
        if PLAIN[timestamp.unit].fullmatch(text) is None:
            return Rejection.malformed_timestamp
        return text.encode("ascii")

    def _time_entry(self, signature: str) -> str | None:
        """The timestamp inside the signature header; None where there is none, or more than one."""
        prefix = self._timestamp_prefix or b""
        found = [entry for entry in self._entries(signature) if entry.startswith(prefix)]
        return found[0][len(prefix) :].decode("ascii") if len(found) == 1 else None

    def _entries(self, signature: str) -> list[bytes]:
        """What the header lists; nothing where it is too long or not ASCII."""
        given = _ascii(signature, LONGEST_SIGNATURE_HEADER)
        if self._separator is None:
            return [given]
        # A header that came in several lines is joined by ", ", which is not part of any entry.
        return [entry.strip(b" ") for entry in given.split(self._separator)]

    def _refusal(self, signature: str, expected: bytes) -> Rejection | None:
        """None where one of several signatures is the expected one; else whether the key or the form is wrong."""
        entries = self._entries(signature)
        if self._separator is not None:
            size = len(expected)
            if any(len(entry) == size and hmac.compare_digest(entry, expected) for entry in entries):
                return None
        prefix = self._prefix
        codes = [entry.removeprefix(prefix) for entry in entries if entry.startswith(prefix)]
        well_formed = any(len(code) == self._size and self._pattern.fullmatch(code) for code in codes)
        return Rejection.wrong_signature if well_formed else Rejection.malformed_signature


class DatedVerifier(Verifier):
    """Checks schemes whose time is a date, or stands in the body, where it is looked for in genuine bodies only."""

    __slots__ = ("_window_s",)

    def __init__(self, scheme: Scheme, secret: Secret, tolerance_s: float | None, url: str | None = None) -> None:
        """As `Verifier`."""
        super().__init__(scheme, secret, None, url)
        self._window_s = tolerance_s or 0

    def verify(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Rejection | None:
        """As `Verifier.verify`."""
        rejection = super().verify(headers, body, now_s)
        if rejection is not None or not self._window_s:
            return rejection
        moment_s = self._moment(headers, body)
        if isinstance(moment_s, Rejection):
            return moment_s
        if abs(now_s - moment_s) <= self._window_s:
            return None
        return Rejection.future if moment_s > now_s else Rejection.stale

    def _moment(self, headers: Mapping[str, str], body: bytes) -> float | Rejection:
        """Seconds since 1970 of a genuine delivery, or why there is no telling."""
        timestamp = self._timestamp
        if timestamp is None or timestamp.place == "body":
            text = body_timestamp(body, timestamp.name) if timestamp else None
        else:
            found = self._other_time(headers, headers.get(self._signature_name, ""))
            text = None if isinstance(found, Rejection) else found.decode("ascii")
        if text is None:
            return Rejection.missing_timestamp
        moment_s = unix_s(text, timestamp.unit) if timestamp else None
        return Rejection.malformed_timestamp if moment_s is None else moment_s


def body_timestamp(body: bytes, field: str) -> str | None:
    """The field at the top of a JSON body as text: of a number its digits; None where there is no such field."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict) or field not in document:
        return None
    found = document[field]
    return str(found) if isinstance(found, int | str) else ""


def _ascii(text: str, longest: int) -> bytes:
    """`text` as bytes, or nothing where it is too long or not ASCII; nothing is never a valid field."""
    if len(text) > longest:
        return b""
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        return b""

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
from loadsim.signing.moments import PLAIN, Unit, unix_s

if TYPE_CHECKING:
    from loadsim.signing.description import Scheme

LONGEST_SIGNATURE_HEADER = 16_384
LONGEST_ID = 256
_NOTHING = re.compile("")
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
        "_encoded", "_id_name", "_pattern", "_plain", "_prefix", "_separator", "_signature_name", "_size", "_timeless",
        "_timestamp_name", "_timestamp_prefix", "_tolerance_s", "_units_per_s",
    )  # fmt: skip

    def __init__(self, scheme: Scheme, secret: Secret, tolerance_s: float | None, url: str | None = None) -> None:
        """`tolerance_s` None or 0 accepts any time; `url` is needed by schemes that sign it."""
        mac = MessageMac(scheme, secret, url)
        timestamp = scheme.timestamp
        self._encoded = mac.encoded
        self._prefix = scheme.signature.prefix
        self._separator = scheme.signature.separator
        self._signature_name = scheme.signature.name.lower()
        self._timestamp_name = timestamp.name.lower() if timestamp and timestamp.place == "header" else None
        self._timestamp_prefix = scheme.signature.timestamp_prefix
        self._plain = PLAIN[timestamp.unit] if timestamp and timestamp.place != "body" else _NOTHING
        in_header = self._timestamp_name is not None
        self._timeless = Rejection.missing_timestamp if in_header else Rejection.malformed_signature
        self._id_name = scheme.id_headers[0].lower() if scheme.signs_id else None
        self._units_per_s = NS_PER_S // timestamp.tick_ns if timestamp else 1
        self._tolerance_s = (tolerance_s or 0) if timestamp else 0
        self._pattern = _PATTERNS[scheme.encoding]
        self._size = len(mac.encoded(b"", b"", b""))

    def verify(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Rejection | None:
        """None when genuine. `headers` is looked up by lower-case name; `now_s` is seconds since 1970."""
        signature = headers.get(self._signature_name)
        if signature is None:
            return Rejection.missing_signature
        text: str | None = ""
        if self._timestamp_name is not None:
            text = headers.get(self._timestamp_name)
        elif self._timestamp_prefix is not None:
            text = self._time_entry(signature)
        if text is None:
            return self._timeless
        if self._plain.fullmatch(text) is None:
            return Rejection.malformed_timestamp
        timestamp = text.encode("ascii")
        event_id = b""
        if self._id_name is not None:
            event_id = _ascii(headers.get(self._id_name, ""), LONGEST_ID)
            if not event_id:
                return Rejection.malformed_id if self._id_name in headers else Rejection.missing_id
        given = _ascii(signature, LONGEST_SIGNATURE_HEADER)
        expected = self._prefix + self._encoded(timestamp, event_id, body)
        if not hmac.compare_digest(given, expected) and not self._listed(given, expected):
            return Rejection.wrong_signature if self._well_formed(given) else Rejection.malformed_signature
        return self._outside(timestamp, body, now_s) if self._tolerance_s else None

    def _outside(self, timestamp: bytes, body: bytes, now_s: float) -> Rejection | None:  # noqa: ARG002
        """Whether the time of a genuine delivery lies outside the window, which is on."""
        age_s = now_s - int(timestamp) / self._units_per_s
        if -self._tolerance_s <= age_s <= self._tolerance_s:
            return None
        return Rejection.future if age_s < 0 else Rejection.stale

    def _time_entry(self, signature: str) -> str | None:
        """The timestamp inside the signature header; None where there is none, or more than one."""
        prefix = self._timestamp_prefix or b""
        entries = self._entries(_ascii(signature, LONGEST_SIGNATURE_HEADER))
        found = [entry for entry in entries if entry.startswith(prefix)]
        return found[0][len(prefix) :].decode("ascii") if len(found) == 1 else None

    def _entries(self, given: bytes) -> list[bytes]:
        if self._separator is None:
            return [given]
        # A header that came in several lines is joined by ", ", which is not part of any entry.
        return [entry.strip(b" ") for entry in given.split(self._separator)]

    def _listed(self, given: bytes, expected: bytes) -> bool:
        if self._separator is None:
            return False
        size = len(expected)
        return any(len(entry) == size and hmac.compare_digest(entry, expected) for entry in self._entries(given))

    def _well_formed(self, given: bytes) -> bool:
        """Whether a refused header has an entry of the right form: tells a wrong key from a wrong format."""
        prefix = self._prefix
        codes = [entry.removeprefix(prefix) for entry in self._entries(given) if entry.startswith(prefix)]
        return any(len(code) == self._size and self._pattern.fullmatch(code) for code in codes)


class DatedVerifier(Verifier):
    """Checks schemes whose time is a date, or stands in the body, where it is looked for in genuine bodies only."""

    __slots__ = ("_field", "_unit")

    def __init__(self, scheme: Scheme, secret: Secret, tolerance_s: float | None, url: str | None = None) -> None:
        """As `Verifier`."""
        super().__init__(scheme, secret, tolerance_s, url)
        timestamp = scheme.timestamp
        self._unit: Unit = timestamp.unit if timestamp else "s"
        self._field = timestamp.name if timestamp and timestamp.place == "body" else None

    def _outside(self, timestamp: bytes, body: bytes, now_s: float) -> Rejection | None:
        text = timestamp.decode("ascii") if self._field is None else body_timestamp(body, self._field)
        if text is None:
            return Rejection.missing_timestamp
        moment_s = unix_s(text, self._unit)
        if moment_s is None:
            return Rejection.malformed_timestamp
        if abs(now_s - moment_s) <= self._tolerance_s:
            return None
        return Rejection.future if moment_s > now_s else Rejection.stale


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

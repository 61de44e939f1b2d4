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
from loadsim.signing.moments import rfc3339_s, unix_s

if TYPE_CHECKING:
    from loadsim.signing.description import Scheme

LONGEST_SIGNATURE_HEADER = 16_384
LONGEST_ID = 256
LONGEST_TIMESTAMP = 40
_TIMESTAMP_DIGITS = 15
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
        "_encoded", "_id_name", "_longest_timestamp", "_pattern", "_prefix", "_separator", "_signature_name", "_size",
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
        self._longest_timestamp = _TIMESTAMP_DIGITS
        self._id_name = scheme.id_headers[0].lower() if scheme.signs_id else None
        self._units_per_s = NS_PER_S // timestamp.tick_ns if timestamp else 1
        self._tolerance_s = tolerance_s or 0
        self._pattern = _PATTERNS[scheme.encoding]
        self._size = len(mac.encoded(b"", b"", b""))

    def verify(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Rejection | None:
        """None when genuine. `headers` is looked up by lower-case name; `now_s` is seconds since 1970."""
        signature = headers.get(self._signature_name)
        if signature is None:
            return Rejection.missing_signature
        timestamp = event_id = b""
        text = None
        if self._timestamp_name is not None:
            text = headers.get(self._timestamp_name)
            if text is None:
                return Rejection.missing_timestamp
        elif self._timestamp_prefix is not None:
            text = self._time_entry(signature)
            if text is None:
                return Rejection.malformed_signature
        if text is not None:
            timestamp = _ascii(text, self._longest_timestamp)
            # bytes.isdigit is ASCII only; a leading zero would be a second spelling of the same time.
            plain = timestamp.isdigit() and (timestamp[0] != 0x30 or len(timestamp) == 1)
            if not plain and not self._is_dated(timestamp):
                return Rejection.malformed_timestamp
        if self._id_name is not None:
            text = headers.get(self._id_name)
            if text is None:
                return Rejection.missing_id
            event_id = _ascii(text, LONGEST_ID)
            if not event_id:
                return Rejection.malformed_id
        given = _ascii(signature, LONGEST_SIGNATURE_HEADER)
        expected = self._prefix + self._encoded(timestamp, event_id, body)
        if not hmac.compare_digest(given, expected) and not self._listed(given, expected):
            return Rejection.wrong_signature if self._well_formed(given) else Rejection.malformed_signature
        if self._tolerance_s and timestamp:
            age_s = now_s - int(timestamp) / self._units_per_s
            if age_s > self._tolerance_s:
                return Rejection.stale
            if age_s < -self._tolerance_s:
                return Rejection.future
        return None

    def _is_dated(self, timestamp: bytes) -> bool:  # noqa: ARG002 - the form that takes dates overrides this
        return False

    def _time_entry(self, signature: str) -> str | None:
        """The timestamp inside the signature header; None where there is none, or more than one."""
        given = _ascii(signature, LONGEST_SIGNATURE_HEADER)
        prefix = self._timestamp_prefix or b""
        found = [entry for entry in self._entries(given) if entry.startswith(prefix)]
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

    __slots__ = ("_field", "_unit", "_window_s")

    def __init__(self, scheme: Scheme, secret: Secret, tolerance_s: float | None, url: str | None = None) -> None:
        """As `Verifier`; the scheme has a timestamp."""
        super().__init__(scheme, secret, None, url)
        if scheme.timestamp is None:
            raise ValueError(f"scheme {scheme.name} has no timestamp")
        self._unit = scheme.timestamp.unit
        self._field = scheme.timestamp.name if scheme.timestamp.place == "body" else None
        self._window_s = tolerance_s or 0
        self._longest_timestamp = LONGEST_TIMESTAMP if self._unit == "rfc3339" else _TIMESTAMP_DIGITS

    def verify(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Rejection | None:
        """As `Verifier.verify`."""
        rejection = super().verify(headers, body, now_s)
        if rejection is not None or not self._window_s:
            return rejection
        moment = self._moment(headers, body)
        if isinstance(moment, Rejection):
            return moment
        if now_s - moment > self._window_s:
            return Rejection.stale
        return Rejection.future if moment - now_s > self._window_s else None

    def _is_dated(self, timestamp: bytes) -> bool:
        return self._unit == "rfc3339" and rfc3339_s(timestamp) is not None

    def _time_text(self, headers: Mapping[str, str]) -> str | None:
        if self._timestamp_name is not None:
            return headers.get(self._timestamp_name)
        return self._time_entry(headers.get(self._signature_name, ""))

    def _moment(self, headers: Mapping[str, str], body: bytes) -> float | Rejection:
        """Seconds since 1970, or why there is no telling."""
        if self._field is None:
            found: object = self._time_text(headers)
        else:
            try:
                document = orjson.loads(body)
            except orjson.JSONDecodeError:
                return Rejection.missing_timestamp
            if not isinstance(document, dict) or self._field not in document:
                return Rejection.missing_timestamp
            found = document[self._field]
        moment = None
        if isinstance(found, int | str) and not isinstance(found, bool):
            moment = unix_s(_ascii(str(found), LONGEST_TIMESTAMP), self._unit)
        return Rejection.malformed_timestamp if moment is None else moment


def _ascii(text: str, longest: int) -> bytes:
    """`text` as bytes, or nothing where it is too long or not ASCII; nothing is never a valid field."""
    if len(text) > longest:
        return b""
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        return b""

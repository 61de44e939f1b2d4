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

from loadsim.model import NS_PER_S, Secret
from loadsim.signing.mac import MessageMac

if TYPE_CHECKING:
    from loadsim.signing.description import Scheme

LONGEST_SIGNATURE_HEADER = 16_384
LONGEST_ID = 256
_TIMESTAMP_DIGITS = 15
_HEX = re.compile(rb"[0-9a-f]+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")


class Rejection(enum.Enum):
    """Why a delivery is refused; the value says it in words."""

    missing_signature = "the signature header is missing"
    missing_timestamp = "the timestamp header is missing"
    missing_id = "the id header is missing"
    malformed_signature = "the signature header is not in the scheme's form"
    malformed_timestamp = "the timestamp is not a plain decimal integer"
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
        "_digits", "_encoded", "_id_name", "_pattern", "_prefix", "_separator", "_signature_name", "_size",
        "_timestamp_name", "_tolerance_s", "_units_per_s",
    )  # fmt: skip

    def __init__(self, scheme: Scheme, secret: Secret, tolerance_s: float | None) -> None:
        """`tolerance_s` None or 0 accepts any time."""
        mac = MessageMac(scheme, secret)
        self._encoded = mac.encoded
        self._prefix = scheme.signature.prefix
        self._separator = scheme.signature.separator
        self._signature_name = scheme.signature.name.lower()
        self._timestamp_name = scheme.timestamp.name.lower() if scheme.timestamp else None
        self._id_name = scheme.id_header.lower() if scheme.id_header and scheme.signs_id else None
        self._units_per_s = NS_PER_S // scheme.timestamp.unit_ns if scheme.timestamp else 1
        self._tolerance_s = tolerance_s or 0
        self._pattern = _BASE64 if scheme.encoding == "base64" else _HEX
        self._size = len(mac.encoded(b"", b"", b""))

    def verify(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Rejection | None:
        """None when genuine. `headers` is looked up by lower-case name; `now_s` is seconds since 1970."""
        signature = headers.get(self._signature_name)
        if signature is None:
            return Rejection.missing_signature
        timestamp = event_id = b""
        if self._timestamp_name is not None:
            text = headers.get(self._timestamp_name)
            if text is None:
                return Rejection.missing_timestamp
            timestamp = _ascii(text, _TIMESTAMP_DIGITS)
            # bytes.isdigit is ASCII only; a leading zero would be a second spelling of the same time.
            if not timestamp.isdigit() or (timestamp[0] == 0x30 and len(timestamp) > 1):
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

    def _listed(self, given: bytes, expected: bytes) -> bool:
        if self._separator is None:
            return False
        return any(hmac.compare_digest(entry, expected) for entry in given.split(self._separator))

    def _well_formed(self, given: bytes) -> bool:
        """Whether a refused header has an entry of the right form: tells a wrong key from a wrong format."""
        entries = [given] if self._separator is None else given.split(self._separator)
        codes = [entry.removeprefix(self._prefix) for entry in entries if entry.startswith(self._prefix)]
        return any(len(code) == self._size and self._pattern.fullmatch(code) for code in codes)


def _ascii(text: str, longest: int) -> bytes:
    """`text` as bytes, or nothing where it is too long or not ASCII; nothing is never a valid field."""
    if len(text) > longest:
        return b""
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        return b""

"""Verifies deliveries: is one genuine, and if not, why?

It works on the raw bytes before anything parses them, compares in constant time, and computes one code per delivery, no
matter how many signatures the header lists. Every input gives None or a `Rejection`: it never raises on anything a
sender can send. The time is an argument.
"""

from __future__ import annotations

import enum
import functools
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from hmac import compare_digest
from typing import TYPE_CHECKING, Protocol

import msgspec

from loadsim.model import Secret
from loadsim.signing.mac import Code, MessageMac
from loadsim.signing.message_parts import Delivered, Headers, PartError
from loadsim.signing.timestamps import TimestampReader, Unit, unix_s

if TYPE_CHECKING:
    from loadsim.signing.scheme_data import SchemeData

LONGEST_SIGNATURE_HEADER = 16_384
MOST_ENTRIES = 400
"""Most entries in one signature header. No specification sets a limit; providers that rotate a secret send two or
three. The longest header cannot hold this many SHA-256 signatures, but it can hold 16,384 separators, and checking
those would cost as much as a thousand deliveries.
"""
LONGEST_ID = 256
FORMS = {
    "hex": rb"[0-9a-f]+",
    "HEX": rb"[0-9A-F]+",
    "text": rb"[ -~]+",
    "base64": rb"[A-Za-z0-9+/]+={0,2}",
    "base64url": rb"[A-Za-z0-9_-]+",
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
    wrong_claim = "a claim of the token is another one: it was made for something else"

    @property
    def status(self) -> int:
        """The HTTP status that a receiver answers with."""
        return 400 if self.name.startswith("missing") else 401

    @property
    def text(self) -> str:
        """The line that a receiver answers with; it gives a forger no details."""
        if self.status == 400:
            return "Missing signature"
        if self in (Rejection.stale, Rejection.future):
            return "Timestamp outside tolerance"
        return "Invalid signature"


_Last = tuple[object, float, Code]
"""A timestamp's text as in the header, seconds since 1970, and the function that computes the codes of its
deliveries."""


class Checker(Protocol):
    """Checks deliveries: one of the verifiers, or something that combines several."""

    @property
    def header_names(self) -> tuple[str, ...]:
        """The headers that `verify` needs, lower case; a caller may leave out all others."""

    def verify(self, headers: Headers, body: bytes, now_s: float) -> Rejection | None:
        """None when genuine. `headers` is looked up by lower-case name; `now_s` is seconds since 1970."""


class AnyVerifier:
    """Accepts what one of several verifiers accepts: several signature headers, or several forms of the key."""

    __slots__ = ("_verifiers", "header_names")

    def __init__(self, verifiers: Sequence[Checker]) -> None:
        self._verifiers = tuple(verifiers)
        names = (name for verifier in verifiers for name in verifier.header_names)
        self.header_names: tuple[str, ...] = tuple(dict.fromkeys(names))

    def verify(self, headers: Headers, body: bytes, now_s: float) -> Rejection | None:
        """As `Verifier.verify`; the reason of a refusal is the first that is not a missing header."""
        reasons: list[Rejection] = []
        for verifier in self._verifiers:
            rejection = verifier.verify(headers, body, now_s)
            if rejection is None:
                return None
            reasons.append(rejection)
        return next((reason for reason in reasons if reason is not Rejection.missing_signature), reasons[0])


class Verifier:
    """Verifies deliveries under one key. Threads may share it."""

    __slots__ = (
        "_accepts",
        "_between",
        "_form",
        "_id_name",
        "_is_stamped",
        "_last",
        "_mac",
        "_prefix",
        "_separator",
        "_signature",
        "_signature_name",
        "_stamp_prefix",
        "_time_name",
        "_timestamps",
        "_tolerance_s",
        "header_names",
    )  # fmt: skip

    def __init__(self, scheme: SchemeData, secret: Secret, tolerance_s: float | None, url: str | None = None) -> None:
        """`tolerance_s` None or 0 accepts any time; `url` is needed by schemes that sign it."""
        mac = self._mac = MessageMac(scheme, secret, url)
        timestamp = scheme.timestamp if scheme.timestamp and scheme.timestamp.place != "body" else None
        self._accepts: Verifier | None = (
            None if scheme.accepts is None else Verifier(scheme.accepts, secret, tolerance_s, url)
        )
        others = () if self._accepts is None else self._accepts.header_names
        self.header_names: tuple[str, ...] = scheme.header_names() + others
        """The headers that `verify` needs, lower case; a caller may leave out all others."""
        self._prefix = scheme.signature.prefix.decode()
        self._signature = scheme.signature
        self._separator = scheme.signature.separator
        self._between = (scheme.signature.separator or b"").decode()
        self._signature_name = scheme.signature.name.lower()
        self._id_name = scheme.id_headers[0].lower() if scheme.signs_id else None
        self._time_name = timestamp.name.lower() if timestamp and timestamp.place == "header" else None
        self._stamp_prefix = (scheme.signature.timestamp_prefix or b"").decode() if timestamp else ""
        self._is_stamped = timestamp is not None
        self._timestamps = TimestampReader(timestamp.unit if timestamp else "s", self._stamp_prefix)
        self._tolerance_s = (tolerance_s or math.inf) if timestamp else math.inf
        self._form = re.compile(re.escape(scheme.signature.prefix) + FORMS[scheme.encoding])
        # Deliveries with one timestamp share this tuple. It is replaced as a whole, so threads never see half of it.
        self._last: _Last = (object(), 0.0, mac.at(b""))

    def verify(  # noqa: C901 - the hot path: a call costs more than a check
        self, headers: Headers, body: bytes, now_s: float
    ) -> Rejection | None:
        """None when genuine. `headers` is looked up by lower-case name; `now_s` is seconds since 1970."""
        signature = headers.get(self._signature_name)
        if signature is None:
            if self._accepts is not None:
                return self._accepts.verify(headers, body, now_s)
            return Rejection.missing_signature
        last, given = self._last, signature
        if self._is_stamped:
            name = self._time_name
            text: str | None
            if name is not None:
                text = headers.get(name)
            else:
                text, _, given = signature.partition(self._between)
            if text != last[0]:
                found = self._read_timestamp(text, signature)
                if isinstance(found, Rejection):
                    return found
                last = found
        _, signed_s, code = last
        event_id = b""
        if self._id_name is not None:
            id_text = headers.get(self._id_name)
            if id_text is None:
                return Rejection.missing_id
            event_id = ascii_bytes(id_text, LONGEST_ID)
            if not event_id:
                return Rejection.malformed_id
        expected = self._prefix + code(event_id, body)
        try:
            is_right = compare_digest(given, expected)
        except TypeError:  # compare_digest accepts ASCII only
            is_right = False
        if not is_right:
            rejection = self._refusal(signature, expected.encode("ascii"))
            if rejection is not None:
                return rejection
        tolerance_s = self._tolerance_s
        if -tolerance_s <= now_s - signed_s <= tolerance_s:
            return None
        return Rejection.stale if signed_s < now_s else Rejection.future

    def _read_timestamp(self, text: str | None, signature: str) -> _Last | Rejection:
        """Read the timestamp and store it in `_last`.

        `text` is the timestamp header or the first entry of the signature header; if that is not a timestamp, the other
        entries of the signature header are searched.
        """
        if text is None:
            return Rejection.missing_timestamp
        found = self._timestamps.read(text)
        if found is None and self._time_name is None:
            if not self._stamp_prefix:  # a bare timestamp has no name by which it could be found elsewhere
                return Rejection.malformed_timestamp
            entries = self._time_entries(self._entries(signature))
            if len(entries) != 1:
                return Rejection.malformed_signature
            text = entries[0].decode("ascii")
            found = self._timestamps.read(text)
        if found is None:
            return Rejection.malformed_timestamp
        timestamp, signed_s = found
        last = self._last = (text, signed_s, self._mac.at(timestamp))
        return last

    def _time_entries(self, entries: Iterable[bytes]) -> list[bytes]:
        prefix = self._stamp_prefix.encode()
        return [entry for entry in entries if entry.startswith(prefix)]

    def _entries(self, signature: str) -> list[bytes]:
        """The entries of the header; empty when it is too long, has too many entries or is not ASCII."""
        given = ascii_bytes(signature, LONGEST_SIGNATURE_HEADER)
        if self._separator is None:
            return [given]
        if given.count(self._separator) >= MOST_ENTRIES:
            return []
        entries = given.split(self._separator)
        if self._separator != b" " and b" " in given:
            # A header sent in several lines is joined by ", "; the blank is not part of an entry.
            entries = [entry.strip(b" ") for entry in entries]
        return self._signature.prefixed(entries)

    def _refusal(self, signature: str, expected: bytes) -> Rejection | None:
        """None when one of several signatures is the expected one; else whether the signature or its form is wrong."""
        entries = self._entries(signature)
        if self._stamp_prefix and len(self._time_entries(entries)) != 1:
            return Rejection.malformed_signature
        alike = [entry for entry in entries if len(entry) == len(expected)]
        # All are compared: stopping at the right one would reveal its position.
        if self._separator is not None and sum(map(compare_digest, alike, itertools.repeat(expected))):
            return None
        return Rejection.wrong_signature if any(map(self._form.fullmatch, alike)) else Rejection.malformed_signature


class BodyTimeVerifier(Verifier):
    """Verifies schemes with the timestamp in the body. It is read from genuine bodies only."""

    __slots__ = ("_field", "_unit", "_window_s")

    def __init__(self, scheme: SchemeData, secret: Secret, tolerance_s: float | None, url: str | None = None) -> None:
        """As `Verifier`, for a scheme that has a timestamp."""
        super().__init__(scheme, secret, None, url)
        if scheme.timestamp is None:
            raise ValueError(f"scheme {scheme.name} has no timestamp")
        self._field, self._unit = scheme.timestamp.name, scheme.timestamp.unit
        self._window_s = tolerance_s or 0

    def verify(self, headers: Headers, body: bytes, now_s: float) -> Rejection | None:
        """As `Verifier.verify`."""
        rejection = super().verify(headers, body, now_s)
        if rejection is not None or not self._window_s:
            return rejection
        signed_s = time_in_body(body, self._field, self._unit)
        return signed_s if isinstance(signed_s, Rejection) else outside_window(signed_s, now_s, self._window_s)


def outside_window(signed_s: float, now_s: float, window_s: float) -> Rejection | None:
    """Whether a timestamp is too far from now; None where it is not."""
    if abs(now_s - signed_s) <= window_s:
        return None
    return Rejection.future if signed_s > now_s else Rejection.stale


def time_in_body(body: bytes, field: str, unit: Unit) -> float | Rejection:
    """The timestamp in a field of the body, seconds since 1970, or what is wrong with it."""
    text = body_timestamp(body, field)
    if text is None:
        return Rejection.missing_timestamp
    signed_s = unix_s(text, unit)
    return Rejection.malformed_timestamp if signed_s is None else signed_s


def body_timestamp(body: bytes, field: str) -> str | None:
    """A field of a JSON body as text: the value of a string, else the JSON text; None without the field. It stands at
    the top, or `field` is its path."""
    if "." in field:
        try:
            return Delivered(body, None).json(field).decode() or None
        except (PartError, UnicodeDecodeError):
            return None
    try:
        written = bytes(_finder(field).decode(body).found)
        if written.startswith(b'"'):
            return msgspec.json.decode(written, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return written.decode("ascii", "replace") or None


class _Body(Protocol):
    @property
    def found(self) -> msgspec.Raw: ...


@functools.cache
def _finder(field: str) -> msgspec.json.Decoder[_Body]:
    """A decoder that reads one field and builds nothing else: half of the cost of parsing."""
    wanted = (msgspec.Raw, msgspec.field(name=field, default=msgspec.Raw()))
    return msgspec.json.Decoder(msgspec.defstruct("Body", [("found", *wanted)]))


def ascii_bytes(text: str, longest: int) -> bytes:
    """`text` as bytes; empty, which is never a valid field, when it is too long or not ASCII."""
    if len(text) > longest:
        return b""
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        return b""

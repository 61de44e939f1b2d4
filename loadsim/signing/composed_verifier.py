"""Verifies deliveries of schemes that are not of the usual form: messages of any parts, signatures in the body, and
algorithms of any kind. `verify.Verifier` is the fast way for the others, with the same rules."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loadsim.model import Secret
from loadsim.signing.algorithms import algorithm_of
from loadsim.signing.body_fields import field_of
from loadsim.signing.mac import message_of
from loadsim.signing.message_parts import Delivered, Headers, PartError
from loadsim.signing.timestamps import unix_s
from loadsim.signing.verify import (
    FORMS,
    LONGEST_ID,
    LONGEST_SIGNATURE_HEADER,
    MOST_ENTRIES,
    Rejection,
    ascii_bytes,
    outside_window,
    time_in_body,
)

if TYPE_CHECKING:
    from loadsim.signing.scheme_data import SchemeData


class ComposedVerifier:
    """Verifies deliveries under one key. Threads may share it."""

    def __init__(self, scheme: SchemeData, secret: Secret, tolerance_s: float | None, url: str | None = None) -> None:
        """As `Verifier`."""
        self._scheme, self._signature = scheme, scheme.signature
        self._accepts = None if scheme.accepts is None else ComposedVerifier(scheme.accepts, secret, tolerance_s, url)
        others = () if self._accepts is None else self._accepts.header_names
        self.header_names: tuple[str, ...] = tuple(dict.fromkeys(scheme.header_names() + others))
        algorithm = algorithm_of(scheme, secret)
        self._is_among, self._length = algorithm.is_among, algorithm.length
        self._compose = message_of(scheme, url)
        self._tolerance_s = tolerance_s or math.inf
        self._form = re.compile(FORMS[scheme.encoding])
        self._id_name = scheme.id_headers[0].lower() if scheme.signs_id else None

    def verify(self, headers: Headers, body: bytes, now_s: float) -> Rejection | None:
        """As `Verifier.verify`."""
        signature = self._given(headers, body)
        if signature is None:
            return Rejection.missing_signature if self._accepts is None else self._accepts.verify(headers, body, now_s)
        entries = self._entries(signature)
        time = self._time(headers, entries)
        if isinstance(time, Rejection):
            return time
        event_id = self._id(headers)
        if isinstance(event_id, Rejection):
            return event_id
        prefix = self._signature.prefix
        codes = [entry[len(prefix) :] for entry in entries if entry.startswith(prefix)]
        length, form = self._length, self._form
        codes = [code for code in codes if (length is None or len(code) == length) and form.fullmatch(code)]
        if not codes:
            return Rejection.malformed_signature
        try:
            message = self._compose(time[0], event_id, Delivered(body, headers))
        except PartError:
            return Rejection.wrong_signature
        if not self._is_among(message, codes):
            return Rejection.wrong_signature
        return self._judged(time[1], body, now_s)

    def _given(self, headers: Headers, body: bytes) -> str | None:
        place = self._signature.place
        if place == "header":
            return headers.get(self._signature.name.lower())
        return field_of(place, self._signature.name, body)

    def _entries(self, signature: str) -> list[bytes]:
        given, separator = ascii_bytes(signature, LONGEST_SIGNATURE_HEADER), self._signature.separator
        if separator is None:
            return [given]
        if given.count(separator) >= MOST_ENTRIES:
            return []
        entries = given.split(separator)
        if separator != b" ":
            entries = [entry.strip(b" ") for entry in entries]
        return self._signature.prefixed(entries)

    def _time(self, headers: Headers, entries: Sequence[bytes]) -> tuple[bytes, float | None] | Rejection:
        """The timestamp as it is signed, and seconds since 1970; None where it stands in the body, or nowhere."""
        timestamp = self._scheme.timestamp
        if timestamp is None or timestamp.place == "body":
            return b"", None
        if timestamp.place == "header":
            text = headers.get(timestamp.name.lower())
            if text is None:
                return Rejection.missing_timestamp
        else:
            prefix = timestamp.name.encode()
            found = [entry for entry in entries if entry.startswith(prefix)] if prefix else entries[:1]
            if len(found) != 1:
                return Rejection.malformed_signature
            text = found[0][len(prefix) :].decode("ascii")
        signed_s = unix_s(text, timestamp.unit)
        return Rejection.malformed_timestamp if signed_s is None else (text.encode("ascii"), signed_s)

    def _id(self, headers: Headers) -> bytes | Rejection:
        if self._id_name is None:
            return b""
        text = headers.get(self._id_name)
        if text is None:
            return Rejection.missing_id
        return ascii_bytes(text, LONGEST_ID) or Rejection.malformed_id

    def _judged(self, signed_s: float | None, body: bytes, now_s: float) -> Rejection | None:
        """Whether a genuine delivery is inside the window."""
        timestamp = self._scheme.timestamp
        if timestamp is None or self._tolerance_s == math.inf:
            return None
        if timestamp.place == "body":
            found = time_in_body(body, timestamp.name, timestamp.unit)
            if isinstance(found, Rejection):
                return found
            signed_s = found
        return None if signed_s is None else outside_window(signed_s, now_s, self._tolerance_s)

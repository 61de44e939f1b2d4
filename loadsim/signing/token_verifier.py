"""Verifies deliveries that carry a JSON Web Token: its form, its signature, its claims, its times, in this order.

The algorithm is the scheme's, never the one that the token names. Nothing in the token's header chooses a key.
"""

from __future__ import annotations

import hmac
import math
import re
from binascii import a2b_base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from loadsim.model import Secret
from loadsim.signing.body_fields import field_of
from loadsim.signing.message_parts import Delivered, Headers, PartError
from loadsim.signing.token_codes import TokenKey, text_of, token_of
from loadsim.signing.verify import LONGEST_SIGNATURE_HEADER, Rejection, ascii_bytes, outside_window

if TYPE_CHECKING:
    from loadsim.signing.scheme_data import SchemeData
    from loadsim.signing.tokens import Claim, Token

_FORM = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

_STANDARD = bytes.maketrans(b"-_", b"+/")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST = (_ALPHABET, b"", _ALPHABET[::16], _ALPHABET[::4])
"""The characters that may end a segment, by its length modulo 4: the bits that hold nothing are zero."""


class ReadToken(NamedTuple):
    """A token as it came; nothing in it is verified."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def read_token(text: bytes) -> ReadToken | None:
    """The token in its one spelling; None for anything else."""
    if _FORM.fullmatch(text) is None:
        return None
    signed, _, signature = text.rpartition(b".")
    try:
        header, claims = (orjson.loads(_bytes_of(part)) for part in signed.split(b"."))
        found = ReadToken(header, claims, signed, _bytes_of(signature))
    except ValueError:
        return None
    return found if isinstance(header, dict) and isinstance(claims, dict) else None


def _bytes_of(part: bytes) -> bytes:
    """Raises ValueError for another spelling of the same bytes: a token could be sent again in it."""
    if part[-1] not in _LAST[len(part) % 4]:
        raise ValueError("not the one spelling")
    return a2b_base64(part.translate(_STANDARD) + b"==")


class TokenVerifier:
    """Verifies deliveries under one key. Threads may share it."""

    def __init__(self, scheme: SchemeData, secret: Secret, tolerance_s: float | None, url: str | None = None) -> None:
        """As `Verifier`; without a tolerance no time is judged, `exp` neither."""
        self._signature, self._token = scheme.signature, token_of(scheme)
        self._accepts = None if scheme.accepts is None else TokenVerifier(scheme.accepts, secret, tolerance_s, url)
        others = () if self._accepts is None else self._accepts.header_names
        self.header_names: tuple[str, ...] = tuple(dict.fromkeys(scheme.header_names() + others))
        self._key, self._times = TokenKey(scheme, secret), self._token.times
        checked = [claim for claim in self._token.claims if claim.is_checked]
        self._fixed = [(claim.name, claim.value) for claim in checked if not claim.parts]
        self._composed = [(claim.name, text_of(scheme, claim, url)) for claim in checked if claim.parts]
        self._covers_body = {claim.name for claim in checked if any(map(scheme.is_of_body, claim.parts))}
        self._tolerance_s = tolerance_s or math.inf

    def verify(self, headers: Headers, body: bytes, now_s: float) -> Rejection | None:
        """As `Verifier.verify`."""
        place, name = self._signature.place, self._signature.name
        given = headers.get(name.lower()) if place == "header" else field_of(place, name, body)
        if given is None:
            return Rejection.missing_signature if self._accepts is None else self._accepts.verify(headers, body, now_s)
        text, prefix = ascii_bytes(given, LONGEST_SIGNATURE_HEADER), self._signature.prefix
        token = read_token(text[len(prefix) :]) if text.startswith(prefix) else None
        if token is None or not is_of_form(token, self._token):
            return Rejection.malformed_signature
        if not self._key.verify(token.signed, token.signature):
            return Rejection.wrong_signature
        return self._of_claims(token.claims, headers, body) or outside(
            self._times, token.claims, now_s, self._tolerance_s
        )

    def _of_claims(self, claims: dict[str, Any], headers: Headers, body: bytes) -> Rejection | None:
        for name, value in self._fixed:
            if not is_value(claims.get(name), value):
                return Rejection.wrong_claim
        delivered = Delivered(body, headers)
        for name, compose in self._composed:
            try:
                expected = compose(b"", b"", delivered)
            except PartError:
                return Rejection.wrong_signature
            if not is_text(claims.get(name), expected):
                return Rejection.wrong_signature if name in self._covers_body else Rejection.wrong_claim
        return None


def is_of_form(token: ReadToken, described: Token) -> bool:
    """Whether its header is one that the scheme sends: its algorithm, and nothing that must be understood."""
    return token.header.get("alg") == described.algorithm and "crit" not in token.header


def is_value(given: object, expected: object) -> bool:
    """Whether a claim has a value; of a list, such as an `aud` with several audiences, one must be it."""
    values = given if isinstance(given, list) else [given]
    return any(type(value) is type(expected) and value == expected for value in values)


def is_text(given: object, expected: bytes) -> bool:
    """Whether a claim is a text; padding of base64 is left out by some and not by others."""
    values = given if isinstance(given, list) else [given]
    wanted = expected.rstrip(b"=")
    return any(
        isinstance(value, str) and hmac.compare_digest(value.encode("utf-8", "replace").rstrip(b"="), wanted)
        for value in values
    )


def outside(described: Sequence[Claim], claims: dict[str, Any], now_s: float, tolerance_s: float) -> Rejection | None:
    """Whether the times of a genuine token are wrong: missing, of another form, or too far from now."""
    times: dict[str, float] = {}
    for claim in described:
        value = claims.get(claim.name)
        if value is None:
            return Rejection.missing_timestamp
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Rejection.malformed_timestamp
        times[claim.name] = value
    if not times or tolerance_s == math.inf:
        return None
    if times.get("exp", math.inf) <= now_s:
        return Rejection.stale
    if times.get("nbf", -math.inf) - now_s > tolerance_s:
        return Rejection.future
    first = described[0]
    return outside_window(times[first.name] - (first.offset_s or 0), now_s, tolerance_s)

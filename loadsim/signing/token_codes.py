"""Makes the tokens of deliveries (JWS in its compact form, RFC 7515), and checks their signatures.

The only file that uses the package PyJWT, which is part of an extra: for the algorithms of tokens.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from loadsim.extras import install
from loadsim.model import Secret, UsageError
from loadsim.signing.mac import composed, derive_key
from loadsim.signing.message_parts import Compose, Delivered, Headers, OwnHeaders, PartError
from loadsim.signing.tokens import KEY_PAIRS, Claim, Token

if TYPE_CHECKING:
    from loadsim.signing.scheme_data import SchemeData


class TokenKey:
    """The algorithm of a scheme's tokens under one key. Threads may share it."""

    __slots__ = ("_algorithm", "_name", "_private", "_public")

    def __init__(self, scheme: SchemeData, secret: Secret) -> None:
        """Raises UsageError for a secret in the wrong form, or without the packages."""
        token, self._name = token_of(scheme), scheme.name
        if token.algorithm in KEY_PAIRS:
            from loadsim.signing.asymmetric import KeyPair

            pair = KeyPair(KEY_PAIRS[token.algorithm], secret, scheme.name)
            self._algorithm = _algorithm(token, scheme.name)
            self._private, self._public = pair.private if pair.is_private else None, pair.public
            return
        self._algorithm = _algorithm(token, scheme.name)
        key = derive_key(scheme, secret)
        try:
            self._private = self._public = self._algorithm.prepare_key(key)
        except Exception as error:
            if not type(error).__module__.startswith("jwt."):
                raise
            raise UsageError(
                f"the secret cannot be the key of {token.algorithm}: scheme {scheme.name} needs a shared secret, "
                "not a key pair, a certificate or a JWK"
            ) from None

    def sign(self, message: bytes) -> bytes:
        """Raises UsageError for a public key."""
        if self._private is None:
            raise UsageError(f"the key is a public one: scheme {self._name} needs the private key to sign")
        signature: bytes = self._algorithm.sign(message, self._private)
        return signature

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature belongs to the message. Never raises."""
        return bool(self._algorithm.verify(message, self._public, signature))

    def public_jwk(self) -> dict[str, str]:
        """The public key as a JSON Web Key (RFC 7517)."""
        found: dict[str, str] = self._algorithm.to_jwk(self._public, as_dict=True)
        return {name: value for name, value in found.items() if name != "key_ops"}


Make = Callable[[int, bytes, Delivered], str | int]


class TokenCodes:
    """Makes the tokens of deliveries under one secret. Threads may share it."""

    __slots__ = ("_claims", "_head", "_headers", "_is_of_time_alone", "_key", "_last", "_name")

    def __init__(
        self,
        scheme: SchemeData,
        secret: Secret,
        url: str | None = None,
        *,
        own: OwnHeaders | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Arguments as `ComposedCodes`. Raises UsageError."""
        token = token_of(scheme)
        self._name, self._headers = scheme.name, headers
        self._key = TokenKey(scheme, secret)
        self._key.sign(b"")  # a public key cannot sign: that is reported here, before the first delivery
        self._head = segment({"alg": token.algorithm, "typ": "JWT"} | dict(token.header)) + b"."
        # Signed once a second, as the provider does too: it may be dear. Replaced whole, for other threads.
        self._is_of_time_alone, self._last = token.is_of_time_alone, (b"none", "")
        self._claims = [(claim.name, _maker(scheme, claim, url, own)) for claim in token.claims]

    def code(self, timestamp: bytes, event_id: bytes, body: bytes) -> str:
        """The token of a delivery. Raises UsageError for a body that lacks a part."""
        last_time, last = self._last
        if self._is_of_time_alone and last_time == timestamp:
            return last
        made = self._made(timestamp, event_id, body)
        self._last = timestamp, made
        return made

    def _made(self, timestamp: bytes, event_id: bytes, body: bytes) -> str:
        delivered, now_s = Delivered(body, self._headers), int(timestamp or 0)
        try:
            claims = {name: make(now_s, event_id, delivered) for name, make in self._claims}
        except PartError as error:
            raise UsageError(f"scheme {self._name} cannot sign this event: {error}") from None
        message = self._head + segment(claims)
        return (message + b"." + base64url(self._key.sign(message))).decode("ascii")

    def codes(self, timestamp: bytes, bodies: Sequence[bytes]) -> list[str]:
        """The tokens of several bodies signed at one time, for a token without the event's id."""
        return [self.code(timestamp, b"", body) for body in bodies]


def token_of(scheme: SchemeData) -> Token:
    """The token that the scheme sends. Raises ValueError where it sends none."""
    if scheme.token is None:
        raise ValueError(f"scheme {scheme.name} sends no token")
    return scheme.token


def text_of(scheme: SchemeData, claim: Claim, url: str | None, own: OwnHeaders | None = None) -> Compose:
    """The function that makes a claim of parts of the delivery. Raises UsageError as `message_parts.compiled`."""
    return composed(scheme, claim.parts, url, own)


def segment(value: dict[str, Any]) -> bytes:
    """JSON as one segment of a token."""
    return base64url(orjson.dumps(value))


def base64url(data: bytes) -> bytes:
    """In base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _maker(scheme: SchemeData, claim: Claim, url: str | None, own: OwnHeaders | None) -> Make:
    value, offset_s = claim.value, claim.offset_s
    if value is not None:
        return lambda _, __, ___: value
    if offset_s is not None:
        return lambda now_s, _, __: now_s + offset_s
    compose = text_of(scheme, claim, url, own)
    return lambda now_s, event_id, delivered: compose(b"%d" % now_s, event_id, delivered).decode("utf-8", "replace")


def _algorithm(token: Token, scheme_name: str) -> Any:
    try:
        from jwt.algorithms import get_default_algorithms
    except ModuleNotFoundError:
        raise UsageError(
            f"scheme {scheme_name} sends a JSON Web Token, which needs the package pyjwt: {install('asymmetric')}"
        ) from None
    return get_default_algorithms()[token.algorithm]

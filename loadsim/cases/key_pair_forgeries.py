"""Forged signatures of key pairs: what a careless verifier of ECDSA, Ed25519 or RSA accepts without the private key."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from loadsim.model import Secret, SignedRequest
from loadsim.signing import Scheme
from loadsim.signing.algorithms import READERS, WRITERS
from loadsim.signing.asymmetric import KeyPair
from loadsim.signing.mac import message_of
from loadsim.signing.message_parts import Delivered

KEY_PAIR_FORGERY = "key_pair_forgery"
Forge = Callable[[SignedRequest, bytes], bytes]
"""(genuine request, its signature) -> the signature to send."""
_ZERO_DER = bytes.fromhex("3006020100020100")
"""DER of r = s = 0, which some verifiers of ECDSA accepted for every message (CVE-2022-21449)."""


def no_key_pair(scheme: Scheme) -> str:
    """Why the scheme cannot have these cases; empty: it can."""
    if scheme.token is not None:
        return "its signature is part of a token: see jwt_forgery"
    return "" if scheme.pair is not None else "it signs without a key pair"


def _public_key_as_secret(scheme: Scheme, secret: Secret, url: str | None) -> Forge:
    """An HMAC under the public key, which a verifier computes that lets the sender choose the algorithm."""
    key = KeyPair(scheme.algorithm, secret, scheme.name).public_text("pem").encode()
    compose, write = message_of(scheme, url), WRITERS[scheme.encoding]

    def forge(request: SignedRequest, _: bytes) -> bytes:
        headers = {name.lower(): value for name, value in request.header_pairs()}
        timestamp = scheme.timestamp
        time = headers.get(timestamp.name.lower(), "") if timestamp is not None else ""
        event_id = headers.get(scheme.id_headers[0].lower(), "") if scheme.id_headers else ""
        message = compose(time.encode(), event_id.encode(), Delivered(request.body, headers))
        return scheme.signature.prefix + write(hmac.digest(key, message, "sha256")).encode()

    return forge


def _zero(scheme: Scheme, *_: object) -> Forge:
    write, prefix = WRITERS[scheme.encoding], scheme.signature.prefix

    def forge(_: SignedRequest, value: bytes) -> bytes:
        size = len(READERS[scheme.encoding](value.removeprefix(prefix)))
        return prefix + write(_ZERO_DER if scheme.algorithm == "ecdsa-p256" else bytes(size)).encode()

    return forge


def _trailing_byte(scheme: Scheme, *_: object) -> Forge:
    write, prefix = WRITERS[scheme.encoding], scheme.signature.prefix
    return lambda _, value: prefix + write(READERS[scheme.encoding](value.removeprefix(prefix)) + b"\0").encode()


FORGERIES: dict[str, Callable[[Scheme, Secret, str | None], Forge]] = {
    "public_key_as_secret": _public_key_as_secret,
    "zero": _zero,
    "trailing_byte": _trailing_byte,
}
"""By the name of the part of the case."""


def forged(name: str, scheme: Scheme, secret: Secret, url: str | None) -> Forge:
    """One of FORGERIES for the deliveries of a scheme."""
    return FORGERIES[name](scheme, secret, url)

"""Forged signatures of key pairs: what a careless verifier of ECDSA, Ed25519 or RSA accepts without the private key."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from loadsim.cases.signed_message import message_of_request
from loadsim.model import Secret, SignedRequest
from loadsim.signing import Scheme
from loadsim.signing.algorithms import READERS, WRITERS
from loadsim.signing.asymmetric import KeyPair

KEY_PAIR_FORGERY = "key_pair_forgery"
Forge = Callable[[SignedRequest, bytes], bytes]
"""(genuine request, its signature) -> the signature to send."""
_ZERO_DER = bytes.fromhex("3006020100020100")
"""DER of r = s = 0, which some verifiers of ECDSA accepted for every message (CVE-2022-21449)."""
_P256_ORDER = bytes.fromhex("00ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
_ORDER_DER = b"\x30\x46" + 2 * (b"\x02\x21" + _P256_ORDER)
"""DER of r = s = n, which is zero modulo n."""
_ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
_IDENTITY = b"\1" + bytes(63)
"""R is the neutral point and s = 0: right for every message where the public key is not checked either."""


def no_key_pair(scheme: Scheme) -> str:
    """Why the scheme cannot have these cases; empty: it can."""
    if scheme.token is not None:
        return "its signature is part of a token: see jwt_forgery"
    return "" if scheme.pair is not None else "it signs without a key pair"


def _public_key_as_secret(scheme: Scheme, secret: Secret, url: str | None) -> Forge:
    """An HMAC under the public key, which a verifier computes that lets the sender choose the algorithm."""
    key = KeyPair(scheme.algorithm, secret, scheme.name).public_text("pem").encode()
    message, write = message_of_request(scheme, url), WRITERS[scheme.encoding]
    return lambda request, _: scheme.signature.prefix + write(hmac.digest(key, message(request), "sha256")).encode()


def _zero(scheme: Scheme, *_: object) -> Forge:
    write, prefix = WRITERS[scheme.encoding], scheme.signature.prefix

    def forge(_: SignedRequest, value: bytes) -> bytes:
        size = len(READERS[scheme.encoding](value.removeprefix(prefix)))
        return prefix + write(_ZERO_DER if scheme.algorithm == "ecdsa-p256" else bytes(size)).encode()

    return forge


def _trailing_byte(scheme: Scheme, *_: object) -> Forge:
    write, prefix = WRITERS[scheme.encoding], scheme.signature.prefix
    return lambda _, value: prefix + write(READERS[scheme.encoding](value.removeprefix(prefix)) + b"\0").encode()


def _constant(signature: bytes) -> Callable[..., Forge]:
    def of(scheme: Scheme, *_: object) -> Forge:
        sent = scheme.signature.prefix + WRITERS[scheme.encoding](signature).encode()
        return lambda *_: sent

    return of


def _s_plus_order(scheme: Scheme, *_: object) -> Forge:
    """The same signature with another number that stands for s, which RFC 8032 (5.1.7) says to refuse."""
    write, read, prefix = WRITERS[scheme.encoding], READERS[scheme.encoding], scheme.signature.prefix

    def forge(_: SignedRequest, value: bytes) -> bytes:
        signature = read(value.removeprefix(prefix))
        s = int.from_bytes(signature[32:], "little") + _ED25519_ORDER
        return prefix + write(signature[:32] + s.to_bytes(32, "little")).encode()

    return forge


_ANY = ("ed25519", "ecdsa-p256", "rsa-sha256", "rsa-sha1")
FORGERIES: dict[str, tuple[tuple[str, ...], Callable[[Scheme, Secret, str | None], Forge]]] = {
    "public_key_as_secret": (_ANY, _public_key_as_secret),
    "zero": (_ANY, _zero),
    "trailing_byte": (_ANY, _trailing_byte),
    "order": (("ecdsa-p256",), _constant(_ORDER_DER)),
    "small_order": (("ed25519",), _constant(_IDENTITY)),
    "s_plus_order": (("ed25519",), _s_plus_order),
}
"""By the name of the part of the case: the algorithms that it is for, and how it is made.

An RSA forgery after Bleichenbacher (2006) needs a public exponent of 3; the keys here have 65,537. A signature of ECDSA
with n - s in place of s is as valid as the other one (FIPS 186-5), so it is none.
"""


def applies(name: str, scheme: Scheme) -> bool:
    """Whether the scheme can have one of FORGERIES."""
    return scheme.algorithm in FORGERIES[name][0]


def forged(name: str, scheme: Scheme, secret: Secret, url: str | None) -> Forge:
    """One of FORGERIES for the deliveries of a scheme."""
    return FORGERIES[name][1](scheme, secret, url)

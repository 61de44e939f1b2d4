"""Forged JSON Web Tokens: what a careless receiver accepts without the key, or with a token made for somebody else."""

from __future__ import annotations

import base64
import dataclasses
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any

from loadsim.cases.genuine_requests import Make, Secrets, SigningProvider, Source, signed
from loadsim.cases.signature_places import signature_place
from loadsim.model import Secret, SignedRequest
from loadsim.signing import Scheme
from loadsim.signing.asymmetric import KeyPair, new_private_key
from loadsim.signing.token_codes import TokenKey, base64url, segment

JWT_FORGERY = "jwt_forgery"
Edit = Callable[[bytes, bytes, bytes], bytes]
"""(header, claims, signature), each as a segment of the genuine token -> the token to send."""
_OTHERS = {"iss": "https://issuer.other.example", "aud": "https://audience.other.example"}


def no_token(scheme: Scheme) -> str:
    """Why the scheme cannot have these cases; empty: it can."""
    return "" if scheme.token is not None else "it sends no JSON Web Token"


# -- without the key ------------------------------------------------------------------------------------------------


def _none(_: Scheme, __: Secret) -> Edit:
    """`alg: none` (RFC 7519, 6), for which some libraries checked nothing."""
    return lambda head, claims, _: _with(head, alg="none") + b"." + claims + b"."


def _none_in_other_letters(_: Scheme, __: Secret) -> Edit:
    """`alg: nOnE`, for receivers that refuse `none` by its spelling; the genuine signature stays."""
    return lambda head, claims, signature: b".".join((_with(head, alg="nOnE"), claims, signature))


def _stripped(_: Scheme, __: Secret) -> Edit:
    return lambda head, claims, _: head + b"." + claims + b"."


def _public_key_as_secret(scheme: Scheme, secret: Secret) -> Edit:
    """HS256 under the public key, which a receiver checks that takes the algorithm from the token (CVE-2015-9235)."""
    assert scheme.pair is not None  # noqa: S101 - see _problem
    key = KeyPair(scheme.pair, secret, scheme.name).public_text("pem").encode()

    def edit(head: bytes, claims: bytes, _: bytes) -> bytes:
        message = _with(head, alg="HS256") + b"." + claims
        return message + b"." + base64url(hmac.digest(key, message, "sha256"))

    return edit


def _embedded_key(scheme: Scheme, _: Secret) -> Edit:
    """Signed with a key of the sender's own, which stands in the header as `jwk` (CVE-2018-0114)."""
    assert scheme.pair is not None  # noqa: S101 - see _problem
    own = TokenKey(scheme, Secret(new_private_key(scheme.pair, scheme.name)))
    jwk = own.public_jwk()

    def edit(head: bytes, claims: bytes, _: bytes) -> bytes:
        message = _with(head, jwk=jwk) + b"." + claims
        return message + b"." + base64url(own.sign(message))

    return edit


def _changed_claims(_: Scheme, __: Secret) -> Edit:
    """Claims changed after signing."""
    return lambda head, claims, signature: b".".join((head, _with(claims, admin=True), signature))


def _segments(_: Scheme, __: Secret) -> Edit:
    """One segment too many, as in a token that is followed by another signature."""
    return lambda head, claims, signature: b".".join((head, claims, signature, signature))


def _with(part: bytes, **changes: Any) -> bytes:
    """A segment with other members."""
    return segment(json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))) | changes)


_EDITS: dict[str, Callable[[Scheme, Secret], Edit]] = {
    "none": _none,
    "none_in_other_letters": _none_in_other_letters,
    "stripped": _stripped,
    "public_key_as_secret": _public_key_as_secret,
    "embedded_key": _embedded_key,
    "changed_claims": _changed_claims,
    "segments": _segments,
}
KEYLESS = tuple(_EDITS)
"""Those that need no key."""
_NEEDS_PAIR = ("public_key_as_secret", "embedded_key")
# -- with the key, but for somebody else ----------------------------------------------------------------------------
_CLAIMS = {"other_audience": "aud", "other_issuer": "iss"}
"""Genuine in everything but one claim: a token that the provider made for another receiver."""

JWT_FORGERIES = (*_EDITS, *_CLAIMS)
"""The names of the parts of the case."""


def no_forgery(name: str) -> Callable[[Scheme], str]:
    """Why a scheme cannot have this part; empty: it can."""

    def problem(scheme: Scheme) -> str:
        if scheme.token is None:
            return no_token(scheme)
        if name in _NEEDS_PAIR and scheme.pair is None:
            return "its tokens are signed without a key pair"
        claim = _CLAIMS.get(name)
        checked = {each.name for each in scheme.token.claims if each.is_checked}
        return "" if claim is None or claim in checked else f"its tokens have no {claim}"

    return problem


def forged_tokens(
    names: Sequence[str], provider: SigningProvider, source: Source, topic: str, secrets: Secrets, genuine: Make
) -> Make:
    """Forged in each of these ways in turn, of those that the scheme can have."""
    usable = [name for name in names if not no_forgery(name)(provider.scheme)]
    makers = [
        _edited(provider, genuine, _EDITS[name](provider.scheme, provider.secret))
        if name in _EDITS
        else signed(source, _for_others(provider, _CLAIMS[name]).sign(source, topic, secrets))
        for name in usable
    ]
    return lambda index, now_ns: makers[index % len(makers)](index, now_ns)


def _edited(provider: SigningProvider, genuine: Make, edit: Edit) -> Make:
    place, prefix = signature_place(provider.scheme), provider.scheme.signature.prefix

    def make(index: int, now_ns: int) -> SignedRequest:
        request = genuine(index, now_ns)
        head, claims, signature = place.value(request).removeprefix(prefix).split(b".")
        return place.replaced(request, prefix + edit(head, claims, signature))

    return make


def _for_others(provider: SigningProvider, name: str) -> SigningProvider:
    """The provider, whose tokens have another value of a claim."""
    token = provider.scheme.token
    assert token is not None  # noqa: S101 - see no_forgery
    claims = tuple(
        dataclasses.replace(claim, value=_OTHERS[name], parts=()) if claim.name == name else claim
        for claim in token.claims
    )
    scheme = dataclasses.replace(provider.scheme, token=dataclasses.replace(token, claims=claims))
    return dataclasses.replace(provider, scheme=scheme)

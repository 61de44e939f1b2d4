"""Explains in words why a delivery with a JSON Web Token is refused: each finding is one plain line.

What a token says is a sender's text; it is shown printable and short. The secret is never shown.
"""

from __future__ import annotations

import datetime as dt
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from loadsim.model import Secret
from loadsim.signing.message_parts import Delivered, PartError
from loadsim.signing.misreadings import MISREADINGS
from loadsim.signing.token_codes import TokenKey, text_of, token_of
from loadsim.signing.token_verifier import ReadToken, is_text, is_value, read_token
from loadsim.signing.tokens import ALWAYS_CHECKED, KEY_PAIRS, Claim, Token
from loadsim.signing.wording import away, shown, span

if TYPE_CHECKING:
    from loadsim.signing.scheme_data import SchemeData

_DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_WHOM = {"iss": "issuer", "aud": "audience"}


def token_findings(
    scheme: SchemeData,
    secret: Secret,
    given: str,
    headers: Mapping[str, str],
    body: bytes,
    now_s: float,
    *,
    window_s: float | None,
    url: str | None,
) -> list[str]:
    """What is wrong with the token `given`, the more telling first. Never raises on what a sender can send."""
    prefix, name = scheme.signature.prefix.decode(), scheme.signature.name
    if not given.startswith(prefix):
        return [f"{name} does not begin with {prefix.strip()}: {_json(given)}"]
    text = given.removeprefix(prefix)
    token = read_token(text.encode("ascii", "replace"))
    if token is None:
        return [*_named_algorithm(scheme, secret, text), f"{name} is not a token: {_malformed(text)}"]
    found = [*_of_header(scheme, secret, token)]
    if not found and not TokenKey(scheme, secret).verify(token.signed, token.signature):
        found += _of_signature(scheme, token)
    described = token_of(scheme)
    found += _of_claims(scheme, described, token.claims, headers, body, url)
    return [*found, *_of_times(described, token.claims, now_s, window_s)]


def token_praise(scheme: SchemeData, given: str, now_s: float) -> str:
    """That a token is the right one, and what it covers."""
    described = token_of(scheme)
    token = read_token(given.removeprefix(scheme.signature.prefix.decode()).encode("ascii", "replace"))
    what = (
        "the token belongs to this body and key"
        if scheme.covers_body
        else ("the token belongs to this key; it holds nothing of the body, so a changed body looks the same")
    )
    if not described.times or token is None:
        return f"{what}; it holds no time, so a replay looks the same"
    first = described.times[0]
    return f"{what}; made {away(now_s - (token.claims[first.name] - (first.offset_s or 0)))}"


# -- form and header ------------------------------------------------------------------------------------------------


def _malformed(text: str) -> str:
    parts = text.split(".")
    if not text:
        return "it is empty"
    if len(parts) != 3:
        return f"it has {len(parts)} segment{'' if len(parts) == 1 else 's'} between its dots, not 3"
    empty = [name for name, part in zip(("header", "claims", "signature"), parts, strict=True) if not part]
    if empty:
        return f"its {empty[0]} segment is empty: {'the signature was taken off' if empty[0] == 'signature' else 'cut'}"
    if any(part.endswith("=") for part in parts):
        return "its segments are padded with =, which tokens leave out"
    return "a segment is not base64url of a JSON object in its one spelling"


def _named_algorithm(scheme: SchemeData, secret: Secret, text: str) -> list[str]:
    """What a token without a signature says about its algorithm."""
    head, _, rest = text.partition(".")
    token = read_token(f"{head}.{rest.partition('.')[0]}.AA".encode("ascii", "replace"))
    return [] if token is None else list(_of_header(scheme, secret, token))


def _of_header(scheme: SchemeData, secret: Secret, token: ReadToken) -> Iterator[str]:
    alg, wanted = token.header.get("alg"), token_of(scheme).algorithm
    if "crit" in token.header:
        yield "its header says crit: it needs an extension that the scheme does not have"
    if alg == wanted:
        return
    if isinstance(alg, str) and alg.lower() == "none":
        yield f"its alg is {_json(alg)}: it is not signed at all; a verifier must insist on {wanted}"
    elif isinstance(alg, str) and alg in _DIGESTS and wanted in KEY_PAIRS:
        confused = _is_under_public_key(scheme, secret, token, _DIGESTS[alg])
        how = "it is an HMAC with the public key as the secret" if confused else "it is an HMAC"
        yield f"its alg is {alg}, not {wanted}: {how}; a verifier must not take alg from the token"
    else:
        yield f"its alg is {_json(alg)}, not {wanted}"


def _is_under_public_key(scheme: SchemeData, secret: Secret, token: ReadToken, digest: str) -> bool:
    from loadsim.signing.asymmetric import KeyPair

    if scheme.pair is None:
        return False
    pem = KeyPair(scheme.pair, secret, scheme.name).public_text("pem").encode()
    return any(
        hmac.compare_digest(hmac.digest(key, token.signed, digest), token.signature) for key in (pem, pem.strip())
    )


def _of_signature(scheme: SchemeData, token: ReadToken) -> Iterator[str]:
    described = token_of(scheme)
    yield "its signature is of another key, or its claims were changed after signing: it cannot be told which"
    wanted = dict(described.header).get("kid")
    kid = token.header.get("kid")
    if wanted is not None and kid != wanted:
        yield f"its kid is {_json(kid)}, not {_json(wanted)}: it names another key"
    elif wanted is not None:
        yield "its kid is the right one: only the key differs"


# -- claims ---------------------------------------------------------------------------------------------------------


def _of_claims(
    scheme: SchemeData,
    described: Token,
    claims: dict[str, Any],
    headers: Mapping[str, str],
    body: bytes,
    url: str | None,
) -> Iterator[str]:
    for claim in described.claims:
        if not claim.is_checked:
            continue
        if claim.name not in claims:
            yield f"the claim {claim.name} is missing"
        elif not claim.parts:
            if not is_value(claims[claim.name], claim.value):
                yield _another(claim.name, claims[claim.name], claim.value)
        else:
            yield from _of_parts(scheme, claim, claims[claim.name], headers, body, url)


def _of_parts(
    scheme: SchemeData, claim: Claim, given: object, headers: Mapping[str, str], body: bytes, url: str | None
) -> Iterator[str]:
    compose = text_of(scheme, claim, url)

    def expected(of: bytes) -> bytes:
        return compose(b"", b"", Delivered(of, headers))

    try:
        if is_text(given, expected(body)):
            return
    except PartError as error:
        yield f"a part that the claim {claim.name} holds is not there: {error}"
        return
    if any(map(scheme.is_of_body, claim.parts)):
        yield f"the claim {claim.name} is that of another body: {_misread(given, expected, body)}"
    else:
        yield _another(claim.name, given, expected(body).decode("utf-8", "replace"))


def _misread(given: object, expected: Callable[[bytes], bytes], body: bytes) -> str:
    for misreading in MISREADINGS:
        changed = misreading.of(body)
        try:
            if changed is not None and is_text(given, expected(changed)):
                return misreading.signed
        except PartError:
            continue
    return "the body was changed after signing, or the token was made for another event"


def _another(name: str, given: object, wanted: object) -> str:
    whom = f": it was made for another {_WHOM[name]}" if name in ALWAYS_CHECKED else ""
    return f"the claim {name} is {_json(given)}, not {_json(wanted)}{whom}"


# -- times ----------------------------------------------------------------------------------------------------------


def _of_times(described: Token, claims: dict[str, Any], now_s: float, window_s: float | None) -> Iterator[str]:
    for claim in reversed(described.times):  # that it has expired says most
        value = claims.get(claim.name)
        if value is None:
            yield f"the claim {claim.name} is missing: the token must say its time"
        elif isinstance(value, bool) or not isinstance(value, int | float):
            yield f"the claim {claim.name} is {_json(value)}, not seconds since 1970 as a number"
        elif window_s:
            yield from _judged(claim.name, value, now_s, window_s)


def _judged(name: str, value: float, now_s: float, window_s: float) -> Iterator[str]:
    if name == "exp":
        if value <= now_s:
            yield f"the token has expired: exp was {span(now_s - value)} ago ({_date(value)})"
    elif name == "nbf":
        if value - now_s > window_s:
            yield f"the token is not valid yet: nbf is {span(value - now_s)} in the future"
    elif abs(now_s - value) > window_s:
        yield f"the token was issued {away(now_s - value)} (iat), outside the window of {span(window_s)}"
        if abs(now_s - value / 1000) <= 86_400:
            yield "it looks like milliseconds where seconds are due"


def _date(value: float) -> str:
    try:
        return dt.datetime.fromtimestamp(value, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "no date"


def _json(value: object) -> str:
    """A value of a token, printable and short."""
    if isinstance(value, str):
        return shown(value)
    try:
        return shown(json.dumps(value))[1:-1]
    except RecursionError:
        return "a deeply nested value"

"""Forged tokens: each is what its name says, and none is accepted."""

from __future__ import annotations

import functools
import hmac
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.cases import RequestMaker
from loadsim.cases.case_kinds import CASE_KINDS
from loadsim.cases.jwt_forgeries import JWT_FORGERIES, JWT_FORGERY, KEYLESS
from loadsim.events import default_types
from loadsim.model import Secret
from loadsim.plan import Case, EventMix
from loadsim.secret_sources import new_secret
from loadsim.signing import CUSTOM, Rejection, Scheme, scheme, scheme_names
from loadsim.signing.asymmetric import KeyPair

URL = "https://example.test/hooks"
NOW_NS = 1_746_123_456_789_000_000
NAMES = tuple(name for name in scheme_names() if scheme(name).token is not None)
EDDSA = scheme(CUSTOM, {"like": "plaid", "algorithm": "EdDSA"})
MALFORMED = ("none", "none_in_other_letters", "stripped", "public_key_as_secret", "segments")


@functools.cache
def secret(name: str) -> Secret:
    return new_secret(described(name))


def described(name: str) -> Scheme:
    return EDDSA if name == CUSTOM else scheme(name)


def usable(name: str) -> list[str]:
    return [each for each in JWT_FORGERIES if not CASE_KINDS[f"{JWT_FORGERY}.{each}"].problem(described(name))]


@functools.cache
def maker(name: str) -> RequestMaker:
    """The genuine events, then one case for each forgery, then the kind as a whole."""
    kinds = [*(f"{JWT_FORGERY}.{each}" for each in usable(name)), JWT_FORGERY]
    (kind, *_) = default_types((name, "plaid"))
    cases = [Case(kind=each, share=0.1) for each in kinds]
    return RequestMaker([EventMix(type=kind)], described(name), secret(name), 3, cases=cases, url=URL)


def forged(name: str, number: int, index: int = 5) -> tuple[dict[str, str], bytes]:
    request = maker(name).make(index, number, NOW_NS)
    return {key.lower(): value for key, value in request.header_pairs()}, request.body


def token(name: str, which: str) -> str:
    headers, _ = forged(name, usable(name).index(which) + 1)
    return headers[described(name).signature.name.lower()].removeprefix("Bearer ")


def verdict(name: str, headers: dict[str, str], body: bytes) -> Rejection | None:
    return described(name).verifier(secret(name), url=URL).verify(headers, body, NOW_NS / 1e9)


@pytest.mark.parametrize("name", [*NAMES, CUSTOM])
def test_no_forged_token_is_accepted_and_the_reason_is_its_forgery(name: str) -> None:
    assert verdict(name, *forged(name, 0)) is None
    for number, which in enumerate(usable(name), 1):
        expected = Rejection.malformed_signature if which in MALFORMED else Rejection.wrong_signature
        if which not in KEYLESS:
            expected = Rejection.wrong_claim
        assert verdict(name, *forged(name, number)) is expected, which
    whole = len(usable(name)) + 1
    seen = {forged(name, whole, index)[0][described(name).signature.name.lower()].count(".") for index in range(20)}
    assert seen == {2, 3}, "in turn"


@given(st.sampled_from([*NAMES, CUSTOM]), st.integers(0, 10**6))
def test_no_event_of_the_whole_kind_is_accepted(name: str, index: int) -> None:
    assert verdict(name, *forged(name, len(usable(name)) + 1, index)) is not None


def read(text: str, key: Any, algorithm: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(
        text, key, [algorithm], options={"verify_exp": False, "verify_iat": False}, **options
    )
    return found


@pytest.mark.parametrize("name", ["plaid", "google-pubsub", CUSTOM])
def test_each_forgery_passes_the_check_that_it_is_made_for(name: str) -> None:
    pair = described(name).pair
    assert pair is not None
    for which in ("none", "none_in_other_letters"):
        assert jwt.get_unverified_header(token(name, which))["alg"].lower() == "none"
    pem = KeyPair(pair, secret(name), name).public_text("pem").encode()
    message, _, signature = token(name, "public_key_as_secret").rpartition(".")
    assert jwt.utils.base64url_decode(signature) == hmac.digest(pem, message.encode(), "sha256")
    own = token(name, "embedded_key")
    header = jwt.get_unverified_header(own)
    assert read(
        own,
        jwt.PyJWK(header["jwk"], algorithm=header["alg"]),
        header["alg"],
        audience=URL if name == "google-pubsub" else None,
    )


def test_tokens_for_others_are_genuine_but_for_one_claim() -> None:
    key = secret("google-pubsub")
    public = KeyPair("rsa-sha256", key, "x").public_text("pem")
    claims = read(token("google-pubsub", "other_audience"), public, "RS256", audience="https://audience.other.example")
    assert claims["iss"] == "https://accounts.google.com"
    assert read(token("google-pubsub", "other_issuer"), public, "RS256", audience=URL)["iss"] != claims["iss"]


@pytest.mark.parametrize(
    ("name", "which", "problem"),
    [
        ("github", "none", "it sends no JSON Web Token"),
        ("netlify", "embedded_key", "its tokens are signed without a key pair"),
        ("netlify", "other_audience", "its tokens have no aud"),
        ("plaid", "other_issuer", "its tokens have no iss"),
    ],
)
def test_a_forgery_that_a_scheme_cannot_have_is_said(name: str, which: str, problem: str) -> None:
    assert CASE_KINDS[f"{JWT_FORGERY}.{which}"].problem(scheme(name)) == problem


def test_an_hour_is_outside_every_window() -> None:
    for kind, rejection in (("stale_timestamp", Rejection.stale), ("future_timestamp", Rejection.future)):
        cases = [Case(kind=kind, share=0.1, by=3600 * 10**9)]
        found = scheme("google-pubsub")
        key = secret("google-pubsub")
        made = RequestMaker([EventMix(type="google-pubsub.message")], found, key, 3, cases=cases, url=URL)
        request = made.make(1, 1, NOW_NS)
        headers = {name.lower(): value for name, value in request.header_pairs()}
        assert found.verifier(key, url=URL).verify(headers, request.body, NOW_NS / 1e9) is rejection

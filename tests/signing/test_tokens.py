"""JSON Web Tokens: made and checked from one description, and nothing else passes."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import subprocess
import sys
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret, SignedRequest, UsageError
from loadsim.secret_sources import new_secret
from loadsim.signing import CUSTOM, Rejection, Scheme, scheme
from loadsim.signing.asymmetric import KeyPair, new_private_key
from loadsim.signing.explain import explain
from loadsim.signing.token_codes import TokenKey, base64url, segment

from .support import NOW_S

URL = "https://shop.test/hooks"
BODY = b'{"id":"e-7", "amount":1130}'
CLAIMS = {
    "iss": "shop",
    "aud": "{url}",
    "iat": "{timestamp}",
    "exp": "{timestamp+120}",
    "jti": "{id}",
    "hash": "{body|sha256|hex}",
    "level": 3,
    "live": True,
}
ALGORITHMS = ("HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA")


def described(**keys: Any) -> Scheme:
    table = {"headers": ["Authorization: Bearer {jwt}"], "algorithm": "HS256", "claims": CLAIMS, "tolerance": "1m"}
    return scheme(CUSTOM, {**table, **keys})


SECRET = Secret("5f" * 24)
"""The same in every process, as the names of tests hold tokens."""
SECRETS = {**{name: new_secret(described(algorithm=name)) for name in ALGORITHMS}, "HS256": SECRET}
HS256 = described()


def sent(found: Scheme, secret: Secret = SECRET, body: bytes = BODY, now_s: int = NOW_S) -> dict[str, str]:
    """Headers by lower-case name."""
    request = SignedRequest(found.signer(secret, url=URL).headers(body, now_s * 10**9, "msg_1"), body)
    return {name.lower(): value for name, value in request.header_pairs()}


def token(found: Scheme, secret: Secret = SECRET, **others: Any) -> str:
    return sent(found, secret, **others)["authorization"].removeprefix("Bearer ")


def made(claims: dict[str, Any], header: dict[str, Any] | None = None, key: bytes | None = None) -> str:
    """A token under the right key, by PyJWT."""
    return jwt.encode(claims, key or SECRET.reveal().encode(), "HS256", headers=header)


def verdict(found: Scheme, text: str, secret: Secret = SECRET, body: bytes = BODY, now_s: float = NOW_S) -> Any:
    return found.verifier(secret, url=URL).verify({"authorization": f"Bearer {text}"}, body, now_s)


def findings(
    text: str, body: bytes = BODY, now_s: float = NOW_S, found: Scheme = HS256, secret: Secret = SECRET
) -> Any:
    headers = {"authorization": f"Bearer {text}"}
    explained = explain(found, secret, headers, body, now_s, url=URL)
    assert explained.rejection == verdict(found, text, secret, body, now_s)
    return explained.findings


def genuine_claims(**others: Any) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token(HS256), options={"verify_signature": False})
    return {name: value for name, value in (claims | others).items() if value is not None}


# -- what is made ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_token_is_what_another_library_reads(name: str) -> None:
    found, secret = described(algorithm=name, token_header={"kid": "k-1"}), SECRETS[name]
    key: Any = secret.reveal() if found.pair is None else KeyPair(found.pair, secret, "x").public_text("pem")
    text = token(found, secret)
    with pytest.warns() if name == "HS512" else contextlib.nullcontext():  # PyJWT wants a longer key for it
        claims = jwt.decode(
            text, key, [name], audience=URL, issuer="shop", options={"verify_exp": False, "verify_iat": False}
        )
    assert jwt.get_unverified_header(text) == {"alg": name, "typ": "JWT", "kid": "k-1"}
    assert list(claims) == list(CLAIMS)
    assert (claims["iat"], claims["exp"], claims["jti"], claims["level"], claims["live"]) == (
        NOW_S, NOW_S + 120, "msg_1", 3, True,
    )  # fmt: skip
    assert verdict(found, text, secret) is None
    assert verdict(found, text, new_secret(found)) is Rejection.wrong_signature
    assert verdict(found, text, secret, BODY + b" ") is Rejection.wrong_signature


@pytest.mark.parametrize("name", ["RS256", "ES256", "EdDSA"])
def test_a_receiver_needs_the_public_key_only(name: str) -> None:
    found, secret = described(algorithm=name), SECRETS[name]
    assert found.pair is not None
    public = Secret(KeyPair(found.pair, secret, "x").public_text("pem"))
    assert verdict(found, token(found, secret), public) is None
    with pytest.raises(UsageError, match="the key is a public one: scheme custom needs the private key to sign"):
        token(found, public)


def test_a_public_jwk_is_what_other_libraries_read() -> None:
    for name in ("RS256", "ES256", "EdDSA"):
        found, secret = described(algorithm=name), SECRETS[name]
        key = jwt.PyJWK(TokenKey(found, secret).public_jwk(), algorithm=name)
        assert jwt.decode(
            token(found, secret), key, [name], audience=URL, options={"verify_exp": False, "verify_iat": False}
        )


def test_a_token_without_anything_of_the_event_is_made_once_a_second() -> None:
    found = described(algorithm="ES256", claims={"aud": "{url}", "iat": "{timestamp}"})
    signer = found.signer(SECRETS["ES256"], url=URL)
    first = signer.headers(b"1", NOW_S * 10**9, "a")
    assert signer.headers(b"2", NOW_S * 10**9 + 10**9 - 1, "b") == first
    assert signer.headers(b"2", NOW_S * 10**9 + 10**9, "b") != first
    other = described(algorithm="ES256", claims={"iat": "{timestamp}", "hash": "{body|sha256|hex}"})
    signer = other.signer(SECRETS["ES256"])
    assert signer.headers_of_all([b"1", b"2"], NOW_S * 10**9)[0] != signer.headers(b"2", NOW_S * 10**9, "")


def test_a_token_may_stand_in_the_body() -> None:
    found = scheme(
        CUSTOM,
        {"signature_field": "json:auth.token {jwt}", "algorithm": "HS256", "tolerance": "1m",
         "claims": {"iat": "{timestamp}", "jti": "{id}", "id": "{json:id}"}},
    )  # fmt: skip
    body = b'{"id":"e-7","auth":{}}'
    sealed = found.signer(SECRET).sealed(body, NOW_S * 10**9, "msg_1")
    verifier = found.verifier(SECRET)
    assert verifier.verify({}, sealed, NOW_S) is None
    assert verifier.verify({}, sealed.replace(b"e-7", b"e-8"), NOW_S) is Rejection.wrong_signature
    assert verifier.verify({}, sealed, NOW_S + 61) is Rejection.stale
    assert verifier.verify({}, body, NOW_S) is Rejection.missing_signature


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "rejection", "said"),
    [
        ({"iss": "else"}, Rejection.wrong_claim, "the claim iss is 'else', not 'shop': it was made for another issuer"),
        ({"aud": "https://b.test/"}, Rejection.wrong_claim, "the claim aud is 'https://b.test/', not "),
        ({"aud": None}, Rejection.wrong_claim, "the claim aud is missing"),
        ({"hash": "00"}, Rejection.wrong_signature, "the claim hash is that of another body"),
        ({"hash": None}, Rejection.wrong_signature, "the claim hash is missing"),
        ({"hash": 7}, Rejection.wrong_signature, "the claim hash is that of another body"),
        ({"exp": NOW_S - 1}, Rejection.stale, "the token has expired: exp was 1 s ago (2025-05-01 18:17:35 UTC)"),
        ({"exp": NOW_S}, Rejection.stale, "the token has expired"),
        ({"exp": None}, Rejection.missing_timestamp, "the claim exp is missing"),
        ({"iat": NOW_S - 61}, Rejection.stale, "the token was issued 61 s ago (iat), outside the window of 60 s"),
        ({"iat": NOW_S + 61}, Rejection.future, "the token was issued 61 s in the future (iat)"),
        ({"iat": NOW_S * 1000}, Rejection.future, "it looks like milliseconds where seconds are due"),
        ({"iat": str(NOW_S)}, Rejection.malformed_timestamp, "not seconds since 1970 as a number"),
        ({"iat": True}, Rejection.malformed_timestamp, "the claim iat is true, not seconds"),
        ({"level": 4, "jti": "x", "more": [1]}, None, "the token belongs to this body and key; made 0 s ago"),
        ({"aud": ["https://b.test/", URL]}, None, ""),
        ({"iat": NOW_S + 0.5}, None, ""),
    ],
)  # fmt: skip
def test_a_claim_that_is_not_right_is_named(changes: dict[str, Any], rejection: Rejection | None, said: str) -> None:
    claims = genuine_claims(**changes)
    text = (segment({"alg": "HS256"}) + b"." + segment(claims)).decode()
    text = f"{text}.{base64url(TokenKey(HS256, SECRET).sign(text.encode())).decode()}"
    assert verdict(HS256, text) is rejection
    assert any(said in line for line in findings(text))


def test_fixed_values_are_compared_with_their_type() -> None:
    found = described(checked=["level", "live"])
    assert verdict(found, made(genuine_claims())) is None
    for changes in ({"level": True}, {"level": "3"}, {"live": 1}, {"live": None}):
        assert verdict(found, made(genuine_claims(**changes))) is Rejection.wrong_claim


def test_a_window_of_none_judges_no_time() -> None:
    found = described(tolerance="0s")
    for now_s in (0, NOW_S + 10**9):
        assert verdict(found, token(found), now_s=now_s) is None
    only_expiry = described(claims={"exp": "{timestamp+60}"})
    for away_s, rejection in ((0, None), (59, None), (60, Rejection.stale), (-60, None), (-61, Rejection.future)):
        assert verdict(only_expiry, token(only_expiry), now_s=NOW_S + away_s) is rejection
    not_before = described(claims={"nbf": "{timestamp}"})
    for away_s, rejection in ((60, None), (61, Rejection.stale), (-60, None), (-61, Rejection.future)):
        assert verdict(not_before, token(not_before), now_s=NOW_S + away_s) is rejection


def test_a_token_that_is_not_valid_yet_is_refused_whatever_its_iat() -> None:
    found = described(claims={"iat": "{timestamp}", "nbf": "{timestamp}"})
    for nbf, rejection in ((NOW_S + 60, None), (NOW_S + 61, Rejection.future), (NOW_S - 999, None)):
        text = made({"iat": NOW_S, "nbf": nbf})
        assert verdict(found, text) is rejection
        assert any("not valid yet: nbf is 61 s" in line for line in findings(text, found=found)) == bool(rejection)


HEAD, PAYLOAD, SIGNATURE = token(HS256).split(".")
RESPELLED = SIGNATURE[:-1] + chr(ord(SIGNATURE[-1]) + 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        (f"{HEAD}.{PAYLOAD}", "it has 2 segments between its dots, not 3"),
        (f"{HEAD}.{PAYLOAD}.{SIGNATURE}.{SIGNATURE}", "it has 4 segments"),
        (f"{HEAD}.{PAYLOAD}.", "its signature segment is empty: the signature was taken off"),
        (f"{HEAD}.{PAYLOAD}.{SIGNATURE}=", "padded with ="),
        (f"{HEAD}.{PAYLOAD}.{RESPELLED}", "in its one spelling"),
        (f"{HEAD}.{PAYLOAD}.{SIGNATURE}\n", "in its one spelling"),
        (f"{HEAD}.bm8.{SIGNATURE}", "not base64url of a JSON object"),
        (f"{segment({'alg': 'none'}).decode()}.{PAYLOAD}.", "its alg is 'none': it is not signed at all"),
        (f"{segment({'alg': 'HS512'}).decode()}.{PAYLOAD}.{SIGNATURE}", "its alg is 'HS512', not HS256"),
        (f"{segment({'alg': 'HS256', 'crit': ['b64']}).decode()}.{PAYLOAD}.{SIGNATURE}", "its header says crit"),
    ],
)  # fmt: skip
def test_a_malformed_token_is_refused(text: str, said: str) -> None:
    assert verdict(HS256, text) is Rejection.malformed_signature
    assert any(said in line for line in findings(text))
    assert verdict(HS256, f"{HEAD}.{PAYLOAD}.{SIGNATURE}") is None


def test_the_header_says_bearer() -> None:
    verifier = HS256.verifier(SECRET, url=URL)
    for value in (token(HS256), f"bearer {token(HS256)}", f"Bearer  {token(HS256)}"):
        assert verifier.verify({"authorization": value}, BODY, NOW_S) is Rejection.malformed_signature
    said = explain(HS256, SECRET, {"authorization": "Basic x"}, BODY, NOW_S, url=URL).findings
    assert said == ("Authorization does not begin with Bearer: 'Basic x'",)
    assert explain(HS256, SECRET, {}, BODY, NOW_S, url=URL).findings[0] == "the header Authorization is missing"


def test_the_cause_of_a_wrong_key_is_said() -> None:
    found = scheme("plaid")
    secret, other = new_secret(found), new_secret(found)
    headers = sent_by(found, secret)
    said = explain(found, other, headers, BODY, NOW_S).findings
    assert said == (
        "its signature is of another key, or its claims were changed after signing: it cannot be told which",
        "its kid is the right one: only the key differs",
    )
    renamed = described_like("plaid", token_header={"kid": "k-2"})
    assert "names another key" in explain(found, other, sent_by(renamed, secret), BODY, NOW_S).findings[1]
    pem = KeyPair("ecdsa-p256", secret, "plaid").public_text("pem").encode()
    confused = headers["plaid-verification"].split(".")
    confused[0] = segment({"alg": "HS256"}).decode()
    confused[2] = base64url(hmac.digest(pem, ".".join(confused[:2]).encode(), "sha256")).decode()
    said = explain(found, secret, {"plaid-verification": ".".join(confused)}, BODY, NOW_S).findings
    assert said[0] == (
        "its alg is HS256, not ES256: it is an HMAC with the public key as the secret; a verifier must not take alg "
        "from the token"
    )


def test_a_body_that_was_written_again_is_said() -> None:
    text = token(HS256, body=BODY.replace(b", ", b","))
    assert any("parsed and serialised again" in line for line in findings(text))


def sent_by(found: Scheme, secret: Secret) -> dict[str, str]:
    request = SignedRequest(found.signer(secret, url=URL).headers(BODY, NOW_S * 10**9, "msg_1"), BODY)
    return {name.lower(): value for name, value in request.header_pairs()}


def described_like(name: str, **keys: Any) -> Scheme:
    return scheme(CUSTOM, {"like": name, **keys})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*CLAIMS, "alg"]), inner, max_size=4),
    max_leaves=8,
)


@given(JSON, JSON, st.binary(max_size=40))
def test_nothing_that_a_sender_can_send_raises(header: Any, claims: Any, signature: bytes) -> None:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (header, claims)]
    text = b".".join((*parts, base64url(signature))).decode()
    assert verdict(HS256, text) is not None
    assert findings(text)


@given(JSON)
def test_nothing_that_the_right_key_signs_raises(claims: Any) -> None:
    message = segment({"alg": "HS256"}) + b"." + base64url(json.dumps(claims).encode())
    text = (message + b"." + base64url(TokenKey(HS256, SECRET).sign(message))).decode()
    assert verdict(HS256, text) is not None
    assert findings(text)


@given(st.text(max_size=60) | st.text("ab.=_-", max_size=60))
def test_any_text_is_refused(text: str) -> None:
    assert verdict(HS256, text) is Rejection.malformed_signature
    assert findings(text)


# -- descriptions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algorithm": "hmac"}, "algorithm: {jwt} needs one of HS256, HS384, HS512, RS256, ES256, EdDSA"),
        ({"headers": ["X: {signature}"]}, 'algorithm: "HS256" is for a token: write {jwt}, not {signature}'),
        ({"headers": ["X: {signature}"], "algorithm": "hmac", "signed": "{body}"}, "claims: is for a token"),
        ({"signed": "{body}"}, "signed: does not go with {jwt}: what is signed are the claims"),
        ({"encoding": "hex"}, "encoding: does not go with {jwt}"),
        ({"claims": {}}, "claims: is missing"),
        ({"claims": {"a": [1]}}, "claims: must be a table of texts, whole numbers and booleans"),
        ({"claims": {"a": 2**53}}, "claims: must be a table of texts, whole numbers and booleans"),
        ({"claims": {"a": "{bdy}"}}, "claims: unknown field {bdy}; did you mean"),
        ({"claims": {"a": "at {timestamp}"}}, "claims: a: {timestamp} stands alone as a value"),
        ({"claims": {"exp": "tomorrow"}}, "claims: exp is a time: write"),
        ({"claims": {"a": "{header:X-Shop}"}}, "claims: holds {header:x-shop}, but headers has no line for it"),
        ({"checked": ["levl"]}, 'checked: levl is not one of the claims; did you mean "level"?'),
        ({"checked": ["jti"]}, "checked: jti holds the event's id, which a receiver does not know"),
        ({"checked": ["iat"]}, "checked: iat is a time, which is judged by tolerance"),
        ({"checked": "level"}, "checked: must be a list of strings"),
        ({"token_header": {"alg": "none"}}, "token_header: alg cannot be set"),
        ({"headers": ["T: {timestamp}", "X: {jwt}"]}, "headers: {timestamp} does not go with {jwt}"),
        ({"algorithm": "RS256", "key": "hex"}, 'key: is for algorithm = "hmac", not for "RS256"'),
        ({"algorithm": "RS512"}, 'algorithm: "RS512" is not one of'),
        ({"claims": {"iss": "a"}, "tolerance": "1m"}, "tolerance: the scheme has no timestamp"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_table_is_said_by_its_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        described(**changes)
    assert str(raised.value).startswith(f"target.custom.{message}")


def test_claims_are_replaced_one_by_one() -> None:
    found = described_like("google-pubsub", claims={"aud": "my audience"})
    assert found.token is not None
    values = {claim.name: claim.template for claim in found.token.claims}
    assert (values["aud"], values["iss"], values["exp"]) == (
        "my audience", "https://accounts.google.com", "{timestamp+3600}",
    )  # fmt: skip
    assert not found.signs_url
    assert dict(found.token.header)["kid"]


def test_keys_in_the_wrong_form_are_one_line() -> None:
    pem = Secret(new_private_key("ecdsa-p256", "x"))
    with pytest.raises(UsageError, match="the secret cannot be the key of HS256: scheme custom needs a shared secret"):
        HS256.signer(pem, url=URL)
    with pytest.raises(UsageError, match="the key is not an ECDSA key on P-256, as scheme custom needs"):
        described(algorithm="ES256").signer(SECRETS["RS256"], url=URL)
    with pytest.raises(UsageError, match="scheme custom signs the URL too"):
        HS256.signer(SECRET)
    by_parts = described(claims={"iat": "{timestamp}", "id": "{json:nr}"}).signer(SECRET)
    with pytest.raises(UsageError, match="scheme custom cannot sign this event: the body has no field nr"):
        by_parts.headers(BODY, 0, "")


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt.algorithms", None)
    with pytest.raises(UsageError) as raised:
        HS256.signer(SECRET, url=URL)
    assert str(raised.value) == (
        "scheme custom sends a JSON Web Token, which needs the package pyjwt: pip install 'loadsim[asymmetric]'"
    )


def test_the_package_is_imported_for_tokens_only() -> None:
    code = (
        "import sys; from loadsim.signing import Secret, scheme, scheme_names; "
        "[scheme(name) for name in scheme_names()]; scheme('github').verifier(Secret('x')); "
        "print('jwt' in sys.modules); scheme('netlify').verifier(Secret('x')); print('jwt' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "True"]

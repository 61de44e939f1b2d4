"""Signatures in every place and of every algorithm: made and checked from one description, and nothing else passes."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret, SignedRequest, UsageError
from loadsim.signing import CUSTOM, Rejection, Scheme, scheme
from loadsim.signing.algorithms import MOST_CHECKED
from loadsim.signing.asymmetric import KeyPair, new_private_key
from loadsim.signing.explain import explain
from loadsim.signing.scheme_data import Algorithm

from .support import NOW_S

SECRET = Secret("a secret")
OTHER = Secret("another one")
JSON_BODY = b'{"sig":{"hmac":"","t":"1746123456"},"id":"e-7","amount":1130}'
FORM_BODY = b"sig=&id=e+7&amount=1130"


def described(**keys: Any) -> Scheme:
    return scheme(CUSTOM, {"headers": ["X-Sig: {signature}"], "signed": "{body}", **keys})


def sent(found: Scheme, body: bytes, secret: Secret = SECRET, now_s: int = NOW_S) -> tuple[dict[str, str], bytes]:
    """Headers by lower-case name, and the body as it is sent."""
    signer = found.signer(secret, url="https://a.test/b")
    body = signer.sealed(body, now_s * 10**9, "msg_1")
    request = SignedRequest(signer.headers(body, now_s * 10**9, "msg_1"), body)
    return {name.lower(): value for name, value in request.header_pairs()}, body


def verdict(found: Scheme, headers: dict[str, str], body: bytes, secret: Secret = SECRET) -> Rejection | None:
    return found.verifier(secret, url="https://a.test/b").verify(headers, body, NOW_S)


# -- places ---------------------------------------------------------------------------------------------------------

IN_JSON = described(headers=[], signature_field="json:sig.hmac", signed="{json:id}:{json:amount}", encoding="base64")
IN_FORM = described(headers=[], signature_field="form:sig v1={signature}", signed="{form:id}:{form:amount}")


@pytest.mark.parametrize(("found", "body"), [(IN_JSON, JSON_BODY), (IN_FORM, FORM_BODY)])
def test_a_signature_in_the_body_is_made_and_checked(found: Scheme, body: bytes) -> None:
    headers, sealed = sent(found, body)
    assert headers == {}
    assert verdict(found, headers, sealed) is None
    assert verdict(found, headers, sealed.replace(b"1130", b"1131")) is Rejection.wrong_signature
    assert verdict(found, headers, sealed, OTHER) is Rejection.wrong_signature
    assert verdict(found, headers, b"id=1") is Rejection.missing_signature
    assert verdict(found, headers, body) is Rejection.malformed_signature
    assert explain(found, SECRET, headers, sealed, NOW_S, url="https://a.test/b").rejection is None
    assert "the signature stands there" in explain(found, SECRET, {}, b"{}", NOW_S).findings[0]
    with pytest.raises(UsageError, match="scheme custom cannot sign this event"):
        sent(found, b"[]" if found is IN_JSON else b"\xff=1")


def test_the_rest_of_a_sealed_body_stays() -> None:
    sealed = json.loads(sent(IN_JSON, JSON_BODY)[1])
    signature = sealed["sig"].pop("hmac")
    assert sealed == {"sig": {"t": "1746123456"}, "id": "e-7", "amount": 1130}
    assert len(signature) == 44
    fields = dict(parse_qsl(sent(IN_FORM, FORM_BODY)[1].decode()))
    expected = hmac.digest(b"a secret", b"e 7:1130", "sha256").hex()
    assert fields == {"id": "e 7", "amount": "1130", "sig": f"v1={expected}"}


def test_a_signature_in_the_body_cannot_cover_itself() -> None:
    with pytest.raises(UsageError, match=r"signed: holds \{body\}, which cannot cover the signature inside it"):
        described(headers=[], signature_field="json:sig")
    for place, signed in (
        ("json:sig", "{json:sig}{json:id}"),
        ("json:sig.hmac", "{json:id}{json:sig|sha256|hex}"),
        ("json:sig", "{json-line:sig}"),
        ("form:sig", "{form:id}{form:sig}"),
    ):
        with pytest.raises(UsageError, match=r"signed: holds \{.*sig.*\}, which cannot cover the signature inside it"):
            described(headers=[], signature_field=place, signed=signed)
    for place, signed in (("json:sig", "{json:sig2}"), ("json:sig.hmac", "{json:sig.id}"), ("form:a.b", "{form:a}")):
        assert described(headers=[], signature_field=place, signed=signed).signature.name in place
    with pytest.raises(UsageError, match='signature_field: "sig" is not written "json:PATH" or "form:NAME"'):
        described(headers=[], signature_field="sig")
    with pytest.raises(UsageError, match="signature_field: the signature stands in X-Sig too: keep one"):
        described(signature_field="json:sig", signed="{json:a}")


TWO = described(headers=["X-Sig-1: {signature}", "X-Sig-2: {signature}"])
LIST = described(headers=["X-Sig: v0={signatures}"], several=",")
BARE = described(headers=["X-Sig: {timestamp},{signatures}"], several=",", signed="{timestamp}.{body}", timestamp="ms")
UPPER = described(encoding="HEX")


def test_any_of_several_headers_may_carry_the_right_signature() -> None:
    good = sent(TWO, b"{}")[0]["x-sig-1"]
    assert list(sent(TWO, b"{}")[0]) == ["x-sig-1"], "the second is for a second secret"
    for headers in ({"x-sig-1": good}, {"x-sig-2": good}, {"x-sig-1": "0" * 64, "x-sig-2": good}):
        assert verdict(TWO, headers, b"{}") is None
        assert verdict(TWO, headers, b"[]") is Rejection.wrong_signature
    assert verdict(TWO, {}, b"{}") is Rejection.missing_signature
    assert verdict(TWO, {"x-sig-1": "0" * 64, "x-sig-2": "0" * 64}, b"{}") is Rejection.wrong_signature
    assert set(TWO.verifier(SECRET).header_names) == {"x-sig-1", "x-sig-2"}


def test_one_prefix_stands_before_a_whole_list() -> None:
    good, wrong = sent(LIST, b"{}")[0]["x-sig"].removeprefix("v0="), "0" * 64
    for text in (f"v0={good}", f"v0={wrong},{good}", f"v0={good},{wrong}", f"v0={wrong}, {good}"):
        assert verdict(LIST, {"x-sig": text}, b"{}") is None
        assert verdict(LIST, {"x-sig": text}, b"[]") is Rejection.wrong_signature
    for text in (good, f"{wrong},{good}", f"v1={good}", f"v0={wrong},v0={good}"):
        assert verdict(LIST, {"x-sig": text}, b"{}") in (Rejection.malformed_signature, Rejection.wrong_signature)


def test_a_bare_timestamp_stands_first() -> None:
    stamp, good = sent(BARE, b"{}")[0]["x-sig"].split(",")
    assert stamp == f"{NOW_S}000"
    for text in (f"{stamp},{good}", f"{stamp},{'0' * 64},{good}"):
        assert verdict(BARE, {"x-sig": text}, b"{}") is None
    for text in (good, f"{good},{stamp}", f"é,{good}", f",{good}", stamp, f"{stamp}1,{good}"):
        assert verdict(BARE, {"x-sig": text}, b"{}") is not None


def test_upper_case_hex_is_upper_case() -> None:
    text = sent(UPPER, b"{}")[0]["x-sig"]
    assert text == hmac.digest(b"a secret", b"{}", "sha256").hex().upper()
    assert verdict(UPPER, {"x-sig": text}, b"{}") is None
    assert verdict(UPPER, {"x-sig": text.lower()}, b"{}") is Rejection.malformed_signature


# -- the secret itself ----------------------------------------------------------------------------------------------

TOKEN = scheme(CUSTOM, {"headers": ["X-Token: {secret}"], "algorithm": "none"})
BASIC = scheme(CUSTOM, {"headers": ["Authorization: Basic {secret}"], "algorithm": "none", "encoding": "base64"})
STATE = scheme(CUSTOM, {"algorithm": "none", "signature_field": "json:value.0.clientState {secret}"})


def test_a_secret_that_is_sent_is_compared() -> None:
    headers, _ = sent(TOKEN, b"{}")
    assert headers == {"x-token": "a secret"}
    assert sent(BASIC, b"{}", Secret("user:pass"))[0] == {"authorization": "Basic dXNlcjpwYXNz"}
    body = sent(STATE, b'{"value":[{"id":1}]}')[1]
    assert body == b'{"value":[{"id":1,"clientState":"a secret"}]}'
    for found, given_headers, given_body in ((TOKEN, headers, b"x"), (STATE, {}, body)):
        assert verdict(found, given_headers, given_body) is None
        assert verdict(found, given_headers, given_body, OTHER) is Rejection.wrong_signature
        assert "another one" in explain(found, OTHER, given_headers, given_body, NOW_S).findings[0]
    for text in ("", "a secre", "a secrets", "é", "\udcff", "x" * 20_000):
        assert verdict(TOKEN, {"x-token": text}, b"{}") is not None
    assert TOKEN.secret_headers() == {"x-token"}
    with pytest.raises(UsageError, match="sends the secret itself: it must be printable ASCII") as refused:
        TOKEN.signer(Secret("line\r\nX-Other: 1"))
    assert "X-Other" not in str(refused.value)


# -- keys -----------------------------------------------------------------------------------------------------------


def test_forms_of_a_key_are_tried_in_order() -> None:
    found = described(key=["whsec", "utf8"])
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    decoded, verbatim = (described(key=key) for key in ("whsec", "utf8"))
    assert sent(found, b"{}", secret) == sent(decoded, b"{}", secret)
    assert sent(found, b"{}", Secret("not base64!")) == sent(verbatim, b"{}", Secret("not base64!"))
    for signer in (decoded, verbatim):
        headers, body = sent(signer, b"{}", secret)
        assert verdict(found, headers, body, secret) is None
        assert verdict(found, headers, b"[]", secret) is Rejection.wrong_signature
    with pytest.raises(UsageError, match="the secret is not hex or base64, as scheme custom needs"):
        described(key=["hex", "base64"]).verifier(Secret("é"))


def test_a_receiver_takes_a_header_by_its_other_name() -> None:
    found = described(
        headers=["X-Time: {timestamp}", "X-Sig: {signature}"],
        signed="{timestamp}.{body}",
        aliases=["X-Sig: X-Old-Sig", "x-time: X-Old-Time"],
    )
    headers, body = sent(found, b"{}")
    old = {name.replace("x-", "x-old-"): value for name, value in headers.items()}
    assert verdict(found, headers, body) is None
    assert verdict(found, old, body) is None
    assert verdict(found, old, b"[]") is Rejection.wrong_signature
    with pytest.raises(UsageError, match="aliases: X-Sign is not a header that is verified"):
        described(aliases=["X-Sign: Y"])


# -- key pairs ------------------------------------------------------------------------------------------------------

PAIRED: tuple[Algorithm, ...] = ("ed25519", "ecdsa-p256", "rsa-sha256", "rsa-sha1")
KEYS = {algorithm: (new_private_key(algorithm, "x"), new_private_key(algorithm, "x")) for algorithm in PAIRED}


def paired(algorithm: Algorithm) -> Scheme:
    return described(
        algorithm=algorithm,
        headers=["X-Time: {timestamp}", "X-Sig: {signature}"],
        signed="{timestamp}{body}",
        encoding="base64",
    )


@pytest.mark.parametrize("algorithm", PAIRED)
def test_a_key_pair_signs_and_its_public_key_verifies(algorithm: Algorithm) -> None:
    found, (own, other) = paired(algorithm), KEYS[algorithm]
    headers, body = sent(found, b"{}", Secret(own))
    pair = KeyPair(algorithm, Secret(own), "x")
    publics = [pair.public_text("pem")]
    publics.append("whpk_" + pair.public_text("base64") if algorithm == "ed25519" else pair.public_text("base64"))
    for text in (own, *publics):
        assert verdict(found, headers, body, Secret(text)) is None
        assert verdict(found, headers, b"{ }", Secret(text)) is Rejection.wrong_signature
        assert verdict(found, {**headers, "x-time": str(NOW_S + 1)}, body, Secret(text)) is Rejection.wrong_signature
    assert verdict(found, headers, body, Secret(other)) is Rejection.wrong_signature
    with pytest.raises(UsageError, match="the key is a public one: scheme custom needs the private key to sign"):
        found.signer(Secret(publics[0]))
    for text in ("a secret", "-----BEGIN PRIVATE KEY-----\nno\n-----END PRIVATE KEY-----"):
        with pytest.raises(UsageError, match=r"the key cannot be read: scheme custom needs an? .* key"):
            found.verifier(Secret(text))
    wrong = KEYS["rsa-sha256" if algorithm == "ed25519" else "ed25519"][0]
    with pytest.raises(UsageError, match=r"the key is not an? .* key.*, as scheme custom needs"):
        found.verifier(Secret(wrong))


@pytest.mark.parametrize("algorithm", PAIRED)
def test_forged_signatures_of_a_key_pair_are_refused(algorithm: Algorithm) -> None:
    found, own = paired(algorithm), Secret(KEYS[algorithm][0])
    headers, body = sent(found, b"{}", own)
    raw = base64.b64decode(headers["x-sig"])
    message = f"{NOW_S}{{}}".encode()
    public = KeyPair(algorithm, own, "x").public_text("pem").encode()
    forged = [
        raw + b"\0",
        raw[:-1],
        b"\0" * len(raw),
        b"0\x06\x02\x01\x00\x02\x01\x00",  # DER of r = s = 0
        b"0\x06\x02\x01\x01\x02\x01\x01",
        b"",
        hmac.digest(public, message, "sha256"),  # the public key taken for the secret of an HMAC
        hmac.digest(public.strip(), message, "sha256"),
    ]
    for signature in forged:
        text = base64.b64encode(signature).decode()
        assert verdict(found, {**headers, "x-sig": text}, body, own) is not None
    spaced = headers["x-sig"] + " "
    urlsafe = headers["x-sig"].translate(str.maketrans("+/", "-_"))
    for text in (
        spaced,
        headers["x-sig"].rstrip("=") + "\n",
        urlsafe + "=" if urlsafe == headers["x-sig"] else urlsafe,
    ):
        assert verdict(found, {**headers, "x-sig": text}, body, own) is not None


def test_ecdsa_signatures_have_one_spelling() -> None:
    """The same r and s in another encoding of DER, which lenient parsers take, is refused."""
    found, own = paired("ecdsa-p256"), Secret(KEYS["ecdsa-p256"][0])
    headers, body = sent(found, b"{}", own)
    raw = base64.b64decode(headers["x-sig"])
    long_form = b"0\x81" + raw[1:2] + raw[2:]
    assert verdict(found, {**headers, "x-sig": base64.b64encode(long_form).decode()}, body, own) is not None


def test_few_signatures_of_one_delivery_are_checked_with_a_public_key() -> None:
    found = described(algorithm="ed25519", several=" ", encoding="base64", headers=["X-Sig: v1a,{signature}"])
    own = Secret(KEYS["ed25519"][0])
    headers, body = sent(found, b"{}", own)
    good, wrong = headers["x-sig"], "v1a," + "A" * 86 + "=="
    assert verdict(found, {"x-sig": f"v1,x {wrong} {good}"}, body, own) is None
    assert verdict(found, {"x-sig": " ".join([wrong] * MOST_CHECKED + [good])}, body, own) is not None


# -- anything else --------------------------------------------------------------------------------------------------

ALL = [IN_JSON, IN_FORM, TWO, LIST, BARE, UPPER, TOKEN, BASIC, STATE, *(paired(each) for each in PAIRED)]
SECRETS = [SECRET] * 9 + [Secret(KEYS[each][0]) for each in PAIRED]
VERIFIERS = [found.verifier(secret, url="https://a.test/b") for found, secret in zip(ALL, SECRETS, strict=True)]
NAMES = sorted({name for each in VERIFIERS for name in each.header_names})
HOSTILE = st.text(max_size=100) | st.text("v10=,; .sha256+-AZ:T", max_size=100)
BODIES = (
    st.binary(max_size=100)
    | st.dictionaries(st.sampled_from(["sig", "id", "amount"]), st.text(max_size=20)).map(
        lambda form: urlencode(form).encode("utf-8", "replace")
    )
    | st.recursive(HOSTILE, lambda inner: st.dictionaries(st.sampled_from(["sig", "hmac", "value", "0"]), inner)).map(
        lambda document: json.dumps(document).encode()
    )
)


@given(st.integers(0, len(ALL) - 1), st.dictionaries(st.sampled_from(NAMES), HOSTILE), BODIES)
def test_no_input_raises_or_passes(number: int, headers: dict[str, str], body: bytes) -> None:
    assert isinstance(VERIFIERS[number].verify(headers, body, NOW_S), Rejection)
    explain(ALL[number], SECRETS[number], headers, body, NOW_S, url="https://a.test/b")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"algorithm": "rsa"}, 'algorithm: "rsa" is not one of hmac, none, ed25519'),
        ({"algorithm": "none"}, 'algorithm: with "none" nothing is signed: write {secret}, not {signature}'),
        ({"headers": ["A: {secret}"]}, 'algorithm: {secret} in a header is for algorithm = "none" only'),
        ({"headers": ["A: {secret}"], "algorithm": "none"}, 'signed: with algorithm = "none" nothing is signed'),
        ({"algorithm": "ed25519", "key": "hex"}, 'key: is for algorithm = "hmac", not for "ed25519"'),
        ({"encoding": "text"}, 'encoding: "text" is for algorithm = "none" only'),
        ({"key": ["utf8", "utf9"]}, 'key: "utf9" is not one of utf8'),
        ({"headers": ["A: v0={signatures}"]}, "several: is what stands between the {signatures} in A: name it"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        described(**keys)
    assert message in str(refused.value)


def test_the_other_valid_s_is_no_forgery() -> None:
    """ECDSA, FIPS 186-5: (r, n - s) is as valid as (r, s), and libraries make either."""
    found, own = paired("ecdsa-p256"), Secret(KEYS["ecdsa-p256"][0])
    headers, body = sent(found, b"{}", own)
    r, s = decode_dss_signature(base64.b64decode(headers["x-sig"]))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = base64.b64encode(encode_dss_signature(r, order - s)).decode()
    assert verdict(found, {**headers, "x-sig": other}, body, own) is None


@pytest.mark.parametrize(("body", "is_accepted"), [(b"a=1&a=1", True), (b"a=1&b=2", True), (b"a=1&b=2&a=2", False)])
def test_a_field_of_a_form_with_two_values_is_not_signed_and_not_verified(body: bytes, is_accepted: bool) -> None:
    found = described(signed="{form:a}")
    headers, _ = sent(found, b"a=1&b=2")
    assert (verdict(found, headers, body) is None) == is_accepted
    if not is_accepted:
        with pytest.raises(UsageError, match="the form has the field a twice"):
            sent(found, body)

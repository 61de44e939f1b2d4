"""How a secret's text becomes a key: with the prefix or without, padded or not, and under other header names."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret, UsageError
from loadsim.signing import Rejection, scheme
from loadsim.signing.explain import explain
from loadsim.signing.mac import derive_key

from .support import NOW_S, SECRET, delivery, signer, verifier

BODY = b'{"a":1}'
KEYS = st.binary(min_size=1, max_size=70)


@given(KEYS)
def test_padding_and_prefix_of_a_base64_secret_may_be_left_out(key: bytes) -> None:
    text = base64.b64encode(key).decode()
    for prefix in ("whsec_", "", "v1,whsec_"):
        for written in (text, text.rstrip("=")):
            assert derive_key(scheme("standard-webhooks"), Secret(prefix + written)) == key
            assert derive_key(scheme("svix"), Secret(prefix + written)) == key


@pytest.mark.parametrize("text", ["whsec_", "whsec_A", "whsec_AA=", "whsec_AA==A", "whsec_no-good!", "whsec_ AAAA"])
def test_what_is_not_base64_is_one_line_without_the_secret(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        derive_key(scheme("standard-webhooks"), Secret(text))
    assert "\n" not in str(raised.value)
    assert text.removeprefix("whsec_") not in str(raised.value).replace("whsec_", "") or text == "whsec_"


@pytest.mark.parametrize("name", ["openai", "polar"])
def test_without_the_prefix_the_secret_is_the_key_itself(name: str) -> None:
    assert derive_key(scheme(name), Secret("whsec_AAAA")) == b"\0\0\0"
    for text in ("AAAA", "polar_whs_AAAA", "not base64 at all"):
        assert derive_key(scheme(name), Secret(text)) == text.encode()
    headers = delivery(scheme(name).signer(Secret("plain-secret")), BODY)
    message = b"msg_1.%d." % NOW_S + BODY
    code = base64.b64encode(hmac.digest(b"plain-secret", message, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{code}"


@pytest.mark.parametrize("name", ["svix", "resend", "clerk"])
def test_what_svix_sends_is_accepted_under_the_names_of_the_specification_too(name: str) -> None:
    own = delivery(signer(name), BODY)
    assert set(own) == {"svix-id", "svix-timestamp", "svix-signature"}
    others = {field.replace("svix-", "webhook-"): value for field, value in own.items()}
    check = verifier(name)
    assert set(check.header_names) >= {*own, *others}
    assert check.verify(own, BODY, NOW_S) is None
    assert check.verify(others, BODY, NOW_S) is None
    assert check.verify(others, BODY + b" ", NOW_S) is Rejection.wrong_signature
    assert check.verify(others, BODY, NOW_S + 301) is Rejection.stale
    assert check.verify({}, BODY, NOW_S) is Rejection.missing_signature
    assert check.verify({**others, "webhook-id": "é"}, BODY, NOW_S) is Rejection.malformed_id
    found = explain(scheme(name), SECRET, others, BODY + b"\n", NOW_S)
    assert "had no white space at its end" in found.findings[0]


def test_linear_repeats_the_time_of_the_body_in_a_header_that_no_receiver_needs() -> None:
    body = b'{"webhookTimestamp":%d}' % (NOW_S * 1000 + 7)
    headers = delivery(signer("linear"), body)
    assert headers["linear-timestamp"] == str(NOW_S * 1000 + 7)
    check = verifier("linear")
    assert "linear-timestamp" not in check.header_names
    del headers["linear-timestamp"]
    assert check.verify(headers, body, NOW_S) is None
    assert delivery(signer("linear"), b"{}")["linear-timestamp"] == str(NOW_S * 1000), "the time of signing"
    without_id = dataclasses.replace(scheme("linear"), id_headers=()).signer(SECRET)
    lines = without_id.headers_of_all([body, body], NOW_S * 10**9, b"A: b\r\n")
    assert lines == [b"A: b\r\n" + without_id.headers(body, NOW_S * 10**9, "")] * 2


def test_standard_webhooks_itself_takes_its_own_names_only() -> None:
    assert (
        verifier("standard-webhooks").verify(delivery(signer("svix"), BODY), BODY, NOW_S) is Rejection.missing_signature
    )

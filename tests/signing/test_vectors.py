"""Published vectors, and the exact header lines."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret, UsageError
from loadsim.signing import scheme, scheme_names

from .support import NOW_S

PINNED_BODY = (
    b'{"event":"desktop.app_tracking.captured","version":"v1","agent":"desktop-agent","simulation":true,'
    b'"timestamp":1746123456789,"data":[]}'
)


def headers(name: str, secret: str, body: bytes, now_s: int, event_id: str = "") -> bytes:
    return scheme(name).signer(Secret(secret)).headers(body, now_s * 10**9 + 999_999_999, event_id)


def test_trackpilots_by_its_documented_formula() -> None:
    assert headers("trackpilots", "whsec_test", PINNED_BODY, 1_746_123_456) == (
        b"X-Webhook-Timestamp: 1746123456\r\n"
        b"X-Webhook-Signature: 5870312918754f3e7c86fd30c0ac463eeb5953640936e3e79902acc75224f6ea\r\n"
    )


@pytest.mark.parametrize(
    ("secret", "event_id", "now_s", "body", "signature"),
    [
        # standard-webhooks, libraries/python/tests/test_webhooks.py
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            b'{"test": 2432232314}',
            b"g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        # svix-docs, how-manual.mdx
        (
            "whsec_plJ3nmyCDGBKInavdOK15jsl",
            "msg_loFOjxBNrRLzqYUf",
            1_731_705_121,
            b'{"event_type":"ping","data":{"success":true}}',
            b"rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
        ),
    ],
)
def test_standard_webhooks(secret: str, event_id: str, now_s: int, body: bytes, signature: bytes) -> None:
    expected = b"webhook-timestamp: %d\r\nwebhook-id: %b\r\nwebhook-signature: v1,%b\r\n"
    for text in (secret, secret.removeprefix("whsec_")):
        made = headers("standard-webhooks", text, body, now_s, event_id)
        assert made == expected % (now_s, event_id.encode(), signature)


@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        # docs.github.com, "Validating webhook deliveries"
        (
            "It's a Secret to Everybody",
            b"Hello, World!",
            b"757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
        # octokit/webhooks-methods.js, test/sign.test.ts
        ("mysecret", b'{"foo":"bar"}', b"4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3"),
    ],
)
def test_github(secret: str, body: bytes, signature: bytes) -> None:
    expected = b"X-GitHub-Delivery: d-1\r\nX-Hub-Signature-256: sha256=%b\r\n" % signature
    assert headers("github", secret, body, NOW_S, "d-1") == expected


@given(
    st.text(min_size=1, max_size=200), st.binary(max_size=300), st.lists(st.integers(0, 2**34), min_size=1, max_size=5)
)
def test_the_code_is_hmac_for_any_key_body_and_sequence_of_times(key: str, body: bytes, times: list[int]) -> None:
    """Keys longer than a block too, and whatever was signed before."""
    signer = scheme("trackpilots").signer(Secret(key))
    for now_s in times:
        code = hmac.new(key.encode(), b"%d.%b" % (now_s, body), hashlib.sha256).hexdigest()
        assert signer.headers(body, now_s * 10**9, "") == (
            b"X-Webhook-Timestamp: %d\r\nX-Webhook-Signature: %b\r\n" % (now_s, code.encode())
        )


@pytest.mark.parametrize("length", [1, 63, 64, 65, 300])
def test_a_key_of_any_length_is_a_key(length: int) -> None:
    key = "k" * length
    code = hmac.new(key.encode(), b"body", hashlib.sha256).hexdigest()
    assert f"sha256={code}\r\n".encode() in headers("github", key, b"body", NOW_S, "d-1")


@given(st.binary(min_size=1, max_size=100), st.binary(max_size=300), st.lists(st.integers(0, 2**34), min_size=1))
def test_a_decoded_key_signs_id_time_and_body(key: bytes, body: bytes, times: list[int]) -> None:
    signer = scheme("standard-webhooks").signer(Secret("whsec_" + base64.b64encode(key).decode()))
    for number, now_s in enumerate(times):
        code = base64.b64encode(hmac.digest(key, b"msg_%d.%d.%b" % (number, now_s, body), "sha256"))
        assert b"webhook-signature: v1,%b\r\n" % code in signer.headers(body, now_s * 10**9, f"msg_{number}")


@pytest.mark.parametrize("secret", ["whsec_not base64!", "whsec_", "whsec_====", "abc"])
def test_a_key_that_does_not_decode_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(UsageError) as refused:
        scheme("standard-webhooks").signer(Secret(secret))
    assert secret not in str(refused.value)


def test_an_unknown_scheme_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"did you mean github\? known schemes are trackpilots, standard-"):
        scheme("githob")
    assert scheme_names()[0] == "trackpilots"

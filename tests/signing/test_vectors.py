"""Published vectors, both ways, and the exact header lines."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret, UsageError
from loadsim.signing import CUSTOM, Scheme, scheme, scheme_names

from .vectors import (
    ADYEN_BODY,
    CONVOY_BODY,
    CONVOY_HEADERS,
    DESCRIBED,
    PUBLISHED,
    SELF_MADE,
    TWILIO_PUBLISHED,
    Described,
    Vector,
)


def lines(
    found: Scheme, secret: str, body: bytes, time_s: float, event_id: str = "", url: str | None = None
) -> list[str]:
    signer = found.signer(Secret(secret), url=url, event="an.event")
    return signer.headers(body, round(time_s * 1000) * 1_000_000, event_id).decode().split("\r\n")


@pytest.mark.parametrize(
    "vector", [*PUBLISHED, *TWILIO_PUBLISHED, *SELF_MADE], ids=lambda vector: f"{vector.scheme}: {vector.source}"
)
def test_a_vector_is_signed_and_verified(vector: Vector) -> None:
    found = scheme(vector.scheme)
    made = lines(found, vector.secret, vector.body, vector.time_s, vector.id, vector.url)
    assert f"{found.signature.name}: {vector.header}" in made
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in made)}
    verifier = found.verifier(Secret(vector.secret), url=vector.url)
    assert verifier.verify(headers, vector.body, vector.time_s) is None
    assert verifier.verify(headers, vector.body + b" ", vector.time_s) is not None


def test_adyens_published_signature_is_written_into_the_body_and_verified() -> None:
    secret = Secret("44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056")
    sealed = scheme("adyen").signer(secret).sealed(ADYEN_BODY, 0, "")
    code = b"coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="
    assert sealed == ADYEN_BODY.replace(b'"hmacSignature":""', b'"hmacSignature":"%b"' % code)
    verifier = scheme("adyen").verifier(secret)
    assert verifier.verify({}, sealed, 0) is None
    assert verifier.verify({}, sealed.replace(b"1130", b"1131"), 0) is not None


@pytest.mark.parametrize("vector", DESCRIBED, ids=lambda vector: vector.source)
def test_a_vector_of_another_form_is_made_by_its_description(vector: Described) -> None:
    found = scheme(CUSTOM, vector.table)
    made = lines(found, vector.secret, vector.body, vector.time_s, url=vector.url)
    assert f"{found.signature.name}: {vector.header}" in made
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in made)}
    assert found.verifier(Secret(vector.secret), url=vector.url).verify(headers, vector.body, vector.time_s) is None


@pytest.mark.parametrize(("name", "header", "later_s", "accepted"), CONVOY_HEADERS)
def test_convoys_own_cases(name: str, header: str, later_s: int, accepted: bool) -> None:
    verifier = scheme("convoy").verifier(Secret("convoy-webhook-secret"))
    rejection = verifier.verify({"x-convoy-signature": header}, CONVOY_BODY, 1_700_000_000 + later_s)
    assert (rejection is None) is accepted


def test_a_vector_with_a_second_key_fails_under_the_first() -> None:
    """Two of the three secrets in the provider's own test are there to fail."""
    vector = next(each for each in PUBLISHED if each.scheme == "paddle")
    for secret in ("pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_WvRO0eL4Bj9rgYYIBZY6wZhG4EHy9jz", "pdl_ntf_other"):
        headers = {"paddle-signature": vector.header}
        assert scheme("paddle").verifier(Secret(secret)).verify(headers, vector.body, vector.time_s) is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("trackpilots", ["X-Webhook-Timestamp: 1746123456", "X-Webhook-Signature: *"]),
        ("standard-webhooks", ["webhook-timestamp: 1746123456", "webhook-id: id-7", "webhook-signature: v1,*"]),
        ("svix", ["svix-timestamp: 1746123456", "svix-id: id-7", "svix-signature: v1,*"]),
        ("github", ["X-GitHub-Event: an.event", "X-GitHub-Delivery: id-7", "X-Hub-Signature-256: sha256=*"]),
        ("mux", ["Mux-Signature: t=1746123456,v1=*"]),
        (
            "shopify",
            [
                "X-Shopify-Topic: an.event",
                "X-Shopify-Shop-Domain: loadsim.myshopify.com",
                "X-Shopify-API-Version: 2026-10",
                "X-Shopify-Webhook-Id: id-7",
                "X-Shopify-Event-Id: id-7",
                "X-Shopify-Hmac-SHA256: *",
            ],
        ),
        ("hubspot-v3", ["X-HubSpot-Request-Timestamp: 1746123456789", "X-HubSpot-Signature-v3: *"]),
        (
            "linear",
            [
                "Linear-Event: an.event",
                "Linear-Timestamp: 1746123456789",
                "Linear-Delivery: id-7",
                "Linear-Signature: *",
            ],
        ),
        (
            "twitch",
            [
                "Twitch-Eventsub-Message-Type: notification",
                "Twitch-Eventsub-Message-Retry: 0",
                "Twitch-Eventsub-Subscription-Type: an.event",
                "Twitch-Eventsub-Subscription-Version: 2",
                "Twitch-Eventsub-Message-Timestamp: 2025-05-01T18:17:36.789Z",
                "Twitch-Eventsub-Message-Id: id-7",
                "Twitch-Eventsub-Message-Signature: sha256=*",
            ],
        ),
    ],
)
def test_the_headers_are_the_providers_own(name: str, expected: list[str]) -> None:
    made = lines(
        scheme(name), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b"{}", 1_746_123_456.789, "id-7", "https://e.test/"
    )
    assert made.pop() == ""
    assert len(made) == len(expected)
    for line, form in zip(made, expected, strict=True):
        assert line.startswith(form.removesuffix("*"))
        assert line == form or form.endswith("*")


def test_an_event_without_a_name_is_not_named_and_one_that_no_header_can_hold_is_refused() -> None:
    made = scheme("github").signer(Secret("k")).headers(b"{}", 0, "id-7")
    assert b"X-GitHub-Event" not in made
    with pytest.raises(UsageError, match="cannot stand in the header X-GitHub-Event"):
        scheme("github").signer(Secret("k"), event="a\r\nb")


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
    assert f"sha256={code}\r\n".encode() in scheme("github").signer(Secret(key)).headers(b"body", 0, "d-1")


@given(st.binary(min_size=1, max_size=100), st.binary(max_size=300), st.lists(st.integers(0, 2**34), min_size=1))
def test_a_decoded_key_signs_id_time_and_body(key: bytes, body: bytes, times: list[int]) -> None:
    signer = scheme("standard-webhooks").signer(Secret("whsec_" + base64.b64encode(key).decode()))
    for number, now_s in enumerate(times):
        code = base64.b64encode(hmac.digest(key, b"msg_%d.%d.%b" % (number, now_s, body), "sha256"))
        assert b"webhook-signature: v1,%b\r\n" % code in signer.headers(body, now_s * 10**9, f"msg_{number}")


@pytest.mark.parametrize("secret", ["whsec_not base64!", "whsec_", "whsec_====", "abcde"])
def test_a_key_that_does_not_decode_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(UsageError) as refused:
        scheme("standard-webhooks").signer(Secret(secret))
    assert secret not in str(refused.value)


def test_an_unknown_scheme_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r'did you mean "github"\? known schemes are trackpilots, standard-'):
        scheme("githob")
    assert scheme_names()[0] == "trackpilots"

"""Certificates that deliveries name: whose URL is taken, when one counts, and what is fetched."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.cases.certificate_forgeries import URLS
from loadsim.events import EventSource
from loadsim.model import Secret, SignedRequest, UsageError
from loadsim.secret_sources import new_secret
from loadsim.signing import Rejection, Scheme, scheme
from loadsim.signing.algorithms import algorithm_of
from loadsim.signing.asymmetric import KeyPair
from loadsim.signing.certificate_verifier import AGAIN_S, MOST_CERTIFICATES, CertificateVerifier
from loadsim.signing.certificates import (
    CERTIFICATE_PATH,
    VALID_DAYS,
    is_allowed,
    own_certificate,
    own_certificate_url,
    read_certificate,
    self_signed,
)
from loadsim.signing.explain import explain

from .support import NOW_S, URL

NAMES = ("aws-sns", "aws-sns-v1", "paypal")
TYPES = {"aws-sns": "aws-sns.Notification", "aws-sns-v1": "aws-sns-v1.Notification"}
KEYS = {name: new_secret(scheme(name)) for name in NAMES}
OTHER_KEY = new_secret(scheme("paypal"))
ALLOWED = {
    "aws-sns": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
    "aws-sns-v1": "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123.pem",
    "paypal": "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270",
}


def named(name: str, certificate_url: str) -> Scheme:
    """The scheme, with another URL written in its deliveries."""
    return scheme("custom", {"like": name, "certificate_url": certificate_url})


def sent(described: Scheme, key: Secret, kind: str) -> tuple[dict[str, str], bytes]:
    source = EventSource(kind, 7)
    signer = described.signer(key, url=URL, content_type=source.content_type)
    body = signer.sealed(source.body(3, NOW_S * 10**9), NOW_S * 10**9, source.event_id(3))
    request = SignedRequest(signer.headers(body, NOW_S * 10**9, source.event_id(3)), body)
    return {key.lower(): value for key, value in request.header_pairs()}, body


def delivery(name: str, key: Secret, certificate_url: str = "") -> tuple[dict[str, str], bytes]:
    described = named(name, certificate_url) if certificate_url else scheme(name)
    return sent(described, key, TYPES.get(name, "paypal.PAYMENT.CAPTURE.COMPLETED"))


def certificate_of(name: str, key: Secret, from_s: float = NOW_S - 60, days: int = VALID_DAYS) -> str:
    return self_signed(KeyPair(scheme(name).algorithm, key, name), "example.test", from_s, days)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_fetch_only_the_own_certificate_is_taken(name: str) -> None:
    verifier = scheme(name).verifier(KEYS[name], url=URL)
    assert verifier.verify(*delivery(name, KEYS[name]), NOW_S) is None
    assert verifier.verify(*delivery(name, OTHER_KEY), NOW_S) is Rejection.wrong_signature
    assert verifier.verify(*delivery(name, KEYS[name], ALLOWED[name]), NOW_S) is Rejection.wrong_signature
    assert own_certificate_url(scheme(name), URL) == f"https://example.test{CERTIFICATE_PATH}"


@pytest.mark.parametrize("name", NAMES)
def test_a_provider_s_certificate_is_fetched_once_and_counts_while_it_is_valid(name: str) -> None:
    asked: list[str] = []

    def fetch(url: str) -> str:
        asked.append(url)
        return certificate_of(name, KEYS[name], days=1)

    verifier = scheme(name).verifier(OTHER_KEY, url=URL, fetch=fetch)
    genuine = delivery(name, KEYS[name], ALLOWED[name])
    assert [verifier.verify(*genuine, NOW_S) for _ in range(3)] == [None] * 3
    assert asked == [ALLOWED[name]]
    assert verifier.verify(*genuine, NOW_S + 86_400) is Rejection.wrong_signature, "expired"
    assert verifier.verify(*genuine, NOW_S - 61) is Rejection.wrong_signature, "not yet valid"
    assert verifier.verify(*delivery(name, OTHER_KEY, ALLOWED[name]), NOW_S) is Rejection.wrong_signature
    assert verifier.verify(*delivery(name, OTHER_KEY), NOW_S) is None, "the receiver's own"


@pytest.mark.parametrize("served", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_what_is_no_certificate_refuses_the_delivery(served: str | None) -> None:
    verifier = scheme("paypal").verifier(KEYS["paypal"], url=URL, fetch=lambda _: served)
    found = verifier.verify(*delivery("paypal", KEYS["paypal"], ALLOWED["paypal"]), NOW_S)
    assert found is Rejection.wrong_signature


def test_a_forger_cannot_make_a_receiver_fetch_without_end() -> None:
    asked: list[str] = []

    def fetch(url: str) -> None:
        asked.append(url)

    verifier = scheme("paypal").verifier(KEYS["paypal"], url=URL, fetch=fetch)
    headers, body = delivery("paypal", KEYS["paypal"])
    for number in range(100):
        url = f"https://api.paypal.com/v1/notifications/certs/{number}"
        assert verifier.verify({**headers, "paypal-cert-url": url}, body, NOW_S) is Rejection.wrong_signature
    assert len(asked) == MOST_CERTIFICATES


def test_a_certificate_that_could_not_be_had_is_fetched_again_later() -> None:
    served: list[str | None] = [None]
    verifier = scheme("paypal").verifier(OTHER_KEY, url=URL, fetch=lambda _: served[0])
    headers, body = delivery("paypal", KEYS["paypal"], ALLOWED["paypal"])
    for number in range(MOST_CERTIFICATES):
        forged = {**headers, "paypal-cert-url": f"https://api.paypal.com/v1/notifications/certs/{number}"}
        assert verifier.verify(forged, body, NOW_S) is Rejection.wrong_signature
    served[0] = certificate_of("paypal", KEYS["paypal"])
    assert verifier.verify(headers, body, NOW_S + AGAIN_S - 1) is Rejection.wrong_signature
    assert verifier.verify(headers, body, NOW_S + AGAIN_S) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_certificate_as_the_receivers_key_counts_while_it_is_valid(name: str) -> None:
    pem = certificate_of(name, KEYS[name], days=1)
    verifier = scheme(name).verifier(Secret(pem), url=URL)
    genuine = delivery(name, KEYS[name])
    assert verifier.verify(*genuine, NOW_S) is None
    assert verifier.verify(*genuine, NOW_S + 86_400) is Rejection.wrong_signature
    assert own_certificate(scheme(name), Secret(pem), NOW_S) == pem
    read = read_certificate(own_certificate(scheme(name), KEYS[name], NOW_S))
    assert read.is_valid_at(NOW_S)
    assert read.public_key == KeyPair(scheme(name).algorithm, KEYS[name], name).public_text("pem")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (ALLOWED["paypal"], "names a certificate of the provider; it is fetched by receive --fetch-certificates only"),
        ("https://api.paypal.com.evil.example/v1/notifications/certs/1", "a certificate that is not the provider's"),
        ("", "a certificate that is not the provider's"),
    ],
)
def test_a_refused_certificate_is_explained(url: str, said: str) -> None:
    headers, body = delivery("paypal", KEYS["paypal"])
    found = explain(scheme("paypal"), KEYS["paypal"], {**headers, "paypal-cert-url": url}, body, NOW_S, url=URL)
    assert said in found.findings[0]
    assert f"https://example.test{CERTIFICATE_PATH}" in found.findings[0]
    other = {**headers, "paypal-auth-algo": "SHA1withRSA"}
    assert explain(scheme("paypal"), KEYS["paypal"], other, body, NOW_S, url=URL).findings[0].endswith("SHA256withRSA")
    wrong = explain(scheme("paypal"), OTHER_KEY, headers, body, NOW_S, url=URL)
    assert "another key" in wrong.findings[0]


HOSTS = st.sampled_from(["sns.us-east-1.amazonaws.com", "sns.eu-west-1.amazonaws.com.cn"])


@given(HOSTS, st.text("abc0123-", min_size=1, max_size=20))
def test_urls_of_the_provider_are_allowed(host: str, name: str) -> None:
    place = scheme("aws-sns").certificate
    assert place is not None
    assert is_allowed(f"https://{host}/SimpleNotificationService-{name}.pem", place.allowed)


@given(HOSTS, st.sampled_from(sorted(URLS)), st.sampled_from("?#@\\/ \t\r\n\0é%:"), st.integers(0, 70))
def test_urls_of_others_are_not(host: str, way: str, mark: str, at: int) -> None:
    place = scheme("aws-sns").certificate
    assert place is not None
    path = "/SimpleNotificationService-1.pem"
    real = f"https://{host}{path}"
    assert not is_allowed(URLS[way](host, path, "http://127.0.0.1:1/certificate.pem"), place.allowed)
    assert not is_allowed(real.replace("https:", "http:"), place.allowed)
    assert not is_allowed(real[:at] + mark + real[at:], place.allowed)
    assert not is_allowed(real + "\n", place.allowed)


@pytest.mark.parametrize("name", ["aws-sns", "aws-sns-v1"])
@pytest.mark.parametrize(
    ("field", "before"), [("MessageId", "Message"), ("Type", "TopicArn"), ("TopicArn", "Timestamp")]
)
def test_a_signed_field_cannot_be_moved_into_the_one_before_it(name: str, field: str, before: str) -> None:
    headers, body = delivery(name, KEYS[name])
    document = json.loads(body)
    document[before] += f"\n{field}\n{document.pop(field)}"
    moved = json.dumps(document).encode()
    assert scheme(name).verifier(KEYS[name], url=URL).verify(headers, moved, NOW_S) is Rejection.wrong_signature


@pytest.mark.parametrize("name", ["aws-sns", "aws-sns-v1"])
def test_a_confirmation_of_a_subscription_is_signed_as_its_kind_is(name: str) -> None:
    """The canonical text of such a message: with SubscribeURL and Token, without Subject."""
    fields = {
        "Message": "You have chosen to subscribe.",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336",
        "Timestamp": "2012-04-26T20:45:04.751Z",
        "Token": "2336",
        "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
        "Type": "SubscriptionConfirmation",
    }
    text = "".join(f"{field}\n{value}\n" for field, value in fields.items())
    named = {"SigningCertURL": own_certificate_url(scheme(name), URL), "SignatureVersion": "1" if "v1" in name else "2"}
    code = algorithm_of(scheme(name), KEYS[name]).sign(text.encode())
    body = json.dumps({**fields, **named, "Signature": code}).encode()
    verifier = scheme(name).verifier(KEYS[name], url=URL)
    assert verifier.verify({}, body, NOW_S) is None
    assert verifier.verify({}, body.replace(b"2336", b"2337", 1), NOW_S) is Rejection.wrong_signature


@pytest.mark.parametrize("label", ["s3", "S3", "s3-us-west-2", "s3-website-us-east-1"])
def test_a_bucket_with_the_name_of_the_provider_s_host_is_not_the_provider(label: str) -> None:
    place = scheme("aws-sns").certificate
    assert place is not None
    assert not is_allowed(f"https://sns.{label}.amazonaws.com/SimpleNotificationService-1.pem", place.allowed)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"certificates": ["https://*.com/a"]}, "certificates: .*the last two labels of the host cannot be"),
        ({"certificates": ["https://evil.*/a"]}, "the last two labels"),
        ({"certificates": ["http://sns.example.com/a"]}, 'is not written "https://HOST/PATH"'),
        ({"certificate_url": "file:///etc/passwd"}, "certificate_url: is not a URL"),
        ({"algorithm": "ed25519"}, "algorithm: a certificate is for"),
        ({"algorithm_field": "json:SignatureVersion"}, "algorithm_field: .* lacks the value"),
        ({"algorithm_field": "SignatureVersion 2"}, "algorithm_field: .*is not written"),
        ({"algorithm_field": "header:X-Algorithm RS256"}, 'algorithm_field: headers has no line "X-Algorithm: RS256"'),
        ({"certificate_field": "header:X-Cert"}, 'certificate_field: is "json:PATH" or "form:NAME"'),
    ],
)
def test_a_wrong_table_is_one_line_that_names_the_key(table: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        scheme("custom", {"like": "aws-sns", **table})
    assert str(raised.value).startswith("target.custom.")
    assert "\n" not in str(raised.value)


def test_certificates_without_a_place_that_names_them_are_an_error() -> None:
    with pytest.raises(UsageError, match=r"certificates: nothing names a certificate"):
        scheme("custom", {"like": "github", "certificates": ["https://a.example.com/x"]})
    with pytest.raises(UsageError, match=r"algorithm_field: is for deliveries that name their certificate"):
        scheme("custom", {"like": "box", "algorithm_field": "header:BOX-SIGNATURE-ALGORITHM HmacSHA256"})


def test_the_verifier_reads_what_it_needs_and_no_more() -> None:
    verifier = scheme("paypal").verifier(KEYS["paypal"], url=URL)
    assert isinstance(verifier, CertificateVerifier)
    assert {"paypal-cert-url", "paypal-auth-algo"} <= set(verifier.header_names)
    headers, body = delivery("paypal", KEYS["paypal"])
    for name in verifier.header_names:
        without = {key: value for key, value in headers.items() if key != name}
        assert verifier.verify(without, body, NOW_S) is not None, name
    assert verifier.verify({**headers, "paypal-auth-algo": "SHA1withRSA"}, body, NOW_S) is Rejection.malformed_signature

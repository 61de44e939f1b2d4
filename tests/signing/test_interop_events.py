"""Events of providers as a run sends them, accepted by the provider's own library, and refused when tampered with."""

from __future__ import annotations

import functools
import time

import pytest

from loadsim.cases import RequestMaker
from loadsim.cases.case_kinds import CASE_KINDS
from loadsim.cases.jwt_forgeries import JWT_FORGERY, KEYLESS
from loadsim.cases.tampering import not_signed, tampered
from loadsim.events import EventSource, event_type
from loadsim.model import Secret, SignedRequest
from loadsim.plan import Case, EventMix
from loadsim.secret_sources import new_secret
from loadsim.signing import Scheme, scheme
from tests.conftest import slow_but

from .provider_libraries import NODE_LIBRARIES, PYTHON, SNS_URL, TOKENS, Given, accepted, ask, node_request

URL = "https://example.test/hooks?data.id=a-7"
PLAIN_URL = "https://example.test/hooks"
EVENTS = 50
HEAVY = ("polar.order.paid", "telnyx.message.received")
"""Their libraries take half a minute to import."""


@functools.cache
def given(name: str) -> Given:
    """The secret of a scheme, and the URL of the endpoint."""
    # Contentful's library takes secrets of this length only; Plivo's row is for URLs without a query.
    secret = Secret("5f" * 32) if name == "contentful" else new_secret(scheme(name))
    return Given(name, secret, PLAIN_URL if name == "plivo" else URL)


@functools.cache
def sent_by(name: str) -> Scheme:
    """The scheme as it is sent: SNS's library takes the certificate from AWS's hosts only."""
    if name.startswith("aws-sns"):
        return scheme("custom", {"like": name, "certificate_url": SNS_URL})
    return scheme(name)


def deliveries(kind: str, count: int, now_ns: int | None = None) -> list[tuple[dict[str, str], bytes]]:
    """Events of a type, signed now."""
    name = event_type(kind).scheme
    source, known = EventSource(kind, 7), given(name)
    signer = sent_by(name).signer(known.secret, url=known.url, event=source.topic, content_type=source.content_type)
    found = []
    for index in range(count):
        moment = time.time_ns() if now_ns is None else now_ns
        event_id = source.event_id(index)
        body = signer.sealed(source.body(index, moment), moment, event_id)
        request = SignedRequest(signer.headers(body, moment, event_id), body)
        found.append(({each.lower(): value for each, value in request.header_pairs()}, body))
    return found


@pytest.mark.parametrize("kind", slow_but([kind for kind in PYTHON if kind not in HEAVY], PYTHON))
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning", "ignore::UserWarning")
def test_the_providers_library_accepts_what_is_sent_and_refuses_what_is_tampered_with(kind: str) -> None:
    name = event_type(kind).scheme
    check = PYTHON[kind].check(given(name))
    change, is_signed = tampered(scheme(name)), not not_signed(scheme(name))
    for headers, body in deliveries(kind, EVENTS):
        assert accepted(check, headers, body), body
        assert accepted(check, headers, change(body)) is not is_signed
        if name == "mercadopago":
            assert not accepted(check, {**headers, "x-request-id": "another"}, body)


def maker(kind: str, *cases: Case) -> RequestMaker:
    """What makes the requests of a run."""
    known = given(event_type(kind).scheme)
    return RequestMaker([EventMix(type=kind)], scheme(known.scheme), known.secret, 7, cases=cases, url=known.url)


def read(request: SignedRequest) -> tuple[dict[str, str], bytes]:
    return {name.lower(): value for name, value in request.header_pairs()}, request.body


@pytest.mark.slow
@pytest.mark.parametrize("kind", TOKENS)
def test_the_providers_library_accepts_a_thousand_tokens(kind: str) -> None:
    check, made = TOKENS[kind].check(given(event_type(kind).scheme)), maker(kind)
    for index in range(1_000):
        assert accepted(check, *read(made.make(index, 0, time.time_ns()))), index


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("name", KEYLESS)
def test_the_providers_library_refuses_tokens_that_were_made_without_the_key(kind: str, name: str) -> None:
    case = f"{JWT_FORGERY}.{name}"
    if problem := CASE_KINDS[case].problem(scheme(event_type(kind).scheme)):
        assert "key pair" in problem
        return
    check, made = TOKENS[kind].check(given(event_type(kind).scheme)), maker(kind, Case(kind=case, share=0.1))
    assert not accepted(check, *read(made.make(3, 1, time.time_ns())))


def test_a_library_that_checks_certificates_refuses_another_key() -> None:
    check = PYTHON["paypal.PAYMENT.CAPTURE.COMPLETED"].check(Given("paypal", new_secret(scheme("paypal")), URL))
    for headers, body in deliveries("paypal.PAYMENT.CAPTURE.COMPLETED", 2):
        assert not accepted(check, headers, body)


@pytest.mark.needs("node")
@pytest.mark.parametrize("kind", NODE_LIBRARIES)
def test_the_providers_library_for_node_accepts_and_refuses_too(kind: str) -> None:
    name = event_type(kind).scheme
    change = tampered(scheme(name))
    # Box's library refuses a time that is later than its own clock in whole seconds.
    sent = deliveries(kind, EVENTS, time.time_ns() - 2 * 10**9)
    answers = ask(
        [node_request(kind, given(name), headers, text) for headers, body in sent for text in (body, change(body))]
    )
    assert [answer["genuine"] for answer in answers] == [True, False] * EVENTS, answers[:2]


@pytest.mark.needs("node")
def test_the_library_of_sns_refuses_what_ours_refuses() -> None:
    kind = "aws-sns.Notification"
    ((headers, body),) = deliveries(kind, 1)
    forged = [
        body.replace(b'"SignatureVersion":"2"', b'"SignatureVersion":"1"'),
        body.replace(b"amazonaws.com/Simple", b"amazonaws.com.evil.example/Simple"),
        body.replace(b"https://sns.us", b"http://sns.us"),
        body.replace(b"https://sns.us", b"https://evil.example/sns.us"),
        body.replace(b'"Subject":"Order', b'"Subject":"order'),
    ]
    assert all(text != body for text in forged)
    answers = ask([node_request(kind, given("aws-sns"), headers, text) for text in forged])
    assert [answer["genuine"] for answer in answers] == [False] * len(forged)
    verifier = sent_by("aws-sns").verifier(given("aws-sns").secret, url=URL)
    assert verifier.verify(headers, body, time.time()) is None
    assert all(verifier.verify(headers, text, time.time()) is not None for text in forged)

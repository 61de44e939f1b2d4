"""Events of providers as a run sends them, accepted by the provider's own library, and refused when tampered with."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from loadsim.cases.tampering import tampered
from loadsim.events import EventSource, event_type
from loadsim.model import Secret, SignedRequest
from loadsim.secret_sources import new_secret
from loadsim.signing import scheme
from loadsim.signing.asymmetric import KeyPair

from .test_interop import accepted, ask, library

URL = "https://example.test/hooks?shop=a%20b"
EVENTS = 50
Check = Callable[[dict[str, str], bytes], Any]
"""(headers by lower-case name, body) -> the library's answer."""


@functools.cache
def secret(name: str) -> Secret:
    if name == "contentful":
        return Secret("5f" * 32)  # its library takes secrets of this length only
    return new_secret(scheme(name))


def deliveries(kind: str, count: int, now_ns: int | None = None) -> list[tuple[dict[str, str], bytes]]:
    """Events of a type, signed now."""
    name = event_type(kind).scheme
    source = EventSource(kind, 7)
    signer = scheme(name).signer(secret(name), url=URL, event=source.topic, content_type=source.content_type)
    found = []
    for index in range(count):
        moment = time.time_ns() if now_ns is None else now_ns
        event_id = source.event_id(index)
        body = signer.sealed(source.body(index, moment), moment, event_id)
        request = SignedRequest(signer.headers(body, moment, event_id), body)
        found.append(({each.lower(): value for each, value in request.header_pairs()}, body))
    return found


def public(name: str, form: str) -> str:
    described = scheme(name)
    return KeyPair(described.algorithm, secret(name), name).public_text(form)


def twilio() -> Check:
    validate = library("twilio.request_validator").RequestValidator(secret("twilio").reveal()).validate
    return lambda headers, body: validate(
        URL, dict(parse_qsl(body.decode(), keep_blank_values=True)), headers["x-twilio-signature"]
    )


def adyen() -> Check:
    valid = library("Adyen.util").is_valid_hmac_notification
    return lambda _, body: valid(json.loads(body), secret("adyen").reveal())


def discord() -> Check:
    verify, key = library("discord_interactions").verify_key, public("discord", "hex")
    return lambda headers, body: verify(body, headers["x-signature-ed25519"], headers["x-signature-timestamp"], key)


def sendgrid() -> Check:
    webhook = library("sendgrid.helpers.eventwebhook").EventWebhook(public("sendgrid", "base64"))
    prefix = "x-twilio-email-event-webhook-"
    return lambda headers, body: webhook.verify_signature(
        body.decode(), headers[prefix + "signature"], headers[prefix + "timestamp"]
    )


def telnyx() -> Check:
    module, key = library("telnyx.lib.webhook_verification"), public("telnyx", "base64")
    return lambda headers, body: module.verify_webhook_signature(body, headers, key) is None


def razorpay() -> Check:
    utility = library("razorpay").Utility()
    return lambda headers, body: utility.verify_webhook_signature(
        body.decode(), headers["x-razorpay-signature"], secret("razorpay").reveal()
    )


def coinbase() -> Check:
    verify = library("coinbase_commerce.webhook").WebhookSignature.verify_sig_header
    return lambda headers, body: verify(
        body.decode(), headers["x-cc-webhook-signature"], secret("coinbase-commerce").reveal()
    )


def gitlab() -> Check:
    verify = library("standardwebhooks").Webhook(secret("gitlab").reveal()).verify
    return lambda headers, body: verify(body, headers) is not None


def slack() -> Check:
    verify = library("slack_sdk.signature").SignatureVerifier(secret("slack-commands").reveal()).is_valid_request
    return lambda headers, body: verify(body, headers)


CHECKS: dict[str, Callable[[], Check]] = {
    "twilio.message.received": twilio,
    "twilio.call.status": twilio,
    "adyen.AUTHORISATION": adyen,
    "discord.application_command": discord,
    "sendgrid.delivered": sendgrid,
    "telnyx.message.received": telnyx,
    "razorpay.payment.captured": razorpay,
    "coinbase-commerce.charge.confirmed": coinbase,
    "gitlab.push": gitlab,
    "slack-commands.slash_command": slack,
}


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning", "ignore::UserWarning")
def test_the_providers_library_accepts_what_is_sent_and_refuses_what_is_tampered_with(kind: str) -> None:
    check = CHECKS[kind]()
    change = tampered(scheme(event_type(kind).scheme))
    for headers, body in deliveries(kind, EVENTS):
        assert accepted(check, headers, body, errors=(Exception,)), body
        assert not accepted(check, headers, change(body), errors=(Exception,))


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("kind", "library_name"),
    [("contentful.entry.publish", "contentful"), ("box.FILE.UPLOADED", "box")],
)
def test_the_providers_library_for_node_accepts_and_refuses_too(kind: str, library_name: str) -> None:
    name = event_type(kind).scheme
    change = tampered(scheme(name))
    # Box's library refuses a time that is later than its own clock in whole seconds.
    sent = deliveries(kind, EVENTS, time.time_ns() - 2 * 10**9)
    key = secret(name).reveal()
    common = {"library": library_name, "secret": key, "path": "/hooks"}
    answers = ask(
        [
            {**common, "headers": headers, "body": text.decode()}
            for headers, body in sent
            for text in (body, change(body))
        ]
    )
    assert [answer["genuine"] for answer in answers] == [True, False] * EVENTS

"""Each scheme against its provider's own library, both ways: what we sign they accept, what they sign we accept."""

from __future__ import annotations

import base64
import datetime as dt
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.model import Secret
from loadsim.signing import Rejection, scheme

from .provider_libraries import accepted, ask, library
from .support import delivery

BODIES = st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=4).map(
    lambda document: json.dumps(document, ensure_ascii=False).encode()
)
KEYS = st.binary(min_size=24, max_size=64).map(lambda key: "whsec_" + base64.b64encode(key).decode())
SECRETS = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=40)
"""Any letters but white space, of which some libraries take a secret to be empty."""
few = settings(max_examples=25, deadline=None)


@pytest.mark.parametrize(("module", "name"), [("standardwebhooks", "standard-webhooks"), ("svix.webhooks", "svix")])
@few
@given(secret=KEYS, body=BODIES)
def test_standard_webhooks_and_svix(module: str, name: str, secret: str, body: bytes) -> None:
    theirs = library(module).Webhook(secret)
    error = library(module).WebhookVerificationError
    ours = scheme(name).signer(Secret(secret))
    now_s = int(time.time())
    headers = delivery(ours, body, now_s)
    assert accepted(theirs.verify, body, headers, errors=(error,))
    assert not accepted(theirs.verify, body + b" ", headers, errors=(error,))
    stale = delivery(ours, body, now_s - 301)
    assert not accepted(theirs.verify, body, stale, errors=(error,))
    prefix = "svix" if name == "svix" else "webhook"
    made = theirs.sign("msg_7", dt.datetime.fromtimestamp(now_s, dt.UTC), body.decode())
    headers = {f"{prefix}-id": "msg_7", f"{prefix}-timestamp": str(now_s), f"{prefix}-signature": made}
    verifier = scheme(name).verifier(Secret(secret))
    assert verifier.verify(headers, body, now_s) is None
    assert verifier.verify(headers, body + b" ", now_s) is Rejection.wrong_signature


@few
@given(secret=SECRETS, body=BODIES)
def test_stripe(secret: str, body: bytes) -> None:
    stripe = library("stripe")
    check = stripe.WebhookSignature.verify_header
    errors = (stripe.SignatureVerificationError,)
    now_s = int(time.time())
    header = delivery(scheme("stripe").signer(Secret(secret)), body, now_s)["stripe-signature"]
    assert accepted(check, body.decode(), header, secret, 300, errors=errors)
    assert not accepted(check, body.decode() + " ", header, secret, 300, errors=errors)
    assert not accepted(check, body.decode(), header, secret + "x", 300, errors=errors)
    old = delivery(scheme("stripe").signer(Secret(secret)), body, now_s - 310)["stripe-signature"]
    assert not accepted(check, body.decode(), old, secret, 300, errors=errors)
    theirs = stripe.WebhookSignature._compute_signature(f"{now_s}.{body.decode()}", secret)
    verifier = scheme("stripe").verifier(Secret(secret))
    for text in (f"t={now_s},v1={theirs}", f"t={now_s},v1={'0' * 64},v1={theirs},v0=old"):
        assert accepted(check, body.decode(), text, secret, 300, errors=errors)
        assert verifier.verify({"stripe-signature": text}, body, now_s) is None


@few
@given(secret=SECRETS, body=BODIES)
def test_slack(secret: str, body: bytes) -> None:
    theirs = library("slack_sdk.signature").SignatureVerifier(secret)
    now_s = int(time.time())
    headers = delivery(scheme("slack").signer(Secret(secret)), body, now_s)
    assert theirs.is_valid_request(body, headers)
    assert not theirs.is_valid_request(body + b" ", headers)
    made = theirs.generate_signature(timestamp=str(now_s), body=body)
    headers = {"x-slack-request-timestamp": str(now_s), "x-slack-signature": made}
    assert scheme("slack").verifier(Secret(secret)).verify(headers, body, now_s) is None


# -- libraries of another language ----------------------------------------------------------------------------------

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
NODE_BODIES = (b"{}", '{"a":"é\U0001f600"}'.encode(), b'{ "a" : [1, 2.50] }\r\n', b'{"x":"' + b"y" * 20_000 + b'"}')


@pytest.mark.needs("node")
@pytest.mark.parametrize("name", ["github", "standard-webhooks", "stripe"])
def test_libraries_for_node(name: str) -> None:
    now_s = int(time.time())
    requests: list[dict[str, Any]] = []
    for body in NODE_BODIES:
        headers = delivery(scheme(name).signer(Secret(SECRET)), body, now_s)
        common = {"library": name, "secret": SECRET, "body": body.decode(), "headers": headers}
        requests += [
            common,
            {**common, "body": body.decode() + " "},
            {**common, "sign": True, "id": "msg_7", "timestamp": now_s},
        ]
    answers = ask(requests)
    assert [answer["genuine"] for answer in answers[0::3]] == [True] * len(NODE_BODIES)
    assert [answer["genuine"] for answer in answers[1::3]] == [False] * len(NODE_BODIES)
    verifier = scheme(name).verifier(Secret(SECRET))
    for body, answer in zip(NODE_BODIES, answers[2::3], strict=True):
        assert verifier.verify(answer["headers"], body, now_s) is None
        assert verifier.verify(answer["headers"], body + b" ", now_s) is Rejection.wrong_signature

"""The providers' own libraries, each as a check of one delivery of an event type.

A library that fetches a certificate gets it from the test instead; nothing here opens a connection.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from loadsim.model import Secret
from loadsim.signing import scheme
from loadsim.signing.asymmetric import KeyPair
from loadsim.signing.certificates import own_certificate
from loadsim.signing.token_codes import token_of

NODE = Path(__file__).parent / "node"
Check = Callable[[dict[str, str], bytes], Any]
"""(headers by lower-case name, body) -> the library's answer; False or an exception: refused."""
SNS_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
"""The only form of a certificate's URL that the library takes."""


@dataclass(frozen=True, slots=True)
class Given:
    """What an endpoint knows: its scheme's name, the sender's secret, and its own URL."""

    scheme: str
    secret: Secret
    url: str

    @property
    def text(self) -> str:
        """The secret."""
        return self.secret.reveal()

    def public(self, form: str) -> str:
        """The public key."""
        pair = scheme(self.scheme).pair
        assert pair is not None
        return KeyPair(pair, self.secret, self.scheme).public_text(form)

    def certificate(self) -> str:
        """The certificate of the key, in PEM."""
        return own_certificate(scheme(self.scheme), self.secret, time.time())


def library(name: str) -> Any:
    """The provider's module; where everything is required its absence is a failure."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        if os.environ.get("LOADSIM_REQUIRE") == "all":  # noqa: TID251 - as in conftest
            pytest.fail(f"needs {name}: install the extra `interop`", pytrace=False)
        pytest.skip(f"needs {name}: install the extra `interop`")


def accepted(call: Any, *arguments: Any, errors: tuple[type[Exception], ...] = (Exception,)) -> bool:
    """Whether a library's check lets the delivery pass."""
    try:
        return call(*arguments) is not False
    except errors:
        return False


def _form(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def _passes(check: Callable[..., Any], *arguments: Any, **named: Any) -> bool:
    """True where a check that returns nothing does not raise."""
    check(*arguments, **named)
    return True


# -- Python ---------------------------------------------------------------------------------------------------------


def twilio(given: Given) -> Check:
    validate = library("twilio.request_validator").RequestValidator(given.text).validate
    return lambda headers, body: validate(given.url, _form(body), headers["x-twilio-signature"])


def adyen(given: Given) -> Check:
    valid = library("Adyen.util").is_valid_hmac_notification
    return lambda _, body: valid(json.loads(body), given.text)


def discord(given: Given) -> Check:
    verify, key = library("discord_interactions").verify_key, given.public("hex")
    return lambda headers, body: verify(body, headers["x-signature-ed25519"], headers["x-signature-timestamp"], key)


def sendgrid(given: Given) -> Check:
    webhook = library("sendgrid.helpers.eventwebhook").EventWebhook(given.public("base64"))
    prefix = "x-twilio-email-event-webhook-"
    return lambda headers, body: webhook.verify_signature(
        body.decode(), headers[prefix + "signature"], headers[prefix + "timestamp"]
    )


def telnyx(given: Given) -> Check:
    module, key = library("telnyx.lib.webhook_verification"), given.public("base64")
    return lambda headers, body: _passes(module.verify_webhook_signature, body, headers, key)


def razorpay(given: Given) -> Check:
    utility = library("razorpay").Utility()
    return lambda headers, body: utility.verify_webhook_signature(
        body.decode(), headers["x-razorpay-signature"], given.text
    )


def coinbase(given: Given) -> Check:
    verify = library("coinbase_commerce.webhook").WebhookSignature.verify_sig_header
    return lambda headers, body: _passes(verify, body.decode(), headers["x-cc-webhook-signature"], given.text)


def gitlab(given: Given) -> Check:
    verify = library("standardwebhooks").Webhook(given.text).verify
    return lambda headers, body: verify(body, headers)


def slack(given: Given) -> Check:
    verify = library("slack_sdk.signature").SignatureVerifier(given.text).is_valid_request
    return lambda headers, body: verify(body, headers)


def plivo(given: Given) -> Check:
    validate = library("plivo.utils.signature_v3").validate_v3_signature
    url = given.url.partition("?")[0]
    return lambda headers, body: validate(
        "POST", url, headers["x-plivo-signature-v3-nonce"], given.text, headers["x-plivo-signature-v3"], _form(body)
    )


def braintree(given: Given) -> Check:
    module = library("braintree")
    gateway = module.BraintreeGateway(
        module.Configuration(module.Environment.Sandbox, "loadsim", "loadsim", given.text)
    )

    def parse(_: dict[str, str], body: bytes) -> Any:
        form = _form(body)
        return gateway.webhook_notification.parse(form["bt_signature"], form["bt_payload"]).kind

    return parse


def pusher(given: Given) -> Check:
    client = library("pusher").Pusher("1", "loadsim", given.text)
    return lambda headers, body: (
        client.validate_webhook(headers["x-pusher-key"], headers["x-pusher-signature"], body.decode()) is not None
    )


def line(given: Given) -> Check:
    validate = library("linebot.v3").WebhookParser(given.text).parse
    return lambda headers, body: validate(body.decode(), headers["x-line-signature"])


def workos(given: Given) -> Check:
    verify = library("workos").WorkOSClient(api_key="unused", client_id="unused").webhooks.verify_event
    return lambda headers, body: verify(event_body=body, event_signature=headers["workos-signature"], secret=given.text)


def gocardless(given: Given) -> Check:
    parse = library("gocardless_pro.webhooks").parse
    return lambda headers, body: parse(body, given.text, headers["webhook-signature"])


def easypost(given: Given) -> Check:
    validate = library("easypost.util").validate_webhook
    return lambda headers, body: validate(body, {"X-Hmac-Signature": headers["x-hmac-signature"]}, given.text)


def orb(given: Given) -> Check:
    webhooks = library("orb").Orb(api_key="unused").webhooks
    return lambda headers, body: _passes(webhooks.verify_signature, body, headers, secret=given.text)


def modern_treasury(given: Given) -> Check:
    webhooks = library("modern_treasury").ModernTreasury(api_key="unused", organization_id="unused").webhooks
    return lambda headers, body: webhooks.validate_signature(body.decode(), headers, key=given.text)


def mercadopago(given: Given) -> Check:
    validate = library("mercadopago.webhook").WebhookSignatureValidator.validate
    data_id = dict(parse_qsl(given.url.partition("?")[2]))["data.id"]
    return lambda headers, _: _passes(
        validate, headers["x-signature"], headers["x-request-id"], data_id, given.text, tolerance_seconds=300
    )


def mailgun(given: Given) -> Check:
    verify = library("mailgun.security").SecurityGuard.verify_webhook

    def check(_: dict[str, str], body: bytes) -> Any:
        signature = json.loads(body)["signature"]
        return verify(given.text, signature["token"], signature["timestamp"], signature["signature"])

    return check


def polar(given: Given) -> Check:
    validate = library("polar.v2026_10.webhooks").validate_event
    return lambda headers, body: validate(body, headers, given.text)


def openai(given: Given) -> Check:
    webhooks = library("openai").OpenAI(api_key="unused").webhooks
    return lambda headers, body: _passes(webhooks.verify_signature, body, headers, secret=given.text)


def resend(given: Given) -> Check:
    verify = library("resend").Webhooks.verify

    def check(headers: dict[str, str], body: bytes) -> Any:
        three = {name: headers[f"svix-{name}"] for name in ("id", "timestamp", "signature")}
        return verify({"payload": body.decode(), "headers": three, "webhook_secret": given.text})

    return check


def paypal(given: Given) -> Check:
    """With the certificate given to it, its issuer trusted, and `crypto.verify`, which pyOpenSSL has dropped since."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    crypto, module = library("OpenSSL.crypto"), library("paypalrestsdk.notifications")
    certificate = crypto.load_certificate(crypto.FILETYPE_PEM, given.certificate().encode())
    digests = {"sha256WithRSAEncryption": SHA256, "sha1WithRSAEncryption": SHA1}

    def verify(of: Any, signature: bytes, message: bytes, name: str) -> None:
        of.to_cryptography().public_key().verify(signature, message, PKCS1v15(), digests[name]())

    def store() -> Any:
        found = crypto.X509Store()
        found.add_cert(certificate)
        return found

    crypto.verify = verify
    event = module.WebhookEvent
    event._get_cert = staticmethod(lambda _: certificate)
    event._get_certificate_store = staticmethod(store)

    def check(headers: dict[str, str], body: bytes) -> Any:
        part = {name: headers[f"paypal-{name}"] for name in ("cert-url", "auth-algo", "transmission-sig")}
        return event.verify(
            headers["paypal-transmission-id"], headers["paypal-transmission-time"], "WEBHOOK-ID", body.decode(),
            part["cert-url"], part["transmission-sig"], part["auth-algo"],
        )  # fmt: skip

    return check


@dataclass(frozen=True, slots=True)
class Library:
    """A library of Python that checks deliveries of one event type."""

    package: str
    check: Callable[[Given], Check]

    @property
    def name(self) -> str:
        """With its version."""
        return f"{self.package} {version(self.package)} (Python)"


# -- tokens ---------------------------------------------------------------------------------------------------------


def _bearer(headers: dict[str, str]) -> str:
    return headers["authorization"].removeprefix("Bearer ")


def google(given: Given) -> Check:
    """With the certificates that Google publishes replaced by our public key."""
    verify = library("google.oauth2.id_token").verify_oauth2_token
    kid = dict(token_of(scheme(given.scheme)).header)["kid"]
    published = SimpleNamespace(status=200, data=json.dumps({kid: given.public("pem")}).encode())
    return lambda headers, _: bool(verify(_bearer(headers), lambda *_, **__: published, given.url)["email_verified"])


def vonage(given: Given) -> Check:
    """Its library checks the signature; that the hash is the body's is the second step of its documentation."""
    verify, decode = library("vonage_jwt").verify_signature, library("jwt").decode
    unchecked = {"verify_signature": False}
    return lambda headers, body: (
        verify(_bearer(headers), given.text)
        and decode(_bearer(headers), options=unchecked)["payload_hash"] == hashlib.sha256(body).hexdigest()
    )


def messagebird(given: Given) -> Check:
    check = library("messagebird.request_validator").RequestValidator(given.text).validate_signature
    return lambda headers, body: bool(check(headers["messagebird-signature-jwt"], given.url, body))


def qstash(given: Given) -> Check:
    verify = library("qstash").Receiver(given.text, "sig_next").verify
    return lambda headers, body: _passes(
        verify, signature=headers["upstash-signature"], body=body.decode(), url=given.url
    )


def livekit(given: Given) -> Check:
    api = library("livekit.api")
    issuer = next(claim.value for claim in token_of(scheme(given.scheme)).claims if claim.name == "iss")
    receive = api.WebhookReceiver(api.TokenVerifier(issuer, given.text)).receive
    return lambda headers, body: bool(receive(body.decode(), headers["authorization"]).event)


TOKENS: dict[str, Library] = {
    "google-pubsub.message": Library("google-auth", google),
    "vonage.message.inbound": Library("vonage-jwt", vonage),
    "messagebird.message.created": Library("messagebird", messagebird),
    "qstash.message": Library("qstash", qstash),
    "livekit.participant_joined": Library("livekit-api", livekit),
}
PYTHON: dict[str, Library] = {
    **TOKENS,
    "twilio.message.received": Library("twilio", twilio),
    "twilio.call.status": Library("twilio", twilio),
    "adyen.AUTHORISATION": Library("Adyen", adyen),
    "discord.application_command": Library("discord-interactions", discord),
    "sendgrid.delivered": Library("sendgrid", sendgrid),
    "telnyx.message.received": Library("telnyx", telnyx),
    "razorpay.payment.captured": Library("razorpay", razorpay),
    "coinbase-commerce.charge.confirmed": Library("coinbase-commerce", coinbase),
    "gitlab.push": Library("standardwebhooks", gitlab),
    "slack-commands.slash_command": Library("slack_sdk", slack),
    "plivo.message.received": Library("plivo", plivo),
    "braintree.subscription_charged_successfully": Library("braintree", braintree),
    "pusher.channel_occupied": Library("pusher", pusher),
    "line.message.text": Library("line-bot-sdk", line),
    "workos.user.created": Library("workos", workos),
    "gocardless.payments.confirmed": Library("gocardless-pro", gocardless),
    "easypost.tracker.updated": Library("easypost", easypost),
    "orb.invoice.issued": Library("orb-billing", orb),
    "modern-treasury.payment_order.completed": Library("modern-treasury", modern_treasury),
    "mercadopago.payment.updated": Library("mercadopago", mercadopago),
    "mailgun.delivered": Library("mailgun", mailgun),
    "polar.order.paid": Library("polar-sdk", polar),
    "openai.response.completed": Library("openai", openai),
    "resend.email.delivered": Library("resend", resend),
    "paypal.PAYMENT.CAPTURE.COMPLETED": Library("paypalrestsdk", paypal),
}
"""By event type."""

# -- Node -----------------------------------------------------------------------------------------------------------

NODE_LIBRARIES = {
    "contentful.entry.publish": ("contentful", "@contentful/node-apps-toolkit"),
    "box.FILE.UPLOADED": ("box", "box-node-sdk"),
    "aws-sns.Notification": ("sns", "sns-validator"),
    "aws-sns-v1.Notification": ("sns", "sns-validator"),
    "hookdeck.order.updated": ("hookdeck", "@hookdeck/sdk"),
    "linear.issue.create": ("linear", "@linear/sdk"),
    "mux.video.asset.ready": ("mux", "@mux/mux-node"),
    "zoom.meeting.participant_joined": ("zoom", "@zoom/rivet"),
    "shopify.orders.create": ("shopify", "@shopify/shopify-api"),
}
"""Event type -> its name in interop.mjs, and the package."""


def needs_packages() -> None:
    """Skip, or fail where everything is required, without the packages for Node."""
    if not (NODE / "node_modules").is_dir():
        if os.environ.get("LOADSIM_REQUIRE") == "all":  # noqa: TID251 - as in conftest
            pytest.fail("needs the packages of tests/signing/node: npm install there", pytrace=False)
        pytest.skip("needs the packages of tests/signing/node: npm install there")


def ask(requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the libraries for Node say, one answer a request."""
    needs_packages()
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(
        ["node", "interop.mjs"], cwd=NODE, input=lines, capture_output=True, text=True, check=True, timeout=60
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def node_request(kind: str, given: Given, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The request to interop.mjs about one delivery."""
    path = "/" + given.url.partition("://")[2].partition("/")[2].partition("?")[0]
    found = {"library": NODE_LIBRARIES[kind][0], "secret": given.text, "path": path}
    if scheme(given.scheme).certificate is not None:
        del found["secret"]  # an endpoint has the certificate only
        found["certificate"] = _certificate(given)
    return {**found, "headers": headers, "body": body.decode()}


@functools.cache
def _certificate(given: Given) -> str:
    return given.certificate()


def node_name(kind: str) -> str:
    """The package for Node, with its version."""
    package = NODE_LIBRARIES[kind][1]
    found = json.loads((NODE / "package.json").read_text("utf-8"))["dependencies"][package]
    return f"{package} {found} (Node)"

"""Why a delivery is refused is found from the delivery itself: each usual mistake is made once, and named."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import hmac
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret
from loadsim.signing import Rejection, scheme
from loadsim.signing.explain import Explanation, explain
from loadsim.signing.misreadings import MISREADINGS, Misreading

from .support import NOW_S, OTHER, SCHEMES, SECRET, URL, dated, delivery, signer

BODY = '{"b":{"url":"https://example.test/<é>"},"a":[1,2.5,null]}'.encode()
DOCUMENT = json.loads(BODY)


def explained(
    name: str, headers: dict[str, str], body: bytes = BODY, now_s: float = NOW_S, *, url: str | None = URL
) -> Explanation:
    return explain(scheme(name), SECRET, headers, body, now_s, url=url)


def findings_text(
    name: str, headers: dict[str, str], body: bytes = BODY, now_s: float = NOW_S, url: str | None = URL
) -> str:
    return "\n".join(explained(name, headers, body, now_s, url=url).findings)


@pytest.mark.parametrize("name", SCHEMES)
def test_a_genuine_delivery_is_said_to_be_genuine(name: str) -> None:
    body = dated(NOW_S * 1000)
    answer = explained(name, delivery(signer(name), body), body, NOW_S + 1)
    assert answer.rejection is None
    assert "the signature belongs to this body" in answer.findings[0]
    if scheme(name).timestamp:
        assert "signed 1 s ago, the window is" in answer.findings[0]
    else:
        assert "a replay looks the same" in answer.findings[0]


@pytest.mark.parametrize(
    ("signed", "words"),
    [
        (json.dumps(DOCUMENT).encode(), "with spaces, every other letter than ASCII escaped (Python's json.dumps);"),
        (json.dumps(DOCUMENT, ensure_ascii=False).encode(), "JSON with spaces (Python's json.dumps(ensure_ascii="),
        (
            json.dumps(DOCUMENT, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(),
            "with sorted keys (",
        ),
        (json.dumps(DOCUMENT, ensure_ascii=False, indent=2).encode(), "JSON indented by 2 ("),
        (BODY.replace(b"/", b"\\/"), "compact JSON, slashes and U+2028 escaped (PHP's json_encode("),
        (BODY.replace(b"<", b"\\u003c").replace(b">", b"\\u003e"), "compact JSON, <, > and & escaped (a struct by Go"),
    ],
)
@pytest.mark.parametrize("name", ["trackpilots", "standard-webhooks", "github", "stripe"])
def test_json_that_was_serialised_again_is_recognised(name: str, signed: bytes, words: str) -> None:
    text = findings_text(name, delivery(signer(name), signed))
    assert "the body was parsed and serialised again" in text
    assert words in text


@pytest.mark.parametrize(
    ("signed", "body", "words"),
    [
        (BODY + b"\n", BODY, "had a line break at its end, which this one has not"),
        (BODY, BODY + b"\n", "had no white space at its end, which this one has"),
        (b"a\r\nb", b"a\nb", "had CRLF line breaks, this one has LF"),
        (b"a\nb", b"a\r\nb", "had LF line breaks, this one has CRLF"),
        (BODY, b"\xef\xbb\xbf" + BODY, "had no byte order mark"),
        (b"", BODY, "what was signed was an empty body"),
    ],
)
def test_changed_edges_of_a_body_are_recognised(signed: bytes, body: bytes, words: str) -> None:
    assert words in findings_text("trackpilots", delivery(signer("trackpilots"), signed), body)


TEXT = SECRET.reveal()
KEY = TEXT.encode()


@pytest.mark.parametrize(
    ("name", "used", "words"),
    [
        ("trackpilots", TEXT.removeprefix("whsec_"), "without the prefix that ends in _"),
        ("trackpilots", TEXT + "\n", "with a line break at its end"),
        ("stripe", base64.b64encode(TEXT.encode()).decode(), "the secret base64-encoded as the key"),
        ("github", TEXT.encode().hex(), "the secret hex-encoded as the key"),
    ],
)
def test_a_key_in_another_form_is_recognised(name: str, used: str, words: str) -> None:
    assert words in findings_text(name, delivery(signer(name, Secret(used)), BODY))


def test_verbatim_and_decoded_keys_are_told_apart() -> None:
    decoded = delivery(signer("standard-webhooks"), BODY)
    verbatim = delivery(dataclasses.replace(scheme("standard-webhooks"), key="utf8").signer(SECRET), BODY)
    assert "takes the secret verbatim as the key, but scheme standard-webhooks takes base64" in findings_text(
        "standard-webhooks", verbatim
    )
    stripe = dataclasses.replace(scheme("stripe"), key="whsec").signer(SECRET)
    assert "takes base64-decoded after an optional whsec_ as the key, but scheme stripe" in findings_text(
        "stripe", delivery(stripe, BODY)
    )
    assert findings_text("polar", decoded).startswith("the signature belongs to this body")


@pytest.mark.parametrize(
    ("sent", "read", "field", "words"),
    [
        ("stripe", "convoy", "x-convoy-signature", "signs {timestamp}.{body}, not {timestamp},{body}"),
        ("convoy", "stripe", "stripe-signature", "signs {timestamp},{body}, not {timestamp}.{body}"),
    ],
)
def test_a_wrong_separator_is_recognised(sent: str, read: str, field: str, words: str) -> None:
    (value,) = delivery(signer(sent), BODY).values()
    assert words in findings_text(read, {field: value})


def test_another_encoding_and_a_message_of_the_body_alone_are_recognised() -> None:
    base64_code = delivery(signer("hookdeck"), BODY)["x-hookdeck-signature"]
    assert "HMAC-SHA256 of {body} in base64" in findings_text("outpost", {"x-outpost-signature": f"v0={base64_code}"})
    hexadecimal = delivery(signer("outpost"), BODY)["x-outpost-signature"].removeprefix("v0=")
    headers = {"x-webhook-signature": hexadecimal, "x-webhook-timestamp": str(NOW_S)}
    assert "the sender signs the body alone" in findings_text("trackpilots", headers)


@pytest.mark.parametrize(
    ("real", "words"),
    [
        (URL.replace("https", "http"), "with http://"),
        (URL.partition("?")[0], "without its query"),
        (URL.replace("example.test", "example.test:443"), "with the port 443"),
    ],
)
def test_the_url_behind_a_proxy_is_recognised(real: str, words: str) -> None:
    headers = delivery(scheme("square").signer(SECRET, url=real), BODY)
    assert f"the sender has the URL {words} on file: set public_url" in findings_text("square", headers)


KINDS_OF_BODY = (
    b' {"b":"/ \\u00e9 \xc3\xa9 e\xcc\x81 \xef\xac\x81 <&> \xf0\x9f\x98\x80","10":1.0,"9":1.50,"a":"\\u2028"}\n\r\n',
    b"\xef\xbb\xbf{}",
    b"caf\xe9 \x80",
    gzip.compress(b"{}"),
)


@pytest.mark.parametrize("misreading", MISREADINGS, ids=lambda misreading: misreading.name)
def test_whatever_a_probe_can_prove_is_recognised_in_a_capture_too(misreading: Misreading) -> None:
    announced = not misreading.unannounced_only
    came, read = next(
        (body, read) for body in KINDS_OF_BODY if (read := misreading.of(body, announced=announced)) is not None
    )
    (cause, *_) = explained("github", delivery(signer("github"), read), came).findings
    alike = [each.signed for each in MISREADINGS if each.of(came) == read]
    assert cause == alike[0]
    assert misreading.signed in alike or misreading.unannounced_only


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("hookdeck", lambda: base64.b64encode(hmac.digest(BODY, KEY, "sha256")).decode(), "the key as the message"),
        ("hookdeck", lambda: base64.b64encode(hmac.digest(KEY, BODY, "sha256").hex().encode()).decode(), "hex digits"),
        ("hookdeck", lambda: base64.b64encode(hmac.digest(KEY, BODY, "sha256")).decode().rstrip("="), "padding (=)"),
        (
            "hookdeck",
            lambda: base64.b64encode(hmac.digest(KEY + b"\r\n", BODY, "sha256")).decode(),
            "with CRLF at its end",
        ),
        ("hookdeck", lambda: base64.b64encode(hashlib.sha256(KEY + BODY).digest()).decode(), "plain SHA256 of key and"),
        ("outpost", lambda: "v0=" + hmac.digest(BODY, KEY, "sha256").hex(), "takes the message as the key"),
        (
            "outpost",
            lambda: "v0=" + base64.b64encode(hmac.digest(KEY, BODY, "sha256")).decode().rstrip("="),
            "base64 without padding (=)",
        ),
    ],
)
def test_a_code_that_is_made_or_written_otherwise_is_recognised(name: str, code: Callable[[], str], words: str) -> None:
    assert words in findings_text(name, {scheme(name).signature.name.lower(): code()})


@pytest.mark.parametrize(
    ("on_file", "here", "words"),
    [
        ("https://example.test/hooks", "https://Example.TEST/hooks", "with its host in lower case"),
        ("https://Example.TEST/hooks", "https://Example.TEST:8443/hooks", "without a port"),
        ("https://Example.TEST/hooks", "HTTPS://Example.TEST/hooks", "in its canonical form"),
        ("http://Example.TEST/hooks", "https://Example.TEST:8443/hooks", "with http:// and without a port"),
        ("https://example.test/hooks", "https://Example.TEST:443/hooks", "as URL parsers write it"),
        ("https://example.test/", "https://Example.TEST", "as URL parsers write it"),
    ],
)
def test_the_case_of_a_host_is_not_taken_for_something_else(on_file: str, here: str, words: str) -> None:
    headers = delivery(scheme("square").signer(SECRET, url=on_file), BODY)
    assert f"the sender has the URL {words} on file" in findings_text("square", headers, url=here)


def test_a_form_that_is_wrong_though_the_code_is_right() -> None:
    good = delivery(signer("github"), BODY)["x-hub-signature-256"]
    right = "its code is the right one"
    for text, words in (
        (good.removeprefix("sha256="), "no entry begins with sha256="),
        ("sha256=" + good.removeprefix("sha256=").upper(), "upper case"),
        (f' "{good}"', "quotes or white space"),
    ):
        findings = findings_text("github", {"x-hub-signature-256": text})
        assert words in findings
    assert right in findings_text("github", {"x-hub-signature-256": good.removeprefix("sha256=")})
    in_base64 = base64.b64encode(bytes.fromhex(good.removeprefix("sha256="))).decode()
    assert "upper case" not in findings_text("github", {"x-hub-signature-256": f"sha256={in_base64}"})


def test_what_was_signed_is_said_in_whole_sentences() -> None:
    assert not [each.name for each in MISREADINGS if ",;" in each.signed or ",," in each.cause]


def test_what_is_missing_is_named_and_another_schemes_headers_are_recognised() -> None:
    headers = delivery(signer("github"), BODY)
    assert findings_text("stripe", headers) == (
        "the header Stripe-Signature is missing\nthe headers are those of another scheme: github, meta"
    )
    only = delivery(signer("trackpilots"), BODY)
    del only["x-webhook-timestamp"]
    assert findings_text("trackpilots", only) == "the header X-Webhook-Timestamp is missing"
    assert 'no field "webhookTimestamp"' in findings_text("linear", delivery(signer("linear"), BODY))


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        ("1746123456.0", "fractions are not plain"),
        ("2025-05-01T18:17:36Z", "it is in the form RFC 3339"),
        (" 1746123456", "white space around it"),
        ("soon", "'soon' is not whole seconds since 1970"),
    ],
)
def test_a_timestamp_in_another_form_is_recognised(stamp: str, words: str) -> None:
    assert words in findings_text(
        "trackpilots", {**delivery(signer("trackpilots"), BODY), "x-webhook-timestamp": stamp}
    )


def test_how_far_a_timestamp_is_off_is_said() -> None:
    headers = delivery(signer("trackpilots"), BODY)
    stale = explained("trackpilots", headers, now_s=NOW_S + 1000)
    assert stale.rejection is Rejection.stale
    assert "too old: signed 16.7 min ago, 11.7 min outside the window of 5.0 min" in stale.findings[-1]
    future = explained("trackpilots", headers, now_s=NOW_S - 301.5)
    assert future.rejection is Rejection.future
    assert "in the future, 1.5 s outside the window" in future.findings[-1]
    late = {**headers, "x-webhook-timestamp": str(NOW_S * 1000)}
    assert "it looks like milliseconds where seconds are due" in findings_text("trackpilots", late)


@pytest.mark.parametrize("name", SCHEMES)
def test_another_secret_is_said_to_be_one_of_two_things_and_no_secret_is_shown(name: str) -> None:
    answer = explained(name, delivery(signer(name, OTHER), BODY))
    assert answer.rejection is Rejection.wrong_signature
    text = "\n".join(answer.findings)
    assert "either the sender signs with another secret, or the body or a signed header was changed" in text
    assert TEXT not in text
    assert TEXT.removeprefix("whsec_") not in text


FIELDS = sorted({field for name in SCHEMES for field in scheme(name).header_names()})
VALUES = st.text(max_size=60) | st.text("tv10=,; .sha256+-Z:T", max_size=60)


@given(st.sampled_from(SCHEMES), st.dictionaries(st.sampled_from(FIELDS), VALUES), st.binary(max_size=60))
def test_no_delivery_makes_it_raise(name: str, headers: dict[str, str], body: bytes) -> None:
    answer = explained(name, headers, body)
    assert answer.rejection is not None
    assert all(answer.findings)
    assert all(line.isprintable() for line in answer.findings)

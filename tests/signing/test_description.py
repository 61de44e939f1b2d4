"""A scheme of the user's own: what its table says holds, and what is wrong in it is said by its key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret, UsageError
from loadsim.signing import CUSTOM, family, scheme, scheme_names

TABLE: dict[str, Any] = {
    "headers": ["Acme-Event: {event}", "Acme-Id: {id}", "Acme-Signature: t={timestamp};s={signature}"],
    "several": ";",
    "signed": "{method} {url}\n{id}|{timestamp}|{body}",
    "timestamp": "ms",
    "digest": "sha512",
    "encoding": "base64url",
    "key": "hex",
    "tolerance": "2m",
    "secret_env": "ACME_SECRET",
}
URL = "https://example.test/hooks"
NOW_NS = 1_746_123_456_789_000_000


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=100))
def test_a_description_signs_and_verifies(body: bytes, key: bytes) -> None:
    found = scheme(CUSTOM, TABLE)
    secret = Secret(key.hex())
    raw = found.signer(secret, url=URL, event="a.b").headers(body, NOW_NS, "id-7")
    headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in raw.decode().split("\r\n")}
    assert headers["acme-event"] == "a.b"
    verifier = found.verifier(secret, url=URL)
    assert verifier.verify(headers, body, NOW_NS / 1e9) is None
    assert verifier.verify(headers, body, NOW_NS / 1e9 + 121) is not None
    assert verifier.verify({**headers, "acme-id": "id-8"}, body, NOW_NS / 1e9) is not None


def test_a_description_shows_as_it_was_given() -> None:
    found = scheme(CUSTOM, TABLE)
    assert found.signed_text == TABLE["signed"]
    assert {f"{name}: {value}" for name, value in found.header_templates()} == set(TABLE["headers"])
    assert (found.default_secret_env, found.tolerance_s) == ("ACME_SECRET", 120)
    assert scheme(CUSTOM, {**TABLE, "tolerance": "0s"}).tolerance_s is None


def test_a_description_may_start_from_a_known_scheme() -> None:
    found = scheme(CUSTOM, {"like": "mux", "headers": ["Acme: t={timestamp},v1={signature}"]})
    assert (found.signed, found.tolerance_s) == (scheme("stripe").signed, 300)
    assert family(found) == (CUSTOM, "mux", "stripe")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signd": "x"}, 'signd: unknown key; did you mean "signed"?'),
        ({"headers": None}, 'headers: must be a list of strings "Name: value"'),
        ({"headers": []}, "headers: is missing"),
        ({"headers": ["Acme"]}, 'headers: "Acme" is not written "Name: value"'),
        ({"headers": ["A b: {signature}"]}, 'headers: "A b: {signature}" is not written'),
        ({"headers": ["Content-Length: {signature}"]}, "headers: Content-Length is set by the request itself"),
        ({"headers": ["A: {signature}", "a: 1"]}, "headers: a is given twice"),
        (
            {"headers": ["A: {signature}", "B: v1={signature}"]},
            "headers: {signature} stands in A and, in another form, in B",
        ),
        ({"headers": ["A: x\ny", "B: {signature}"]}, "headers: the value of A must be printable ASCII"),
        ({"headers": ["A: {event}"]}, "headers: no value holds {signature}"),
        ({"headers": ["A: {signatur}"]}, 'headers: unknown field {signatur}; did you mean "{signature}"?'),
        ({"headers": ["A: {signature"]}, 'headers: "{signature" has a brace without its partner'),
        ({"headers": ["A: {signature}x"]}, "headers: A: nothing can stand behind {signature}"),
        ({"headers": ["A: {id}={signature}"]}, "headers: A: only {timestamp} can stand before {signature}"),
        ({"headers": ["A: x{timestamp}", "B: {signature}"]}, "headers: A: {timestamp} and {id} stand alone as a value"),
        (
            {"headers": ["A: t={timestamp},v={signature}"]},
            "several: is what stands between {timestamp} and {signature}",
        ),
        ({"headers": ["A: {timestamp};{signature}"]}, "headers: A: each entry needs a name of its own"),
        ({"headers": ["T: {timestamp}", "A: t={timestamp};s={signature}"]}, "is in two places: keep one"),
        ({"headers": ["A: {signature}"], "timestamp_field": "at"}, "signed: holds {timestamp}, but no header carries"),
        ({"headers": ["T: {timestamp}", "A: {signature}"]}, "signed: holds {id}, but no header carries it"),
        ({"signed": "{timestamp}"}, "signed: does not hold {body}: a signature that does not cover the body"),
        ({"signed": "{body}{boddy}"}, 'signed: unknown field {boddy}; did you mean "{body}"?'),
        ({"signed": 7}, "signed: must be a string"),
        ({"digest": "md5"}, 'digest: "md5" is not one of sha1, sha256, sha512'),
        ({"encoding": "b64"}, 'encoding: "b64" is not one of hex, HEX, base64, base64url'),
        ({"timestamp": "us"}, 'timestamp: "us" is not one of s, ms, rfc3339'),
        ({"tolerance": "5"}, 'tolerance: "5" is not a duration in s, m or h, such as "5m"'),
        ({"secret_env": "a secret!"}, "secret_env: is the name of an environment variable"),
        ({"like": "strip"}, 'like: there is no scheme "strip"'),
        (
            {"headers": ["A: {signature}"], "signed": "{body}"},
            "tolerance: the scheme has no timestamp",
        ),
    ],
)
def test_what_is_wrong_is_said_by_its_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        scheme(CUSTOM, {**TABLE, **changes}, where="acme.toml: target.custom")
    assert str(refused.value).startswith("acme.toml: target.custom.")
    assert message in str(refused.value)
    assert "a secret!" not in str(refused.value)


def test_the_name_and_the_description_go_together() -> None:
    with pytest.raises(UsageError, match='scheme "custom" needs a description'):
        scheme(CUSTOM)
    with pytest.raises(UsageError, match='goes with scheme = "custom" only'):
        scheme("github", TABLE)
    assert CUSTOM not in scheme_names()


@pytest.mark.parametrize(("key", "secret"), [("hex", "zz"), ("base64", "é"), ("whsec", "whsec_")])
def test_a_secret_in_another_form_is_refused_without_showing_it(key: str, secret: str) -> None:
    with pytest.raises(UsageError) as refused:
        scheme(CUSTOM, {**TABLE, "key": key}).signer(Secret(secret), url=URL)
    assert secret not in str(refused.value).replace("whsec_,", "")

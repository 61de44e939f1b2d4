"""Every known scheme signs the events of its provider, accepts them, and refuses what is forged."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.cases.tampering import tampered
from loadsim.events import EventSource, default_types
from loadsim.model import Secret, SignedRequest
from loadsim.secret_sources import new_secret
from loadsim.signing import Rejection, family, scheme, scheme_names
from loadsim.signing.explain import explain

from .support import NOW_S, URL

NAMES = scheme_names()
REASONS = (Rejection.wrong_signature, Rejection.malformed_signature, Rejection.missing_signature)


@functools.cache
def secrets(name: str) -> tuple[Secret, Secret]:
    return new_secret(scheme(name)), new_secret(scheme(name))


@functools.cache
def source(name: str) -> EventSource:
    return EventSource(default_types(family(scheme(name)))[0], 7)


def request(name: str, index: int = 3, now_s: int = NOW_S) -> tuple[dict[str, str], bytes]:
    """Headers by lower-case name, and body."""
    made = source(name)
    signer = scheme(name).signer(secrets(name)[0], url=URL, event=made.topic, content_type=made.content_type)
    now_ns = now_s * 10**9
    event_id = made.event_id(index)
    body = signer.sealed(made.body(index, now_ns), now_ns, event_id)
    found = SignedRequest(signer.headers(body, now_ns, event_id), body)
    return {"content-type": made.content_type, **{key.lower(): value for key, value in found.header_pairs()}}, body


@pytest.mark.parametrize("name", NAMES)
def test_an_event_of_the_provider_is_genuine_and_forged_ones_are_not(name: str) -> None:
    headers, body = request(name)
    found, (own, other) = scheme(name), secrets(name)
    verifier = found.verifier(own, url=URL)
    assert verifier.verify(headers, body, NOW_S) is None
    assert explain(found, own, headers, body, NOW_S, url=URL).rejection is None
    read = {key: headers[key] for key in verifier.header_names if key in headers}
    assert verifier.verify(read, body, NOW_S) is None, "the other headers may be left out"
    assert found.verifier(other, url=URL).verify(headers, body, NOW_S) is Rejection.wrong_signature
    assert explain(found, other, headers, body, NOW_S, url=URL).findings
    if found.algorithm != "none" and (found.covers_body or any(part.is_of_body for part in found.parts)):
        changed = tampered(found)(body)
        assert verifier.verify(headers, changed, NOW_S) is Rejection.wrong_signature
        another = request(name, 4)[1]
        if found.signature.place == "header":
            assert verifier.verify(headers, another, NOW_S) is Rejection.wrong_signature
    if found.tolerance_s is not None:
        old, old_body = request(name, now_s=NOW_S - found.tolerance_s - 1)
        assert verifier.verify(old, old_body, NOW_S) is Rejection.stale


@pytest.mark.parametrize("name", NAMES)
def test_without_its_signature_an_event_is_refused(name: str) -> None:
    headers, body = request(name)
    found = scheme(name)
    signature = found.signature
    if signature.place == "header":
        names = {each.lower() for each in (signature.name, *signature.further)}
        headers = {key: value for key, value in headers.items() if key not in names}
    else:
        body = source(name).body(3, NOW_S * 10**9)
    rejection = found.verifier(secrets(name)[0], url=URL).verify(headers, body, NOW_S)
    assert rejection in (Rejection.missing_signature, Rejection.malformed_signature)


@given(st.sampled_from(NAMES), st.integers(0, 600))
def test_a_flipped_bit_of_the_signature_is_refused(name: str, bit: int) -> None:
    headers, body = request(name)
    found = scheme(name)
    if found.signature.place != "header":
        return
    key = found.signature.name.lower()
    raw = bytearray(headers[key].encode())
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    changed = {**headers, key: raw.decode("latin-1")}
    rejection = found.verifier(secrets(name)[0], url=URL, tolerance_s=0).verify(changed, body, NOW_S)
    assert rejection in (*REASONS, Rejection.malformed_timestamp)


@pytest.mark.parametrize("name", NAMES)
def test_how_it_is_confirmed_is_said(name: str) -> None:
    assert scheme(name).confirmed.isascii()
    assert scheme(name).title != name
    assert scheme(name).documentation or name == "trackpilots"

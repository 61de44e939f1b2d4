"""What each kind of case does to a delivery, seen by the verifier of the same scheme: only what it is meant to."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.cases import RequestMaker, by_part, case_rules
from loadsim.cases.case_kinds import CASE_KINDS
from loadsim.cases.delivery_edits import HeaderLine, respaced, with_another_digit
from loadsim.cases.key_cases import PUBLISHED
from loadsim.events import default_types, event_type, holds_json
from loadsim.model import NS_PER_S, Secret, SignedRequest, UsageError, case_kind
from loadsim.plan import Case, EventMix, Scenario, from_document
from loadsim.secret_sources import new_secret
from loadsim.signing import Rejection, Scheme, family, scheme, scheme_names
from tests.conftest import DEAR, slow_but

NOW_NS = 1_746_123_456_789_000_000
NOW_S = NOW_NS / NS_PER_S
URL = "https://example.test/hooks?data.id=7"
SCHEMES = scheme_names()
TYPE = "desktop.app_tracking.captured"
TEXTS = {
    "utf8": "s3cret",
    "whsec": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODk=",
    "base64": "MDEyMzQ1Njc4OTAx",
    "hex": "00ff12",
    "sha1": "s3cret",
}
TEXTS["whsec-or-utf8"] = TEXTS["whsec"]
OLD_TEXTS = {
    "utf8": "older",
    "whsec": "whsec_OTk5OTk5OTk5OTk5OTk5OTk5OTk=",
    "base64": "OTk5OTk5OTk5",
    "hex": "99ff12",
    "sha1": "older",
}
OLD_TEXTS["whsec-or-utf8"] = OLD_TEXTS["whsec"]
EXPECTED: dict[str, set[Rejection | None]] = {
    "wrong_secret": {Rejection.wrong_signature},
    "empty_key": {Rejection.wrong_signature},
    "documentation_key": {Rejection.wrong_signature},
    "retired_secret": {Rejection.wrong_signature},
    "missing_signature": {Rejection.missing_signature},
    "missing_timestamp": {Rejection.missing_timestamp, Rejection.malformed_signature, Rejection.malformed_timestamp},
    "malformed_signature": {Rejection.malformed_signature, Rejection.malformed_timestamp},
    "non_ascii_signature": {Rejection.malformed_signature},
    "long_signature_list": {Rejection.wrong_signature},
    "long_signature_list_valid": {None},
    "key_pair_forgery": {Rejection.wrong_signature, Rejection.malformed_signature},
    "sent_secret_forgery": {Rejection.wrong_signature},
    "part_forgery": {Rejection.wrong_signature},
    "foreign_certificate": {Rejection.wrong_signature, Rejection.malformed_signature},
    "other_algorithm": {Rejection.malformed_signature},
    "jwt_forgery": {Rejection.wrong_signature, Rejection.malformed_signature, Rejection.wrong_claim},
    "stale_timestamp": {Rejection.stale},
    "future_timestamp": {Rejection.future},
    "tampered_body": {Rejection.wrong_signature},
    "tampered_replay": {Rejection.wrong_signature},
    "reserialised_body": {Rejection.wrong_signature},
    "spaced_body": {None},
    "malformed_json": {None},
    "wrong_content_type": {None},
    "body_at_limit": {None},
    "body_over_limit": {None},
    "replayed": {None},
    "duplicate": {None},
}


def case(kind: str, **options: Any) -> Case:
    rule = case_rules()[kind]
    return Case(kind=kind, share=0.1, expect=rule.expect, **{**rule.options, **options})


@functools.cache
def secret_of(name: str, number: int) -> Secret:
    """The secret of a scheme, or (1) its old one."""
    chosen = scheme(name)
    if chosen.algorithm == "hmac":
        return Secret((TEXTS, OLD_TEXTS)[number][chosen.key])
    return new_secret(chosen)


def type_of(chosen: Scheme) -> str:
    """Some schemes can only sign events of their provider."""
    own = default_types(family(chosen))[0]
    in_body = chosen.timestamp is not None and chosen.timestamp.place == "body"
    return TYPE if chosen.is_usual and not in_body else own


def maker_of(chosen: Scheme, *cases: Case, **options: Any) -> RequestMaker:
    secret, old = secret_of(chosen.name, 0), secret_of(chosen.name, 1)
    events = [EventMix(type=type_of(chosen))]
    return RequestMaker(events, chosen, secret, 1, cases=cases, old_secret=old, url=URL, **options)


def verdict(chosen: Scheme, request: SignedRequest, number: int = 0) -> Rejection | None:
    headers = {name.lower(): value for name, value in request.header_pairs()}
    verifier = chosen.verifier(secret_of(chosen.name, number), url=URL)
    return verifier.verify(headers, request.body, NOW_S)


def kinds_of(chosen: Scheme) -> list[str]:
    """The kinds that the scheme, and its events, can have."""
    is_form = not holds_json(event_type(type_of(chosen)).content_type)
    return [
        kind
        for kind in CASE_KINDS
        if not CASE_KINDS[kind].problem(chosen) and not (is_form and kind == "malformed_json")
    ]


@pytest.mark.parametrize("name", slow_but(set(SCHEMES) - set(DEAR), SCHEMES))
def test_a_case_is_refused_for_what_was_done_to_it_and_nothing_else(name: str) -> None:
    chosen = scheme(name)
    kinds = kinds_of(chosen)
    maker = maker_of(chosen, *(case(kind) for kind in kinds))
    for number, kind in enumerate(kinds, 1):
        expected = EXPECTED[case_kind(kind)]
        for index in range(0, 16, 2):
            assert verdict(chosen, maker.make(index, 0, NOW_NS)) is None
            found = verdict(chosen, maker.make(index + 1, number, NOW_NS))
            is_any_long = chosen.algorithm in ("none", "ecdsa-p256") or chosen.token is not None
            if is_any_long and found is Rejection.wrong_signature:
                continue  # any text has the form of a secret, and signatures in DER and tokens have several lengths
            if kind == "malformed_json" and type_of(chosen) != TYPE and found is Rejection.missing_timestamp:
                continue  # the time stands in the body
            assert found in expected, kind


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("trackpilots", "long_signature_list", "its header carries one signature, not a list"),
        ("github", "missing_timestamp", "it sends no timestamp"),
        ("linear", "missing_timestamp", "its timestamp stands in the body"),
        ("github", "future_timestamp", "it has no time window"),
    ],
)
def test_a_case_that_a_scheme_cannot_have_is_said(name: str, kind: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"the scheme {name} has no case {kind}: {reason}"):
        maker_of(scheme(name), case(kind))


def document(*cases: dict[str, Any], shares: dict[str, float] | None = None) -> Scenario:
    phase: dict[str, Any] = {"name": "p", "rate": "10/s", "duration": "1s", "shares": shares or {}}
    whole = {"name": "s", "target": {"url": "http://h/"}, "events": [{"type": TYPE}], "phases": [phase], "cases": cases}
    return from_document(whole, "f.toml", known_cases=case_rules())


def test_a_kind_of_several_parts_becomes_one_case_each_with_its_share() -> None:
    cases = ({"kind": "documentation_key", "share": 0.2}, {"kind": "wrong_secret", "share": 0.1})
    whole = document(*cases, shares={"documentation_key": 0.5})
    parts = by_part(whole, scheme("trackpilots"))
    names = [f"documentation_key.{name}" for name in ("github", "slack", "standard-webhooks", "prefix", "test")]
    assert [case.kind for case in parts.cases] == [*names, "wrong_secret"]
    assert sum(case.share for case in parts.cases) == pytest.approx(0.3)
    assert parts.phases[0].shares == pytest.approx(dict.fromkeys(names, 0.1))
    assert {case.expect for case in parts.cases} == {"refuse"}
    assert by_part(parts, scheme("trackpilots")) == parts
    assert from_document(parts.document(), "again", known_cases=case_rules()) == parts
    strict = by_part(whole, scheme("standard-webhooks"))
    assert {case.kind for case in strict.cases} < {*names, "wrong_secret"}, "only keys in the form of its secrets"
    assert by_part(document({"kind": "tampered_body", "share": 0.1}), scheme("github")).cases[0].kind == "tampered_body"


def test_each_published_key_is_signed_with_by_its_own_case() -> None:
    chosen = scheme("trackpilots")
    for name, text in PUBLISHED.items():
        maker = maker_of(chosen, case(f"documentation_key.{name}"))
        for index in range(5):
            request = maker.make(index, 1, NOW_NS)
            headers = {each.lower(): value for each, value in request.header_pairs()}
            assert chosen.verifier(Secret(text)).verify(headers, request.body, NOW_S) is None


def test_what_is_accepted_by_default() -> None:
    assert {kind for kind, rule in case_rules().items() if rule.expect == "accept"} == set(ACCEPTED)


ACCEPTED = ("long_signature_list_valid", "spaced_body", "body_at_limit", "replayed", "duplicate")


def test_every_kind_is_in_the_table_of_this_test() -> None:
    assert set(EXPECTED) == set(map(case_kind, CASE_KINDS))


def test_a_long_list_is_as_long_as_servers_take() -> None:
    chosen = scheme("standard-webhooks")
    maker = maker_of(chosen, case("long_signature_list"), case("long_signature_list_valid"))
    junk, valid = maker.make(1, 1, NOW_NS), maker.make(1, 2, NOW_NS)
    line = HeaderLine("webhook-signature")
    assert 7_800 <= len(line.value(valid.headers)) <= 8_000
    assert valid.headers.startswith(junk.headers[: len(junk.headers) - 10])
    entries = line.value(valid.headers).split(b" ")
    assert len(entries) > 150
    assert len(set(entries[:-1])) == 1
    assert all(len(entry) == len(entries[-1]) for entry in entries)


def test_bodies_stand_at_the_limit_and_one_byte_over_it() -> None:
    maker = maker_of(scheme("trackpilots"), case("body_at_limit", size=5_000), case("body_over_limit", size=5_000))
    at, over = maker.make(7, 1, NOW_NS).body, maker.make(7, 2, NOW_NS).body
    assert (len(at), len(over)) == (5_000, 5_001)
    assert json.loads(at) == json.loads(over) == json.loads(maker.make(7, 0, NOW_NS).body)
    with pytest.raises(UsageError, match=f"body_at_limit: an event of type {TYPE} is [0-9]+ bytes long, more than 50"):
        maker_of(scheme("trackpilots"), case("body_at_limit", size=50))


def test_a_replay_is_the_last_genuine_delivery_byte_for_byte() -> None:
    maker = maker_of(scheme("trackpilots"), case("replayed"), case("tampered_replay"))
    first = maker.make(1, 0, NOW_NS)
    last = maker.make(2, 0, NOW_NS + NS_PER_S)
    assert maker.make(3, 1, NOW_NS + 9 * NS_PER_S) == last != first
    tampered = maker.make(4, 2, NOW_NS + 9 * NS_PER_S)
    assert tampered.headers == last.headers
    assert tampered.body != last.body
    late = maker.make(5, 1, NOW_NS + 400 * NS_PER_S)
    assert late == maker_of(scheme("trackpilots")).make(5, 0, NOW_NS + 400 * NS_PER_S)


def test_malformed_json_is_signed_as_it_is() -> None:
    body = maker_of(scheme("trackpilots"), case("malformed_json")).make(1, 1, NOW_NS).body
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(body)


def test_another_content_type_is_all_that_is_wrong() -> None:
    maker = maker_of(scheme("trackpilots"), case("wrong_content_type"))
    wrong, right = maker.make(1, 1, NOW_NS), maker.make(1, 0, NOW_NS)
    assert wrong.headers == right.headers.replace(b"application/json", b"text/plain")
    assert wrong.body == right.body


def test_cases_do_not_change_genuine_events() -> None:
    plain, mixed = maker_of(scheme("trackpilots")), maker_of(scheme("trackpilots"), case("wrong_secret"))
    assert [plain.make(i, 0, NOW_NS) for i in range(5)] == [mixed.make(i, 0, NOW_NS) for i in range(5)]


@pytest.mark.parametrize("name", SCHEMES)
def test_secrets_change_by_phase(name: str) -> None:
    chosen = scheme(name)
    maker = maker_of(chosen, secrets=("old", "both", "new"))
    listed = chosen.signature.separator is not None or bool(chosen.signature.further)
    for index in range(6):
        old, both, new = (maker.make(index, stratum, NOW_NS) for stratum in range(3))
        assert verdict(chosen, old, 1) is verdict(chosen, new) is None
        assert verdict(chosen, old) is verdict(chosen, new, 1) is Rejection.wrong_signature
        accepted = [verdict(chosen, both, number) is None for number in (1, 0)]
        assert accepted == ([True, True] if listed else [index % 2 == 0, index % 2 == 1])


def test_both_signatures_stand_in_either_order() -> None:
    chosen = scheme("standard-webhooks")
    maker = maker_of(chosen, secrets=("old", "both", "new"))
    line = HeaderLine("webhook-signature")
    for index in (0, 1):
        old, both, new = (line.value(maker.make(index, stratum, NOW_NS).headers) for stratum in range(3))
        assert both.split(b" ") == ([old, new] if index else [new, old])


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("outpost", "x-outpost-signature: v0={0},{1}"),
        ("hookdeck", "X-Hookdeck-Signature: {0}\r\nX-Hookdeck-Signature-2: {1}"),
        ("box", "BOX-SIGNATURE-PRIMARY: {0}\r\nBOX-SIGNATURE-SECONDARY: {1}"),
        ("recurly", "recurly-signature: 1746123456789,{0},{1}"),
        ("stripe", "Stripe-Signature: t=1746123456,v1={0},v1={1}"),
    ],
)
def test_a_rotation_is_written_as_the_provider_writes_it(name: str, form: str) -> None:
    chosen = scheme(name)
    maker = maker_of(chosen, secrets=("old", "both", "new"))
    line = HeaderLine(chosen.signature.name)
    for index in (0, 1):
        codes = []
        for stratum in (2, 0):
            value = line.value(maker.make(index, stratum, NOW_NS).headers).rpartition(
                chosen.signature.separator or b"\0"
            )[2]
            codes.append(value.removeprefix(chosen.signature.prefix).decode())
        lines = maker.make(index, 1, NOW_NS).headers.decode()
        assert form.format(*(codes[::-1] if index else codes)) in lines


def test_an_old_secret_that_is_not_given_is_said() -> None:
    with pytest.raises(UsageError, match="the old secret is not given"):
        RequestMaker([EventMix(type=TYPE)], scheme("github"), Secret("x"), 1, cases=[case("retired_secret")])


def test_a_header_is_found_by_its_whole_name() -> None:
    lines = b"X-A-Signature: 1\r\nA-Signature: 2\r\nSignature: 3\r\n"
    line = HeaderLine("Signature")
    assert line.value(lines) == b"3"
    assert HeaderLine("X-A-Signature").replaced(lines, b"") == b"X-A-Signature: \r\nA-Signature: 2\r\nSignature: 3\r\n"
    assert HeaderLine("A-Signature").cut(lines) == b"X-A-Signature: 1\r\nSignature: 3\r\n"
    assert HeaderLine("X-A-Signature").cut(lines) == b"A-Signature: 2\r\nSignature: 3\r\n"
    with pytest.raises(ValueError, match="not found"):
        HeaderLine("Other").value(lines)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.booleans())
def test_a_changed_digit_leaves_valid_json_and_other_bytes(document: object, spaced: bool) -> None:
    body = json.dumps(document, separators=None if spaced else (",", ":")).encode()
    changed = with_another_digit(body)
    json.loads(changed)
    assert changed != body


@given(JSON)
def test_respacing_keeps_what_the_json_says(document: object) -> None:
    body = json.dumps(document, separators=(",", ":")).encode()
    again = respaced(body)
    assert json.loads(again) == json.loads(respaced(again)) == document
    assert again != body
    assert respaced(again) != again


@given(st.binary())
def test_what_is_no_json_is_changed_all_the_same(body: bytes) -> None:
    assert respaced(body) != body

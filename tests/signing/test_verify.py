"""The verifier accepts what the signer makes, and answers everything else with the right reason."""

from __future__ import annotations

import hmac
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from loadsim.model import Secret, UsageError
from loadsim.signing import Rejection, scheme
from loadsim.signing.explain import explain
from loadsim.signing.mac import Code, MessageMac
from loadsim.signing.verify import LONGEST_SIGNATURE_HEADER, MOST_ENTRIES, Checker, Verifier

from .support import NOW_S, OTHER, SCHEMES, SECRET, STAMPED, TIMED, dated, delivery, signer
from .support import verifier as verifier_of

BODY = dated(NOW_S * 1000)

names = st.sampled_from(SCHEMES)
bodies = st.binary(max_size=300)
SIGNERS = {name: signer(name) for name in SCHEMES}
VERIFIERS = {name: verifier_of(name) for name in SCHEMES}
ANY_TIME = {name: verifier_of(name, tolerance_s=0) for name in SCHEMES}


WRONG = (Rejection.wrong_signature, Rejection.malformed_signature, Rejection.malformed_timestamp)
"""What a changed signature header can be refused for: some carry the timestamp too."""


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


def verdict(name: str, headers: dict[str, str], body: bytes = BODY, now_s: float = NOW_S) -> Rejection | None:
    return VERIFIERS[name].verify(headers, body, now_s)


@given(names, bodies, st.integers(0, 10**11))
def test_what_is_signed_is_genuine(name: str, body: bytes, now_s: int) -> None:
    headers = delivery(SIGNERS[name], body, now_s)
    assert ANY_TIME[name].verify(headers, body, now_s) is None
    timestamp = scheme(name).timestamp
    if timestamp is None or timestamp.place != "body":
        assert verdict(name, headers, body, now_s) is None


@given(names, st.binary(min_size=1, max_size=300), st.integers(0, 8 * 300))
def test_a_flipped_bit_of_the_body_is_a_wrong_signature(name: str, body: bytes, bit: int) -> None:
    headers = delivery(SIGNERS[name], body)
    assert verdict(name, headers, flipped(body, bit)) is Rejection.wrong_signature


@given(st.sampled_from(STAMPED), st.integers(0, 79))
def test_a_flipped_bit_of_the_timestamp_is_refused(name: str, bit: int) -> None:
    headers = delivery(SIGNERS[name], BODY)
    field = scheme(name).header_names()[1]
    changed = flipped(headers[field].encode(), bit).decode("latin-1")
    plain = changed.isascii() and changed.isdigit() and changed[0] != "0"
    expected = Rejection.wrong_signature if plain else Rejection.malformed_timestamp
    assert verdict(name, {**headers, field: changed}) is expected


@given(names, st.integers(0, 8 * 80))
def test_a_flipped_bit_of_the_signature_is_refused(name: str, bit: int) -> None:
    headers = delivery(SIGNERS[name], BODY)
    field = scheme(name).header_names()[0]
    changed = flipped(headers[field].encode(), bit).decode("latin-1")
    assert verdict(name, {**headers, field: changed}) in WRONG


@given(names, bodies)
def test_another_key_is_a_wrong_signature(name: str, body: bytes) -> None:
    headers = delivery(signer(name, OTHER), body)
    assert verdict(name, headers, body) is Rejection.wrong_signature


@given(st.sampled_from(TIMED), st.integers(-10_000, 10_000), st.integers(0, 1000))
def test_a_time_outside_the_window_is_stale_or_future(name: str, shift: int, tolerance_s: int) -> None:
    verifier = verifier_of(name, tolerance_s=tolerance_s)
    expected = None
    if tolerance_s and abs(shift) > tolerance_s:
        expected = Rejection.stale if shift < 0 else Rejection.future
    body = dated((NOW_S + shift) * 1000)
    assert verifier.verify(delivery(SIGNERS[name], body, NOW_S + shift), body, NOW_S) is expected


@pytest.mark.parametrize("name", TIMED)
def test_the_schemes_own_window_is_the_default_and_holds_both_ways(name: str) -> None:
    headers = delivery(SIGNERS[name], BODY)
    window_s = scheme(name).tolerance_s
    assert window_s == {"paddle": 5, "linear": 60, "twitch": 600, "box": 600, "workos": 180}.get(name, 300)
    assert verdict(name, headers, now_s=NOW_S + window_s) is None
    assert verdict(name, headers, now_s=NOW_S + window_s + 0.001) is Rejection.stale
    assert verdict(name, headers, now_s=NOW_S - window_s) is None
    assert verdict(name, headers, now_s=NOW_S - window_s - 0.001) is Rejection.future


@pytest.mark.parametrize("name", SCHEMES)
def test_each_header_is_missed_by_its_name(name: str) -> None:
    headers = delivery(SIGNERS[name], BODY)
    in_header = scheme(name).timestamp is not None and len(scheme(name).header_names()) > 1
    reasons = [Rejection.missing_signature, *[Rejection.missing_timestamp] * in_header, Rejection.missing_id]
    for field, reason in zip(scheme(name).header_names(), reasons, strict=False):
        without = {key: value for key, value in headers.items() if key != field}
        assert verdict(name, without) is reason
    assert verdict(name, {}) is Rejection.missing_signature


def test_every_rejection_has_its_answer() -> None:
    answers = {reason: (reason.status, reason.text) for reason in Rejection}
    assert {answer for reason, answer in answers.items() if reason.name.startswith("missing")} == {
        (400, "Missing signature")
    }
    assert answers[Rejection.stale] == answers[Rejection.future] == (401, "Timestamp outside tolerance")
    assert answers[Rejection.wrong_signature] == (401, "Invalid signature")
    assert answers[Rejection.malformed_timestamp] == (401, "Invalid signature")


STAMPS = [
    *("", " ", "1746123456 ", " 1746123456", "+1746123456", "-1", "1746123456.0", "1.7e9", "0x1", "1_7", "NaN"),
    *("01746123456", "9" * 16, "9" * 100_000, "1746123456\r\n", "1746123456\x00", "\udcff"),
    *("\u0661\u0667", "\uff11\uff17", "\u00b2"),  # digits of other scripts
]


@pytest.mark.parametrize("stamp", STAMPS)
@pytest.mark.parametrize("name", STAMPED)
def test_only_a_plain_integer_is_a_timestamp(name: str, stamp: str) -> None:
    headers = {**delivery(SIGNERS[name], BODY), scheme(name).header_names()[1]: stamp}
    assert verdict(name, headers) is Rejection.malformed_timestamp


@pytest.mark.parametrize("event_id", ["", "é", "\udcff", "x" * 257])
def test_an_id_must_be_short_ascii(event_id: str) -> None:
    headers = {**delivery(SIGNERS["standard-webhooks"], BODY), "webhook-id": event_id}
    assert verdict("standard-webhooks", headers) is Rejection.malformed_id


SIGNATURES = ["", " ", "é" * 64, "\udcff" * 64, "Z" * 64, "0" * 63, "0" * 65, "0x" + "0" * 62, "0" * 99_999]


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("name", SCHEMES)
def test_a_signature_of_another_form_is_malformed(name: str, signature: str) -> None:
    headers = {**delivery(SIGNERS[name], BODY), scheme(name).header_names()[0]: signature}
    is_bare = scheme(name).signature.timestamp_prefix == b""  # then the time stands first
    expected = Rejection.malformed_timestamp if is_bare else Rejection.malformed_signature
    assert verdict(name, headers) is expected


def test_a_right_signature_in_another_spelling_is_refused() -> None:
    hexadecimal = delivery(SIGNERS["trackpilots"], BODY)
    for spelling in (str.upper, lambda text: " " + text, lambda text: text + ",", lambda text: "sha256=" + text):
        changed = {**hexadecimal, "x-webhook-signature": spelling(hexadecimal["x-webhook-signature"])}
        assert verdict("trackpilots", changed) is Rejection.malformed_signature
    code = delivery(SIGNERS["standard-webhooks"], BODY)["webhook-signature"].removeprefix("v1,")
    unpadded_bits = code[:-2] + chr(ord(code[-2]) + 1) + "="
    texts = [code, f"v2,{code}"]
    texts += [f"v1,{spelling}" for spelling in (code[:-1], f"{code[:20]}\n{code[20:]}", f"{code}!", unpadded_bits)]
    for text in texts:
        headers = {**delivery(SIGNERS["standard-webhooks"], BODY), "webhook-signature": text}
        assert verdict("standard-webhooks", headers) in (Rejection.malformed_signature, Rejection.wrong_signature)


def test_a_valid_entry_counts_wherever_it_stands_in_a_list() -> None:
    headers = delivery(SIGNERS["standard-webhooks"], BODY)
    good, wrong = headers["webhook-signature"], "v1," + "A" * 43 + "="
    for listed in (f"{good} {wrong}", f"{wrong} {good}", f"junk {good}", f"v1a,xyz  {good} ", f"é{good} {good}"[1:]):
        assert verdict("standard-webhooks", {**headers, "webhook-signature": listed}) is None
    assert verdict("standard-webhooks", {**headers, "webhook-signature": f"junk {wrong}"}) is Rejection.wrong_signature
    assert verdict("standard-webhooks", {**headers, "webhook-signature": "junk v1,x"}) is Rejection.malformed_signature
    assert verdict("standard-webhooks", {**headers, "webhook-signature": f"é {good}"}) is Rejection.malformed_signature


def test_a_list_is_not_read_where_one_signature_is_due() -> None:
    headers = delivery(SIGNERS["trackpilots"], BODY)
    twice = f"{headers['x-webhook-signature']} {headers['x-webhook-signature']}"
    assert verdict("trackpilots", {**headers, "x-webhook-signature": twice}) is Rejection.malformed_signature


def codes_of(verifier: Checker, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that this verifier computes a code of, from now on."""
    assert isinstance(verifier, Verifier)
    codes: list[bytes] = []
    at = MessageMac.at

    def counted(mac: MessageMac, timestamp: bytes) -> Code:
        code = at(mac, timestamp)

        def counting(event_id: bytes, body: bytes) -> str:
            codes.append(body)
            return code(event_id, body)

        return counting if mac is verifier._mac else code

    monkeypatch.setattr(MessageMac, "at", counted)
    verifier._last = (object(), 0.0, verifier._mac.at(b""))
    return codes


def test_a_long_list_costs_one_code_only(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = scheme("standard-webhooks").verifier(SECRET)
    codes = codes_of(verifier, monkeypatch)
    headers = delivery(SIGNERS["standard-webhooks"], BODY)
    wrong = "v1," + "A" * 43 + "="
    listed = {**headers, "webhook-signature": " ".join([wrong] * 170 + [headers["webhook-signature"]])}
    assert verifier.verify(listed, BODY, NOW_S) is None
    assert len(codes) == 1


LISTED = tuple(name for name in SCHEMES if scheme(name).signature.separator)


@pytest.mark.parametrize("name", LISTED)
def test_a_list_of_8_kb_costs_one_code_and_one_comparison_an_entry_of_the_right_length(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = verifier_of(name)
    codes, compared = codes_of(verifier, monkeypatch), list[Any]()

    def comparing(one: Any, other: Any) -> bool:
        compared.append(one)
        return compare(one, other)

    compare = hmac.compare_digest
    monkeypatch.setattr("loadsim.signing.verify.compare_digest", comparing)
    headers = delivery(SIGNERS[name], BODY)
    field = scheme(name).header_names()[0]
    prefix = scheme(name).signature.prefix.decode()
    separator = (scheme(name).signature.separator or b"").decode()
    once = scheme(name).signature.is_prefix_once
    junk = separator.join([("" if once else prefix) + "A" * 43 + "=", "x", ""] * 120)
    value = junk + separator + headers[field]
    if once:
        before, _, code = headers[field].rpartition(separator)
        junk = f"{before}{separator if before else ''}{prefix}{junk}"
        value = junk + separator + code.removeprefix(prefix)
    listed = {**headers, field: value}
    assert verifier.verify(listed, BODY, NOW_S) is None
    assert len(codes) == 1
    assert len(compared) <= 122
    assert verifier.verify({**headers, field: junk}, BODY, NOW_S) is not None
    assert len(codes) <= 2


@pytest.mark.parametrize("name", LISTED)
def test_a_list_of_thousands_of_entries_is_not_even_taken_apart(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = verifier_of(name)
    headers = delivery(SIGNERS[name], BODY)
    field = scheme(name).header_names()[0]
    separator = (scheme(name).signature.separator or b"").decode()
    spare = MOST_ENTRIES - len(headers[field].split(separator))
    assert verifier.verify({**headers, field: headers[field] + separator * spare}, BODY, NOW_S) is None
    for count in (spare + 1, (LONGEST_SIGNATURE_HEADER - len(headers[field])) // len(separator)):
        many = {**headers, field: headers[field] + separator * count}
        assert verifier.verify(many, BODY, NOW_S) is Rejection.malformed_signature
        assert explain(scheme(name), SECRET, many, BODY, NOW_S).findings[0].endswith("entries, more than 400")
    too_long = {**headers, field: headers[field] + separator * LONGEST_SIGNATURE_HEADER}
    assert verifier.verify(too_long, BODY, NOW_S) is Rejection.malformed_signature


@pytest.mark.parametrize("name", [name for name in SCHEMES if scheme(name).signature.timestamp_prefix])
def test_a_timestamp_inside_the_signature_header_is_found_by_its_name_and_stands_once(name: str) -> None:
    field = scheme(name).header_names()[0]
    value = delivery(SIGNERS[name], BODY)[field]
    separator = (scheme(name).signature.separator or b"").decode()
    time, code = value.split(separator)
    stamp = time.partition("=")[0]
    accepted = [f"{code}{separator}{time}", f"{time}{separator} {code}", f"v9=zz{separator}{value}"]
    malformed = [code, f"{time}{separator}{value}", time, f"{stamp}={separator}{code}"]
    for text in accepted:
        assert verdict(name, {field: text}) is None
    for text in malformed:
        assert verdict(name, {field: text}) in (Rejection.malformed_signature, Rejection.malformed_timestamp)
    for text in (stamp + "=1746123456.0", stamp + "=Infinity", stamp + "=01746123456", stamp + "=-1"):
        assert verdict(name, {field: f"{text}{separator}{code}"}) is Rejection.malformed_timestamp
    shifted = f"{stamp}={int(time.partition('=')[2]) + 1}{separator}{code}"
    assert verdict(name, {field: shifted}) is Rejection.wrong_signature


def test_a_time_in_the_body_is_looked_for_in_genuine_bodies_only() -> None:
    for body, expected in (
        (b'{"webhookTimestamp":%d}' % (NOW_S * 1000), None),
        (b'{"webhookTimestamp":"%d"}' % (NOW_S * 1000), None),
        (b'{"webhookTimestamp":%d}' % (NOW_S * 1000 - 61_000), Rejection.stale),
        (b'{"webhookTimestamp":%d}' % (NOW_S * 1000 + 61_000), Rejection.future),
        (b'{"webhookTimestamp":1746123456000.0}', Rejection.malformed_timestamp),
        (b'{"webhookTimestamp":true}', Rejection.malformed_timestamp),
        (b'{"webhookTimestamp":null}', Rejection.malformed_timestamp),
        (b'{"nothing":1}', Rejection.missing_timestamp),
        (b"[1]", Rejection.missing_timestamp),
        (b"\xff", Rejection.missing_timestamp),
    ):
        headers = delivery(SIGNERS["linear"], body)
        assert verdict("linear", headers, body) is expected
        assert verdict("linear", {**headers, "linear-signature": "0" * 64}, body) is Rejection.wrong_signature


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2025-05-01T18:17:36Z", Rejection.wrong_signature),
        ("2025-05-01T18:17:36.123456789Z", Rejection.wrong_signature),
        ("2025-05-01T20:17:36+02:00", Rejection.wrong_signature),
        ("2025-05-01T18:17:36", Rejection.malformed_timestamp),
        ("2025-05-01 18:17:36Z", Rejection.malformed_timestamp),
        ("2025-05-01T18:17:36.Z", Rejection.malformed_timestamp),
        ("1746123456", Rejection.malformed_timestamp),
        ("", Rejection.malformed_timestamp),
        ("9" * 100_000, Rejection.malformed_timestamp),
        ("\u0662\u0660\u0662\u0665-05-01T18:17:36Z", Rejection.malformed_timestamp),
    ],
)
def test_a_date_is_rfc_3339_with_its_zone(stamp: str, expected: Rejection) -> None:
    headers = {**delivery(SIGNERS["twitch"], BODY), "twitch-eventsub-message-timestamp": stamp}
    assert verdict("twitch", headers) is expected


def test_a_date_that_is_none_is_malformed_also_when_it_is_signed() -> None:
    stamp = "2025-02-31T18:17:36Z"
    verifier = verifier_of("twitch")
    assert isinstance(verifier, Verifier)
    code = verifier._mac.code(stamp.encode(), b"m-1", BODY)
    headers = {
        "twitch-eventsub-message-id": "m-1",
        "twitch-eventsub-message-timestamp": stamp,
        "twitch-eventsub-message-signature": f"sha256={code}",
    }
    assert verifier.verify(headers, BODY, NOW_S) is Rejection.malformed_timestamp


@pytest.mark.parametrize("name", ["square", "hubspot-v3"])
def test_a_signed_url_is_part_of_what_is_genuine(name: str) -> None:
    headers = delivery(SIGNERS[name], BODY)
    elsewhere = scheme(name).verifier(SECRET, url="https://example.test/other")
    assert elsewhere.verify(headers, BODY, NOW_S) is Rejection.wrong_signature
    for make in (scheme(name).signer, scheme(name).verifier):
        with pytest.raises(UsageError, match=f"{name} signs the URL too: give the URL that the sender uses"):
            make(SECRET)


def test_a_url_is_signed_without_credentials_and_fragment_and_decoded_as_the_provider_does() -> None:
    for given_url, same in (
        ("https://user:pass@example.test/hooks?a=:1#top", "https://example.test/hooks?a=:1"),
        ("https://example.test/hooks?a=%3a1", "https://example.test/hooks?a=%3A1"),
        ("https://example.test/hooks?a=%3A1", "https://example.test/hooks?a=:1"),
    ):
        headers = delivery(scheme("hubspot-v3").signer(SECRET, url=given_url), BODY)
        assert scheme("hubspot-v3").verifier(SECRET, url=same).verify(headers, BODY, NOW_S) is None


HOSTILE = st.text(max_size=100) | st.text("tv10=,; .sha256+-Z:T", max_size=100)


@given(
    names,
    st.dictionaries(st.sampled_from([field for name in SCHEMES for field in scheme(name).header_names()]), HOSTILE),
    bodies,
    st.floats(allow_nan=False),
)
def test_no_input_raises_or_passes(name: str, headers: dict[str, str], body: bytes, now_s: float) -> None:
    assert isinstance(VERIFIERS[name].verify(headers, body, now_s), Rejection)


def test_names_of_any_case_are_found_in_a_mapping_that_ignores_it() -> None:
    headers = CIMultiDict({name.title(): value for name, value in delivery(SIGNERS["trackpilots"], BODY).items()})
    assert VERIFIERS["trackpilots"].verify(headers, BODY, NOW_S) is None


def test_a_body_that_is_not_text_is_verified_as_it_is() -> None:
    body = bytes(range(256))
    assert verdict("trackpilots", delivery(SIGNERS["trackpilots"], body), body) is None


def test_a_secret_is_taken_verbatim_by_trackpilots() -> None:
    headers = delivery(scheme("trackpilots").signer(Secret("whsec_pässword\n")), BODY)
    assert scheme("trackpilots").verifier(Secret("whsec_pässword\n")).verify(headers, BODY, NOW_S) is None
    assert scheme("trackpilots").verifier(Secret("whsec_pässword")).verify(headers, BODY, NOW_S) is not None


@pytest.mark.parametrize("name", SCHEMES)
def test_threads_may_share_a_verifier(name: str) -> None:
    """Each thread has a time of its own; a state that is half of one and half of another would refuse, or accept."""
    shared, own = ANY_TIME[name], signer(name)
    sent = [(delivery(own, dated(second * 1000), second), dated(second * 1000)) for second in range(1, 5)]

    def check(number: int) -> bool:
        (headers, body), (_, other) = sent[number], sent[number - 1]
        return all(
            shared.verify(headers, body, NOW_S) is None and shared.verify(headers, other, NOW_S) is not None
            for _ in range(60)
        )

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(len(sent)) as pool:
            assert all(pool.map(check, range(len(sent))))
    finally:
        sys.setswitchinterval(interval)

"""The verifier accepts what the signer makes, and answers everything else with the right reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from loadsim.model import Secret
from loadsim.signing import Rejection, scheme

from .support import NOW_S, OTHER, SCHEMES, SECRET, TIMED, delivery

BODY = b'{"event":"desktop.app_tracking.captured","data":[]}'

names = st.sampled_from(SCHEMES)
bodies = st.binary(max_size=300)
SIGNERS = {name: scheme(name).signer(SECRET) for name in SCHEMES}
VERIFIERS = {name: scheme(name).verifier(SECRET) for name in SCHEMES}


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


def verdict(name: str, headers: dict[str, str], body: bytes = BODY, now_s: float = NOW_S) -> Rejection | None:
    return VERIFIERS[name].verify(headers, body, now_s)


@given(names, bodies, st.integers(0, 10**11))
def test_what_is_signed_is_genuine(name: str, body: bytes, now_s: int) -> None:
    assert verdict(name, delivery(SIGNERS[name], body, now_s), body, now_s) is None


@given(names, st.binary(min_size=1, max_size=300), st.integers(0, 8 * 300))
def test_a_flipped_bit_of_the_body_is_a_wrong_signature(name: str, body: bytes, bit: int) -> None:
    headers = delivery(SIGNERS[name], body)
    assert verdict(name, headers, flipped(body, bit)) is Rejection.wrong_signature


@given(st.sampled_from(TIMED), st.integers(0, 79))
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
    assert verdict(name, {**headers, field: changed}) in (Rejection.wrong_signature, Rejection.malformed_signature)


@given(names, bodies)
def test_another_key_is_a_wrong_signature(name: str, body: bytes) -> None:
    headers = delivery(scheme(name).signer(OTHER), body)
    assert verdict(name, headers, body) is Rejection.wrong_signature


@given(st.sampled_from(TIMED), st.integers(-10_000, 10_000), st.integers(0, 1000))
def test_a_time_outside_the_window_is_stale_or_future(name: str, shift: int, tolerance_s: int) -> None:
    verifier = scheme(name).verifier(SECRET, tolerance_s)
    expected = None
    if tolerance_s and abs(shift) > tolerance_s:
        expected = Rejection.stale if shift < 0 else Rejection.future
    assert verifier.verify(delivery(SIGNERS[name], BODY, NOW_S + shift), BODY, NOW_S) is expected


@pytest.mark.parametrize("name", TIMED)
def test_the_window_of_300_s_is_the_default_and_holds_both_ways(name: str) -> None:
    headers = delivery(SIGNERS[name], BODY)
    assert verdict(name, headers, now_s=NOW_S + 300) is None
    assert verdict(name, headers, now_s=NOW_S + 300.001) is Rejection.stale
    assert verdict(name, headers, now_s=NOW_S - 300) is None
    assert verdict(name, headers, now_s=NOW_S - 300.001) is Rejection.future


@pytest.mark.parametrize("name", SCHEMES)
def test_each_header_is_missed_by_its_name(name: str) -> None:
    headers = delivery(SIGNERS[name], BODY)
    reasons = (Rejection.missing_signature, Rejection.missing_timestamp, Rejection.missing_id)
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
@pytest.mark.parametrize("name", TIMED)
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
    assert verdict(name, headers) is Rejection.malformed_signature


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


def test_a_long_list_costs_one_code_only() -> None:
    verifier = scheme("standard-webhooks").verifier(SECRET)
    codes = []

    def counted(timestamp: bytes, event_id: bytes, body: bytes) -> bytes:
        codes.append(body)
        return encoded(timestamp, event_id, body)

    encoded, verifier._encoded = verifier._encoded, counted
    headers = delivery(SIGNERS["standard-webhooks"], BODY)
    wrong = "v1," + "A" * 43 + "="
    listed = {**headers, "webhook-signature": " ".join([wrong] * 170 + [headers["webhook-signature"]])}
    assert verifier.verify(listed, BODY, NOW_S) is None
    assert len(codes) == 1


@given(
    names,
    st.dictionaries(
        st.sampled_from([field for name in SCHEMES for field in scheme(name).header_names()]), st.text(max_size=100)
    ),
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

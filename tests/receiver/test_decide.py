from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret
from loadsim.receiver.answers import ACCEPTED, Entry, render
from loadsim.receiver.decide import Rules, header_map, path_of
from loadsim.receiver.options import ANY_PATH
from loadsim.signing import Rejection, scheme
from tests.receiver.wire import BODY, PATH, SECRET

NOW_S = 1_746_123_456
VERIFIER = scheme("trackpilots").verifier(SECRET)
RULES = Rules(PATH, VERIFIER.verify)


def signed(body: bytes = BODY, *, at: float = NOW_S, secret: Secret = SECRET) -> dict[str, str]:
    lines = scheme("trackpilots").signer(secret).headers(body, int(at) * 10**9, "event").split(b"\r\n")
    fields = [(name, value) for name, _, value in (line.partition(b":") for line in lines if line)]
    return header_map([*fields, (b"Content-Type", b"application/json")])


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in signed().items() if name not in names}


@pytest.mark.parametrize(
    ("headers", "body", "status", "text"),
    [
        (signed(), BODY, 200, b"received"),
        (without("x-webhook-signature"), BODY, 400, b"Missing signature"),
        (without("x-webhook-timestamp"), BODY, 400, b"Missing signature"),
        (signed(secret=Secret("other")), BODY, 401, b"Invalid signature"),
        (signed(), BODY + b" ", 401, b"Invalid signature"),
        (signed(at=NOW_S - 301), BODY, 401, b"Timestamp outside tolerance"),
        (signed(at=NOW_S + 302), BODY, 401, b"Timestamp outside tolerance"),
        (signed(at=NOW_S - 299), BODY, 200, b"received"),
        (signed(b"{"), b"{", 400, b"Invalid JSON"),
        (signed(b""), b"", 400, b"Invalid JSON"),
        (signed(b"\xff"), b"\xff", 400, b"Invalid JSON"),
        (signed(b"[" * 5000), b"[" * 5000, 400, b"Invalid JSON"),
        (signed(b"NaN"), b"NaN", 400, b"Invalid JSON"),
        (signed(b"x") | {"content-type": "text/plain"}, b"x", 200, b"received"),
        (signed() | {"x-webhook-signature": "é" * 64}, BODY, 401, b"Invalid signature"),
    ],
)
def test_a_post_gets_the_answer_it_deserves(headers: dict[str, str], body: bytes, status: int, text: bytes) -> None:
    answer, _ = RULES.decide("POST", PATH, headers, body, NOW_S)
    assert (answer.status, text in answer.body) == (status, True)


def test_a_forged_body_is_refused_before_it_is_parsed() -> None:
    answer, document = RULES.decide("POST", PATH, signed(secret=Secret("other")), b"{", NOW_S)
    assert answer.entry is Entry.wrong_signature
    assert document is None


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", PATH + "?q=1", 200),
        ("POST", "http://localhost:8080" + PATH, 200),
        ("POST", "/elsewhere", 404),
        ("POST", "http://[", 404),
        ("GET", PATH, 405),
        ("PUT", PATH, 405),
        ("GET", "/healthz", 200),
        ("POST", "/healthz", 404),
        ("DELETE", "/healthz", 405),
    ],
)
def test_routes(method: str, target: str, status: int) -> None:
    assert RULES.decide(method, target, signed(), BODY, NOW_S)[0].status == status


def test_any_path_takes_every_post_and_still_tells_its_health() -> None:
    rules = Rules(ANY_PATH, VERIFIER.verify)
    for target in ("/", "/hooks", "/healthz", PATH):
        assert rules.decide("POST", target, signed(), BODY, NOW_S)[0].status == 200
    assert rules.decide("GET", "/healthz", {}, b"", NOW_S)[0].entry is None
    assert rules.decide("GET", "/", {}, b"", NOW_S)[0].status == 405


def test_without_verification_everything_is_taken_and_said_to_be_unchecked() -> None:
    answer, _ = Rules(PATH, None).decide("POST", PATH, {}, b"{}", NOW_S)
    assert (answer.status, answer.entry) == (200, Entry.unchecked)


def test_a_repeated_signature_hides_nothing() -> None:
    good = signed()["x-webhook-signature"].encode()
    for pair in ((good, b"0" * 64), (b"0" * 64, good), (good, good)):
        fields = [(b"X-Webhook-Signature", value) for value in pair]
        headers = without("x-webhook-signature") | header_map(fields)
        assert RULES.decide("POST", PATH, headers, BODY, NOW_S)[0].status == 401


def test_every_rejection_has_its_place_in_the_books() -> None:
    for rejection in Rejection:
        assert Entry[rejection.name] not in ACCEPTED


image = st.sampled_from(["[placeholder]", {"type": "Buffer", "data": [1, 2, 255]}, "aGVsbG8="])


@given(image)
def test_images_in_every_form_are_taken(buffer: object) -> None:
    import orjson

    body = orjson.dumps({"event": "desktop.screenshot_tracking.captured", "data": [{"imageBuffer": buffer}]})
    answer, document = RULES.decide("POST", PATH, signed(body), body, NOW_S)
    assert answer.status == 200
    assert document["data"][0]["imageBuffer"] == buffer


names = st.sampled_from(["x-webhook-signature", "x-webhook-timestamp", "content-type", "x"])


@given(
    st.text(max_size=8),
    st.text(max_size=40),
    st.dictionaries(names, st.text(max_size=80)),
    st.binary(max_size=80),
    st.floats(0, 4e9),
)
def test_no_stranger_is_ever_accepted_or_raises(
    method: str, target: str, headers: dict[str, str], body: bytes, now_s: float
) -> None:
    for rules in (RULES, Rules(ANY_PATH, VERIFIER.verify)):
        for verb in (method, "POST"):
            for place in (target, PATH):
                answer, _ = rules.decide(verb, place, headers, body, now_s)
                assert answer.entry is None or answer.entry not in ACCEPTED
                assert answer.status < 500


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12))))
def test_header_map_takes_any_bytes(fields: list[tuple[bytes, bytes]]) -> None:
    found = header_map(fields)
    assert set(found) == {name.decode("latin-1").lower() for name, _ in fields}


def test_path_of_absolute_form_without_path() -> None:
    assert path_of("http://localhost") == "/"


def test_render_leaves_the_body_out_for_head() -> None:
    answer, _ = RULES.decide("HEAD", PATH, {}, b"", NOW_S)
    text = render(answer, time.time(), close=False, head=True)
    assert text.endswith(b"\r\n\r\n")
    assert b"Allow: POST" in text

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import Secret
from loadsim.receiver.answer_choice import HeaderNames, Rules, is_json, path_of
from loadsim.receiver.answers import ACCEPTED, Entry
from loadsim.receiver.options import ANY_PATH
from loadsim.receiver.rendered_answers import render
from loadsim.signing import Rejection, scheme
from tests.receiver.raw_client import BODY, PATH, SECRET

NOW_S = 1_746_123_456
VERIFIER = scheme("trackpilots").verifier(SECRET)
RULES = Rules(PATH, VERIFIER)


def signed(body: bytes = BODY, *, at: float = NOW_S, secret: Secret = SECRET) -> dict[str, str]:
    lines = scheme("trackpilots").signer(secret).headers(body, int(at) * 10**9, "event").split(b"\r\n")
    fields = [(name, value) for name, _, value in (line.partition(b":") for line in lines if line)]
    return HeaderNames(RULES.needs).pick([*fields, (b"Content-Type", b"application/json")])[0]


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
    answer = RULES.decide("POST", PATH, headers, body, NOW_S)
    assert (answer.status, text in answer.body) == (status, True)


def test_a_forged_body_is_refused_before_it_is_parsed() -> None:
    answer = RULES.decide("POST", PATH, signed(secret=Secret("other")), b"{", NOW_S)
    assert answer.entry is Entry.wrong_signature


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
    assert RULES.decide(method, target, signed(), BODY, NOW_S).status == status


def test_any_path_takes_every_post_and_still_tells_its_health() -> None:
    rules = Rules(ANY_PATH, VERIFIER)
    for target in ("/", "/hooks", "/healthz", PATH):
        assert rules.decide("POST", target, signed(), BODY, NOW_S).status == 200
    assert rules.decide("GET", "/healthz", {}, b"", NOW_S).entry is None
    assert rules.decide("GET", "/", {}, b"", NOW_S).status == 405


def test_without_verification_everything_is_taken_and_said_to_be_unchecked() -> None:
    answer = Rules(PATH, None).decide("POST", PATH, {}, b"{}", NOW_S)
    assert (answer.status, answer.entry) == (200, Entry.unchecked)


def test_a_repeated_signature_hides_nothing() -> None:
    good = signed()["x-webhook-signature"].encode()
    for pair in ((good, b"0" * 64), (b"0" * 64, good), (good, good)):
        fields = [(b"X-Webhook-Signature", value) for value in pair]
        headers = without("x-webhook-signature") | HeaderNames(RULES.needs).pick(fields)[0]
        assert RULES.decide("POST", PATH, headers, BODY, NOW_S).status == 401


def test_every_rejection_has_its_place_in_the_counts() -> None:
    for rejection in Rejection:
        assert Entry[rejection.name] not in ACCEPTED


image = st.sampled_from(["[placeholder]", {"type": "Buffer", "data": [1, 2, 255]}, "aGVsbG8="])


@given(image)
def test_images_in_every_form_are_taken(buffer: object) -> None:
    import orjson

    body = orjson.dumps({"event": "desktop.screenshot_tracking.captured", "data": [{"imageBuffer": buffer}]})
    assert RULES.decide("POST", PATH, signed(body), body, NOW_S).status == 200


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
    for rules in (RULES, Rules(ANY_PATH, VERIFIER)):
        for verb in (method, "POST"):
            for place in (target, PATH):
                answer = rules.decide(verb, place, headers, body, now_s)
                assert answer.entry is None or answer.entry not in ACCEPTED
                assert answer.status < 500


spellings = st.sampled_from([b"X-Needed", b"x-needed", b"X-NEEDED", b"other", b"\xff"]) | st.binary(max_size=12)


@given(st.lists(st.tuples(spellings, st.binary(max_size=12)), max_size=400))
def test_needed_headers_are_picked_from_any_bytes_in_every_spelling(fields: list[tuple[bytes, bytes]]) -> None:
    names = HeaderNames(["x-needed"])
    for _ in range(2):
        found, _ = names.pick(fields)
        wanted = [value.strip(b" \t").decode("latin-1") for name, value in fields if name.lower() == b"x-needed"]
        assert found == ({"x-needed": ", ".join(wanted)} if wanted else {})


def test_spellings_are_learnt_up_to_a_bound() -> None:
    names = HeaderNames(["x-needed"])
    for number in range(2_000):
        assert names[b"x-%d" % number] == ""
    assert len(names) <= 256
    assert names[b"X-Needed"] == "x-needed"
    assert names[b"x" * 10_000] == ""


documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def _parses(body: bytes) -> bool:
    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(body.decode("utf-8"), parse_constant=refuse)
    except ValueError:
        return False
    return True


@given(documents, st.booleans())
def test_every_json_text_is_json(document: object, ascii_only: bool) -> None:
    assert is_json(json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "replace"))


@given(documents, st.integers(0, 200), st.binary(max_size=2))
def test_what_is_nearly_json_is_judged_as_the_standard_library_does(document: object, place: int, piece: bytes) -> None:
    text = json.dumps(document).encode()
    place = min(place, len(text))
    body = text[:place] + piece + text[place + 1 :]
    if b"\\u" not in body:  # half of a surrogate pair is refused here and taken there
        assert is_json(body) == _parses(body)


def test_path_of_absolute_form_without_path() -> None:
    assert path_of("http://localhost") == "/"


def test_render_leaves_the_body_out_for_head() -> None:
    answer = RULES.decide("HEAD", PATH, {}, b"", NOW_S)
    text = render(answer, time.time(), close=False, head=True)
    assert text.endswith(b"\r\n\r\n")
    assert b"Allow: POST" in text

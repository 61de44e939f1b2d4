"""A request is the body and the signature of its event, with the content type, whatever the stratum's phase."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.cases import RequestMaker
from loadsim.events import EventSource, default_types
from loadsim.model import Secret, UsageError
from loadsim.plan import Case, EventMix
from loadsim.signing import scheme, scheme_names

SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
URL = "https://example.test/hooks"
NOW_NS = 1_746_123_456_789_000_000
MIX = (
    EventMix(type="desktop.app_tracking.captured"),
    EventMix(type="desktop.screenshot_tracking.captured", simulation=False, image="base64:64B", set={"version": "v2"}),
)


@pytest.mark.parametrize("name", ["trackpilots", "standard-webhooks", "github"])
@pytest.mark.parametrize("stratum", range(6))
def test_a_request_is_its_events_body_signed(name: str, stratum: int) -> None:
    maker = RequestMaker(MIX, scheme(name), SECRET, 7, url=URL)
    request = maker.make(5000, stratum, NOW_NS)
    options = MIX[stratum % 2]
    source = EventSource(
        options.type, 7, simulation=options.simulation, image=options.image, overrides=options.set.items()
    )
    assert request.body == source.body(5000, NOW_NS)
    assert request.headers.startswith(b"Content-Type: application/json\r\n")
    assert request.headers.endswith(b"\r\n")
    headers = {key.lower(): value for key, value in request.header_pairs()}
    verifier = scheme(name).verifier(SECRET, 0 if name == "linear" else None, url=URL)
    assert verifier.verify(headers, request.body, NOW_NS / 1e9) is None
    if scheme(name).id_headers:
        assert source.event_id(5000) in headers.values()


def test_an_unknown_case_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown case 'forged': known cases are wrong_secret, "):
        RequestMaker(MIX, scheme("trackpilots"), SECRET, 7, cases=(Case(kind="forged", share=0.5),))


@pytest.mark.parametrize("name", ["trackpilots", "github", "stripe", "square", "standard-webhooks"])
@given(
    events=st.lists(st.tuples(st.integers(0, 3 * 4096), st.integers(0, 5)), max_size=40),
    cases=st.sampled_from([(), ("missing_signature",), ("tampered_body", "replayed")]),
)
@settings(max_examples=8)
def test_requests_made_together_are_those_made_one_by_one(
    name: str, events: list[tuple[int, int]], cases: tuple[str, ...]
) -> None:
    of = scheme(name)
    asked = [Case(kind=kind, share=0.1) for kind in cases]
    secret = Secret("00" * 32 if of.key == "hex" else "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    def maker() -> RequestMaker:
        return RequestMaker(MIX, of, secret, 7, cases=asked, url=URL)

    alone, together = maker(), maker()
    made = together.make_all([index for index, _ in events], events, NOW_NS)
    assert [tuple(request) for request in made] == [
        tuple(alone.make(index, stratum, NOW_NS)) for index, stratum in events
    ]


OF_PARTS = [
    (name, kind)
    for name in scheme_names()
    if scheme(name).pair is None and (scheme(name).parts or scheme(name).signature.place != "header")
    for kind in default_types((name,))
]


@pytest.mark.parametrize(("name", "kind"), OF_PARTS)
@given(indexes=st.lists(st.integers(0, 3 * 4096), max_size=12), now_ns=st.integers(NOW_NS, NOW_NS + 10**12))
@settings(max_examples=5)
def test_each_event_of_a_scheme_of_parts_is_signed_the_same_in_a_batch_alone_and_for_the_first_time(
    name: str, kind: str, indexes: list[int], now_ns: int
) -> None:
    def maker() -> RequestMaker:
        return RequestMaker([EventMix(type=kind)], scheme(name), Secret("00" * 32), 7, url=URL + "?data.id=7")

    one = maker()
    together = [tuple(request) for request in one.make_all(indexes, [(index, 0) for index in indexes], now_ns)]
    assert together == [tuple(one.make(index, 0, now_ns)) for index in indexes]
    if indexes:
        assert together[-1] == tuple(maker().make(indexes[-1], 0, now_ns))


def test_a_form_takes_its_fields_from_a_document_whatever_their_type() -> None:
    given = {"CallStatus": "é & +", "SequenceNumber": 2, "To": ["a b", None], "From": True, "CallerZip": "1"}
    source = EventSource("twilio.call.status", 7, overrides=given.items())
    fields = dict(parse_qsl(source.body(3, NOW_NS).decode(), keep_blank_values=True))
    expected = {"CallStatus": "é & +", "SequenceNumber": "2", "To": '["a b",null]', "From": "true", "CallerZip": "1"}
    assert fields.items() >= expected.items()

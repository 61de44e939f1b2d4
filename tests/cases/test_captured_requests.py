"""Recorded requests: the capture's bodies and headers, with the scheme's own signature, time and id."""

from __future__ import annotations

import pytest

from loadsim.cases import RequestMaker
from loadsim.model import Capture, RecordedEvent, Secret
from loadsim.plan import EventMix
from loadsim.signing import scheme

SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
NOW_NS = 1_746_123_456_789_000_000
MIX = (EventMix(type="mine", payloads="capture.ndjson"),)
ROWS = (
    RecordedEvent(b'{ "a" : 1 }\r\n', "push"),
    RecordedEvent(
        b"\xff\x00",
        None,
        None,
        (("Content-Type", "application/octet-stream"), ("X-Hub-Signature-256", "old"), ("X-GitHub-Event", "star")),
    ),
)


@pytest.mark.parametrize("name", ["trackpilots", "github", "standard-webhooks", "stripe"])
def test_a_recorded_body_is_sent_as_it_was_and_signed_anew(name: str) -> None:
    maker = RequestMaker(MIX, scheme(name), SECRET, 7, recorded={"mine": Capture(ROWS, ("mine",))})
    for index in range(6):
        request = maker.make(index, 0, NOW_NS)
        assert request.body == ROWS[index % 2].body
        pairs = [(key.lower(), value) for key, value in request.header_pairs()]
        headers = dict(pairs)
        assert len(headers) == len(pairs)
        assert scheme(name).verifier(SECRET).verify(headers, request.body, NOW_NS / 1e9) is None
        if name == "github":
            assert headers["x-github-event"] == ("push", "star")[index % 2]
        assert headers["content-type"] == ("application/json", "application/octet-stream")[index % 2]


def test_every_delivery_has_an_id_of_its_own() -> None:
    maker = RequestMaker(MIX, scheme("github"), SECRET, 7, recorded={"mine": Capture(ROWS[:1], ("mine",))})
    ids = {dict(maker.make(index, 0, NOW_NS).header_pairs())["X-GitHub-Delivery"] for index in range(50)}
    assert len(ids) == 50

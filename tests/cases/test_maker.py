"""A request is the body and the signature of its event, with the content type, whatever the stratum's phase."""

from __future__ import annotations

import pytest

from loadsim.cases import RequestMaker
from loadsim.events import EventSource
from loadsim.model import Secret, UsageError
from loadsim.plan import Case, EventMix
from loadsim.signing import scheme

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

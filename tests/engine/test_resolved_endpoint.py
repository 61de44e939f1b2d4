"""Headers that a user gives, as they go over the wire: each as often as it was given, by both transports alike."""

from __future__ import annotations

from typing import Any

import pytest

from loadsim.cases import RequestMaker
from loadsim.model import Capture, RecordedEvent, Secret
from loadsim.plan import EventMix
from loadsim.signing import scheme
from tests.engine.running import TRANSPORTS, run, scenario
from tests.engine.servers import OK, Peer, Server

MIX = [EventMix(type="mine", payloads="rows.ndjson")]


def sent(transport: str, headers: dict[str, Any], cases: Any = (), **options: Any) -> list[list[tuple[bytes, bytes]]]:
    """The header lines of each request, without their order."""
    requests: list[bytes] = []

    def keep(peer: Peer) -> None:
        while True:
            requests.append(peer.request())
            peer.send(OK)

    with Server(keep) as server:
        target = {"url": server.url, "timeout": "30s", "headers": headers}
        result = run(scenario([{"connections": 1, "events": 2}], target, cases=cases), TRANSPORTS[transport], **options)
    assert result.outcomes == ["200"] * 2
    heads = [request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:] for request in requests]
    return [[(name.lower(), value) for name, _, value in (line.partition(b": ") for line in head)] for head in heads]


def values(head: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for found, value in head if found == name]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("epoch_ns", [None, 1_700_000_000 * 10**9])
def test_a_content_type_takes_the_place_of_our_own(transport: str, epoch_ns: int | None) -> None:
    for head in sent(transport, {"content-type": "application/cloudevents+json"}, epoch_ns=epoch_ns):
        assert values(head, b"content-type") == [b"application/cloudevents+json"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_case_of_another_content_type_replaces_that_too(transport: str) -> None:
    case = {"kind": "wrong_content_type", "share": 1.0, "expect": "accept"}
    for head in sent(transport, {"Content-Type": ["a/b", "c/d"]}, [case]):
        assert values(head, b"content-type") == [b"text/plain"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_name_given_twice_is_sent_twice_in_order(transport: str) -> None:
    for head in sent(transport, {"X-Tag": ["one", "two"], "Accept": ["a/b", "c/d"]}):
        assert values(head, b"x-tag") == [b"one", b"two"]
        assert values(head, b"accept") == [b"a/b", b"c/d"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_values_beyond_ascii_are_utf_8(transport: str) -> None:
    for head in sent(transport, {"X-Name": "Zoë ☃ 😀"}):
        assert values(head, b"x-name") == ["Zoë ☃ 😀".encode()]


def test_headers_of_a_capture_give_way_to_those_that_are_given() -> None:
    row = RecordedEvent(b"{}", headers=(("content-type", "a/b"), ("X-Tag", "kept"), ("X-Own", "old")))
    recorded = {"mine": Capture((row,), ("mine",))}
    given = {"Content-Type": "c/d", "x-own": "new"}
    maker = RequestMaker(MIX, scheme("trackpilots"), Secret("s"), 1, recorded=recorded, headers=given)
    pairs = maker.make(0, 0, 10**18).header_pairs()
    found = {name.lower(): value for name, value in pairs}
    assert len(found) == len(pairs)
    assert (found["content-type"], found["x-tag"]) == ("c/d", "kept")
    assert "x-own" not in found  # the connection's own head carries it

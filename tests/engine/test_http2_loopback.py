"""What goes over the wire in HTTP/2, judged by `h2` and `hpack`: frames, headers, windows, limits that change."""

from __future__ import annotations

import itertools

import h2.events
import h2.settings
import hyperframe.frame as hf
import pytest

from loadsim.model import SignedRequest
from tests.conftest import slow_but
from tests.engine.http2_sending import send
from tests.engine.http2_servers import (
    FRAME_SIZE,
    MAX_STREAMS,
    MOST,
    WINDOW_SIZE,
    Asked,
    Http2Peer,
    Http2Server,
    Judged,
    JudgeServer,
    answer,
    rst,
    window,
)

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
SIZES = [0, 1, 2, 1000, 16_383, 16_384, 16_385, 65_535, 65_536, 200_000]


def body_of(size: int, salt: int = 0) -> bytes:
    """A body that is like no other."""
    return (b"%d.%d," % (size, salt) * (size // 3 + 2))[:size]


def signed(body: bytes, *lines: str) -> SignedRequest:
    given = ["content-type: application/json", *lines, f"webhook-signature: v1,{len(body)}"]
    return SignedRequest("".join(f"{line}\r\n" for line in given).encode(), body)


def bodies_came(log: list[Asked], requests: list[SignedRequest]) -> None:
    """Every request came once, whole."""
    came = {int(asked.id.split("/")[1]): asked.body for asked in log}
    assert len(log) == len(came) == len(requests)
    assert all(came[index] == request.body for index, request in enumerate(requests))


# -- bodies and windows -----------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("places", [1, 7])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {WINDOW_SIZE: 0},
        {WINDOW_SIZE: 1},
        {WINDOW_SIZE: 500},
        {WINDOW_SIZE: MOST},
        {FRAME_SIZE: 2**24 - 1},
        {FRAME_SIZE: 20_000, WINDOW_SIZE: 19_999},
        {MAX_STREAMS: 3},
    ],
    ids=str,
)
def test_bodies_of_all_sizes_through_all_windows(values: dict[int, int], places: int, tls: bool) -> None:
    """The server opens each stream's window as it takes bodies, and the connection's too."""
    small = values.get(WINDOW_SIZE, 65_535) < 100

    def script(judged: Judged) -> None:
        while True:
            for event in judged.events():
                if isinstance(event, h2.events.RequestReceived) and small and not event.stream_ended:
                    judged.h2.increment_flow_control_window(3000, event.stream_id)
                elif isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    size = event.flow_controlled_length
                    judged.h2.increment_flow_control_window(size)
                    if not event.stream_ended:
                        judged.h2.increment_flow_control_window(size, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    judged.answer(event.stream_id)
            judged.flush()

    requests = [signed(body_of(size, salt)) for salt in range(2) for size in SIZES]
    with JudgeServer(script, tls=tls, values=values) as server:
        sent = send(server.url, requests, places=places, tls=tls)
        assert sent.outcomes == dict.fromkeys(range(len(requests)), "200")
        assert server.accepted == -(-places // values.get(MAX_STREAMS, 100))
    bodies_came(server.log, requests)


@pytest.mark.slow
@BOTH
def test_twenty_megabytes_up_and_down(tls: bool) -> None:
    def script(judged: Judged) -> None:
        while True:
            for event in judged.events():
                if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    judged.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    judged.answer(event.stream_id, bytes(15 * 1024 * 1024))
            judged.flush()

    requests = [signed(body_of(20 * 1000 * 1000)), signed(b"{}")]
    with JudgeServer(script, tls=tls) as server:
        sent = send(server.url, requests, places=2, tls=tls)
        assert list(sent.outcomes.values()) == ["200", "200"]
        assert sent.rows[0].window_stall_ms > 0
    bodies_came(server.log, requests)


def test_many_small_windows_are_no_flood() -> None:
    """A window for each kilobyte of a large body, beside an update for the connection each time."""

    def script(peer: Http2Peer) -> None:
        peer.greet((WINDOW_SIZE, 0)).send(window(0, 2**24))
        stream = peer.opened().stream
        peer.send((window(stream, 1024) + window(0, 1)) * 6_000)
        peer.send(answer(peer.request().stream))
        peer.drain()

    with Http2Server(script) as server:
        assert send(server.url, [signed(body_of(6_000 * 1024))]).outcomes == {0: "200"}


def test_windows_that_change_in_the_middle() -> None:
    """To zero and back, below what was sent already, and up again: the server counts each byte."""
    came: list[Asked] = []

    def script(peer: Http2Peer) -> None:
        sizes = itertools.cycle([0, 70_000, 5, 30_000])
        peer.greet((WINDOW_SIZE, 50_000))
        changes = 0
        while True:
            frame = peer.frame()
            assert not peer.overdrawn
            if isinstance(frame, hf.DataFrame):
                peer.allow(0, frame.flow_controlled_length)
                if peer.acks > changes:
                    changes += 1
                    peer.values((WINDOW_SIZE, next(sizes)))
            if "END_STREAM" in frame.flags:
                came.append(peer._open[frame.stream_id])
                del peer.windows[frame.stream_id]
                peer.send(answer(frame.stream_id))
            for stream, size in peer.windows.items():
                if size <= 0:
                    peer.allow(stream, 40_000)

    requests = [signed(body_of(200_000, salt)) for salt in range(12)]
    with Http2Server(script) as server:
        sent = send(server.url, requests, places=3)
        assert sent.outcomes == dict.fromkeys(range(12), "200")
        assert server.accepted == 1
    bodies_came(came, requests)


@pytest.mark.parametrize("resets", [True, False])
def test_a_cancelled_body_leaves_the_windows_as_they_are(resets: bool) -> None:
    """Answered, or reset, while its body waits: what was not sent is not counted, and the next body has the rest."""

    def script(peer: Http2Peer) -> None:
        peer.greet((WINDOW_SIZE, 20_000))
        while True:
            frame = peer.frame()
            stream = frame.stream_id
            assert not peer.overdrawn
            if not isinstance(frame, hf.DataFrame):
                continue
            peer.allow(0, frame.flow_controlled_length)
            asked = peer._open[stream]
            if stream % 4 == 1 and len(asked.body) == 20_000:
                peer.send(rst(stream, "CANCEL") if resets else answer(stream, 413))
            elif "END_STREAM" in frame.flags:
                peer.send(answer(stream))
            elif stream % 4 == 3:
                peer.allow(stream, frame.flow_controlled_length)

    requests = [signed(body_of(100_000, salt)) for salt in range(20)]
    with Http2Server(script) as server:
        sent = send(server.url, requests, places=1)
        assert [sent.outcomes[index] for index in range(20)] == ["reset" if resets else "413", "200"] * 10
        assert server.accepted == 1


@BOTH
def test_the_number_of_streams_goes_up_and_down(tls: bool) -> None:
    """1 → 10 → 0 → 3 → 100, all on one connection of those that there are."""

    def script(judged: Judged) -> None:
        changes = {5: 10, 30: 0, 31: 3, 60: 100}
        allowed, answered, held = 1, 0, []
        limits = {1}
        while True:
            for event in judged.events():
                if isinstance(event, h2.events.SettingsAcknowledged):
                    limits = {allowed}
                elif isinstance(event, h2.events.StreamEnded):
                    held.append(event.stream_id)
                    assert len(judged.open) <= max(limits)
            for stream in held:
                judged.answer(stream)
                answered += 1
                if answered in changes:
                    allowed = changes[answered]
                    limits.add(allowed)
                    judged.h2.update_settings({MAX_STREAMS: allowed})
                if answered == 30:
                    judged.flush()
                    allowed = changes[31]
                    limits.add(allowed)
                    judged.h2.update_settings({MAX_STREAMS: allowed})
            held.clear()
            judged.flush()

    requests = [signed(body_of(10, salt)) for salt in range(300)]
    with JudgeServer(script, tls=tls, values={MAX_STREAMS: 1}) as server:
        sent = send(server.url, requests, places=4, tls=tls)
        assert sent.outcomes == dict.fromkeys(range(300), "200")
        assert 1 <= server.accepted <= 4
    bodies_came(server.log, requests)


@pytest.mark.parametrize(("allowed", "streams", "places"), [(10, 100, 25), (100, 10, 25), (1, 100, 4), (7, 100, 7)])
def test_a_connection_carries_no_more_streams_than_it_may(allowed: int, streams: int, places: int) -> None:
    """And there are as many connections as that makes."""
    most: list[int] = []

    def script(judged: Judged) -> None:
        try:
            judged.serve()
        finally:
            most.append(judged.most_open)

    requests = [signed(body_of(10, salt)) for salt in range(200)]
    with JudgeServer(script, values={MAX_STREAMS: allowed}) as server:
        sent = send(server.url, requests, places=places, streams=streams)
        assert sent.outcomes == dict.fromkeys(range(200), "200")
        assert server.accepted == -(-places // min(allowed, streams))
    server.sent_once(200)
    assert max(most) <= min(allowed, streams)


@pytest.mark.parametrize(
    ("places", "reuse", "tls"),
    slow_but(
        [(1, 2, False), (8, 1, True), (8, 10, False), (40, 33, True)],
        itertools.product((1, 8, 40), (1, 2, 10, 33), (False, True)),
        several=True,
    ),
)
def test_no_connection_carries_more_than_it_may(reuse: int, places: int, tls: bool) -> None:
    carried: dict[int, int] = {}

    def script(judged: Judged) -> None:
        while True:
            for event in judged.events():
                if isinstance(event, h2.events.StreamEnded):
                    carried[judged.number] = carried.get(judged.number, 0) + 1
                    judged.answer(event.stream_id)

    requests = [signed(body_of(10, salt)) for salt in range(100)]
    with JudgeServer(script, tls=tls) as server:
        sent = send(server.url, requests, places=places, reuse=reuse, tls=tls)
        assert sent.outcomes == dict.fromkeys(range(100), "200")
    server.sent_once(100)
    assert max(carried.values()) <= reuse
    assert sum(carried.values()) == 100

"""The transport over HTTP/2 leaves no reference cycle behind either, whatever a server does."""

from __future__ import annotations

import pytest

from tests.engine.http2_servers import (
    MAX_STREAMS,
    Http2Peer,
    Http2Server,
    answer,
    data,
    goaway,
    headers,
    rst,
    then_well,
)
from tests.engine.test_cycles import cycles_of
from tests.engine.test_http2_hostile import FAULTS, OK, STREAM_FAULTS, Fault, StreamFault, fire


def without_cycles(script: object, *, tls: bool, events: int = 3, connections: int = 1, **more: object) -> None:
    with Http2Server(script, tls=tls) as server:  # type: ignore[arg-type]
        assert cycles_of(lambda: fire(server, tls=tls, events=events, connections=connections, **more)) == []


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("fault", FAULTS[::9], ids=lambda fault: fault.name)
def test_no_fault_leaves_a_cycle(fault: Fault, tls: bool) -> None:
    def bad(peer: Http2Peer) -> None:
        peer.greet()
        peer.send(fault.frames(peer.request().stream))
        peer.drain()

    without_cycles(then_well(bad), tls=tls)


@pytest.mark.parametrize("fault", STREAM_FAULTS[::9], ids=lambda fault: fault.name)
def test_no_fault_of_a_stream_leaves_a_cycle(fault: StreamFault) -> None:
    def bad(peer: Http2Peer) -> None:
        peer.greet()
        peer.send(fault.frames(peer.request().stream))
        peer.serve()

    without_cycles(bad, tls=False, events=2, event=fault.event)


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_no_end_of_a_connection_leaves_a_cycle(tls: bool) -> None:
    """GOAWAY, FIN, silence, refused streams, bodies that wait, places that move: one after the other."""

    def script(peer: Http2Peer) -> None:
        if peer.number == 0:
            peer.greet((MAX_STREAMS, 2))
            asked = peer.requests(2)
            peer.send(answer(asked[0].stream), goaway(asked[0].stream))
            peer.drain()
        peer.greet()
        if peer.number == 1:
            stream = peer.request().stream
            peer.send(headers(stream, OK), data(stream, b"half", end=False))
        elif peer.number == 2:
            peer.send(rst(peer.request().stream, "REFUSED_STREAM"))
            peer.request()
            peer.peer.reset()
        else:
            peer.serve()

    without_cycles(script, tls=tls, events=60, connections=6, streams=3, reuse=9)

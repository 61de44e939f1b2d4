"""How late an answer was read: the kernel's stamp, on real sockets."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from loadsim.engine.engine import Engine
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.receive_stamps import WallClock, ask, receive
from loadsim.engine.socket_set import ALL
from loadsim.measure.outcome_columns import Column
from loadsim.measure.pauses import Pauses
from loadsim.model import NS_PER_MS, NS_PER_S
from tests.engine.http2_servers import Http2Peer, Http2Server, answer, over_http2
from tests.engine.running import TRANSPORTS, run, scenario
from tests.engine.servers import CERTS, OK, Peer, Server

HELD_S = 0.2
PATIENCE_S = 60.0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connected pair over loopback; what the first one receives is stamped."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as mine:
        theirs, _ = listener.accept()
        if not ask(mine):
            pytest.skip("this system does not stamp what it receives")
        with theirs:
            # The kernel begins to stamp a moment after the first socket of the machine has asked for it.
            deadline = time.monotonic() + PATIENCE_S
            while not _stamped(mine, theirs):
                assert time.monotonic() < deadline, "nothing is stamped although the system agreed to do it"
            yield mine, theirs


def _stamped(mine: socket.socket, theirs: socket.socket) -> bool:
    theirs.sendall(b"?")
    return receive(mine.recvmsg, 2)[1] != 0


def test_a_stamp_says_how_long_data_lay_there(pair: tuple[socket.socket, socket.socket]) -> None:
    mine, theirs = pair
    wall, before = WallClock(), monotonic_ns()
    theirs.sendall(b"answer")
    after = monotonic_ns()
    time.sleep(HELD_S)
    data, stamp = receive(mine.recvmsg, 100)
    now, ahead = monotonic_ns(), wall.ahead_ns()
    assert data == b"answer"
    assert ahead is not None
    slack = NS_PER_MS
    assert now - after - slack <= now - stamp + ahead <= now - before + slack, "it came while it was sent"


def test_there_is_no_stamp_where_more_may_follow(pair: tuple[socket.socket, socket.socket]) -> None:
    mine, theirs = pair
    theirs.sendall(b"answer")
    assert receive(mine.recvmsg, 6) == (b"answer", 0)


def test_what_a_wall_clock_says_that_was_set_is_not_used() -> None:
    instants = {"clock": NS_PER_S, "wall": 50 * NS_PER_S}
    wall = WallClock(lambda: instants["clock"], lambda: instants["wall"])
    instants["clock"] += NS_PER_S
    instants["wall"] += NS_PER_S + 400_000  # slewed
    assert wall.ahead_ns() == 49 * NS_PER_S + 400_000
    instants["wall"] += 5 * NS_PER_MS
    assert wall.ahead_ns() is None
    assert wall.ahead_ns() == 49 * NS_PER_S + 400_000 + 5 * NS_PER_MS


def keep(peer: Peer) -> None:
    while peer.request():
        peer.send(OK)


@pytest.mark.parametrize("transport", sorted(TRANSPORTS))
def test_an_answer_that_waits_for_a_busy_loop_is_known_to_have_waited(transport: str) -> None:
    """The loop is held up just after the first request: its answer waits meanwhile."""
    held: list[int] = []

    def hold(engine: Engine) -> None:
        sender: Any = engine
        flush = sender.flush

        def held_up() -> None:
            sends = bool(sender._ready)
            flush()
            if sends and not held and transport == "direct":
                began = monotonic_ns()
                time.sleep(HELD_S)
                held.append(monotonic_ns() - began)

        sender.flush = held_up

    pauses = Pauses(10 * NS_PER_MS)
    with Server(keep) as server:
        phases = [{"connections": 1, "events": 30}]
        target = {"url": server.url, "timeout": "60s"}
        result = run(scenario(phases, target), TRANSPORTS[transport], during=hold, pauses=pauses)
    receipts = result.column(Column.receipt)
    assert len(receipts) == 30
    assert all(receipt != 0 for receipt in receipts[1:])
    if transport == "direct":
        assert abs(receipts[0]) > held[0] // 2
        assert any(receipt > 0 for receipt in receipts), "exact"
        assert pauses.away_ns >= held[0]


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("together", [1, 2])
def test_a_stamp_bounds_how_late_an_answer_over_http2_was_read_that_came_alone(together: int, tls: bool) -> None:
    """The loop seems not to have looked at its sockets for long. Of answers that came together no stamp tells when."""
    long_ns = 2**50

    def script(peer: Http2Peer) -> None:
        peer.greet()
        while True:
            peer.send(*(answer(one.stream) for one in peer.requests(together)))

    def look_away(engine: Engine) -> None:
        sockets: Any = engine._transport
        look = sockets._look
        sockets._look = lambda began: (look(began)[0] - long_ns, ALL)

    target = {"http": "2", "timeout": "60s", **({"cacert": str(CERTS / "localhost.pem")} if tls else {})}
    with Http2Server(script, tls=tls) as server:
        phases = [{"connections": together, "events": 40}]
        result = run(scenario(phases, {"url": server.url, **target}), over_http2(), during=look_away)
    waits = [-receipt for receipt in result.column(Column.receipt)]
    times = [done - sent for done, sent in zip(result.column(Column.done), result.column(Column.sent), strict=True)]
    assert len(waits) == 40
    assert all(wait > 0 for wait in waits), "bounds"
    by_stamp = [(wait, took) for wait, took in zip(waits, times, strict=True) if wait < long_ns]
    assert all(wait <= took for wait, took in by_stamp)
    assert bool(by_stamp) == (together == 1 and sys.platform.startswith("linux"))

"""Both transports against well-behaved loopback servers: what goes over the wire, and what it costs."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import uvloop

from loadsim.engine.delivery_headers import DeliveryHeaders
from loadsim.engine.direct_connection import DirectConnection
from loadsim.engine.direct_transport import DirectTransport
from loadsim.engine.engine import Engine
from loadsim.engine.resolved_endpoint import resolve
from loadsim.engine.transport_choice import direct_transport
from loadsim.engine.transport_interface import Ended
from loadsim.measure.outcome_columns import Column
from loadsim.model import NS_PER_S, SignedRequest
from loadsim.plan import Target
from tests.engine.running import PATIENCE_S, TRANSPORTS, direct, run, scenario
from tests.engine.servers import CERTS, OK, Peer, Server

TRUSTED = {"cacert": str(CERTS / "localhost.pem")}
MIB = 1024 * 1024


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_transport_writes_the_same_request(transport: str) -> None:
    requests: list[bytes] = []

    def keep(peer: Peer) -> None:
        while True:
            requests.append(peer.request())
            peer.send(OK)

    target: dict[str, Any] = {"headers": {"X-Own": "mine", "Accept": "application/json"}, "timeout": "60s"}
    with Server(keep) as server:
        target["url"] = server.url.replace("http://", "http://user:p%40ss@") + "?a=%2F&b=c%20d"
        result = run(
            scenario([{"connections": 1, "events": 3}], target), TRANSPORTS[transport], epoch_ns=1_700_000_000 * 10**9
        )
    result.assert_balanced()
    assert result.outcomes == ["200"] * 3
    assert result.column(Column.bytes_sent) == [len(request) for request in requests]
    assert result.column(Column.bytes_received) == [len(OK)] * 3
    head, _, body = requests[2].partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    assert line == b"POST /hook?a=%2F&b=c%20d HTTP/1.1"
    pairs = dict(field.split(b": ", 1) for field in fields)
    assert len(pairs) == len(fields)
    assert pairs[b"Host"] == b"127.0.0.1:%d" % server.port
    assert pairs[b"Authorization"] == b"Basic dXNlcjpwQHNz"
    assert (pairs[b"X-Own"], pairs[b"Accept"]) == (b"mine", b"application/json")
    assert pairs[b"X-Loadsim-Id"] == b"run/2/1"
    assert pairs[b"Content-Type"] == b"application/json"
    assert pairs[b"Content-Length"] == b"%d" % len(body)
    assert not {b"Accept-Encoding", b"Connection", b"Transfer-Encoding", b"Cookie"} & pairs.keys()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_further_attempt_says_its_number_and_carries_the_same_body(transport: str) -> None:
    requests: dict[bytes, bytes] = {}
    busy = OK.replace(b"200 OK", b"503 Busy")

    def refuse_first(peer: Peer) -> None:
        while True:
            head, _, body = peer.request().partition(b"\r\n\r\n")
            trace = next(line for line in head.split(b"\r\n") if line.startswith(b"X-Loadsim-Id: "))
            requests[trace[14:]] = body
            peer.send(busy if trace.endswith(b"/1") else OK)

    with Server(refuse_first) as server:
        of = scenario(
            [{"rate": "20/s", "duration": "100ms"}], {"url": server.url, "timeout": "60s"}, retry={"schedule": ["20ms"]}
        )
        result = run(of, TRANSPORTS[transport])
    result.assert_balanced()
    assert result.outcomes == ["200"] * 2
    assert sorted(requests) == [b"run/0/1", b"run/0/2", b"run/1/1", b"run/1/2"]
    for index in (b"0", b"1"):
        assert requests[b"run/%b/1" % index] == requests[b"run/%b/2" % index]
    assert requests[b"run/0/1"] != requests[b"run/1/1"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_instants_come_in_order_and_handshakes_are_counted(transport: str) -> None:
    with Server(Peer.requests) as server:
        result = run(
            scenario(
                [{"rate": "200/s", "duration": "200ms"}],
                {"url": server.url, "timeout": "60s", "connections": 4, "reuse": 5},
            ),
            TRANSPORTS[transport],
        )
    result.assert_balanced()
    assert result.outcomes == ["200"] * 40
    for row in result.rows[:, [Column.due, Column.woken, Column.slot, Column.sent, Column.first_byte, Column.done]]:
        assert sorted(row) == row.tolist()
    assert len(result.handshakes) == result.engine.connection_counts.opened == server.accepted >= 8
    assert (result.handshakes[:, 2] > 0).all()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_without_the_trace_header_nothing_tells_of_the_run(transport: str) -> None:
    seen: list[bytes] = []

    def keep(peer: Peer) -> None:
        seen.append(peer.request())
        peer.send(OK)

    with Server(keep) as server:
        run(
            scenario([{"connections": 1, "events": 1}], {"url": server.url, "timeout": "60s", "trace_header": False}),
            TRANSPORTS[transport],
        ).assert_balanced()
    assert b"X-Loadsim-Id" not in seen[0]


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_ipv6(transport: str) -> None:
    with Server(Peer.requests, family=socket.AF_INET6) as server:
        result = run(
            scenario([{"connections": 2, "events": 6}], {"url": server.url, "timeout": "60s"}), TRANSPORTS[transport]
        )
    result.assert_balanced()
    assert result.outcomes == ["200"] * 6


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_next_address_is_tried(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(Peer.requests) as server:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, server.port)) for host in ("127.0.0.2", "127.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        target = {"url": f"http://two.test:{server.port}/", "timeout": "60s"}
        result = run(scenario([{"connections": 1, "events": 2}], target), TRANSPORTS[transport])
    assert result.outcomes == ["200", "200"]


def test_200_connections_of_one_request_each() -> None:
    with Server(Peer.requests) as server:
        of = scenario([{"connections": 200, "events": 600}], {"url": server.url, "reuse": 1, "timeout": "60s"})
        result = run(of, direct)
    result.assert_balanced()
    assert Counter(result.outcomes) == {"200": 600}
    assert result.engine.connection_counts.opened == server.accepted == 600
    assert result.engine.connection_counts.open_peak == 200


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_tls_carries_large_bodies_both_ways_on_one_connection(transport: str) -> None:
    size = 100_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    with Server(lambda peer: peer.requests(answer), tls="localhost") as server:
        event = {"type": "desktop.screenshot_tracking.captured", "image": "base64:200KB"}
        of = scenario([{"connections": 1, "events": 4}], {"url": server.url, "timeout": "60s", **TRUSTED}, [event])
        result = run(of, TRANSPORTS[transport])
    result.assert_balanced()
    assert result.outcomes == ["200"] * 4
    assert server.accepted == 1
    assert min(result.column(Column.bytes_sent)) > 200_000
    assert result.column(Column.bytes_received) == [len(answer)] * 4


@pytest.mark.parametrize("tls", [None, "localhost"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_slow_reader_gets_every_byte(transport: str, tls: str | None) -> None:
    """The server's window is small: writing stops many times and goes on where it stopped."""
    with Server(Peer.requests, tls=tls, receive_buffer=4096) as server:
        event = {"type": "desktop.screenshot_tracking.captured", "image": "base64:3MB"}
        of = scenario([{"connections": 1, "events": 2}], {"url": server.url, "timeout": "60s", **TRUSTED}, [event])
        result = run(of, TRANSPORTS[transport])
    result.assert_balanced()
    assert result.outcomes == ["200", "200"]
    assert server.accepted == 1
    assert min(result.column(Column.bytes_sent)) > 3_000_000


@pytest.mark.parametrize("answers", [True, False])
def test_the_hot_path_makes_no_reference_cycles(answers: bool) -> None:
    def behave(peer: Peer) -> None:
        if answers:
            peer.requests()
        peer.request()
        peer.reset()

    events = 3000 if answers else 1000
    with Server(behave) as server:
        of = scenario([{"connections": 4, "events": events}], {"url": server.url, "timeout": "60s"})
        run(scenario([{"connections": 1, "events": 1}], {"url": server.url, "timeout": "60s"}), direct)
        gc.collect()
        gc.disable()
        try:
            result = run(of, direct)
            found = gc.collect()
        finally:
            gc.enable()
    result.assert_balanced()
    assert result.planned == events
    assert found < 500  # what one run leaves behind, however many events it had


def test_tls_sessions_leave_no_reference_cycles() -> None:
    target = {"timeout": "60s", "cacert": str(CERTS / "localhost.pem"), "reuse": 2}
    with Server(Peer.requests, tls="localhost") as server:
        run(scenario([{"connections": 1, "events": 1}], {"url": server.url, **target}), direct)
        gc.collect()
        gc.disable()
        try:
            result = run(scenario([{"connections": 4, "events": 200}], {"url": server.url, **target}), direct)
            found = gc.collect()
        finally:
            gc.enable()
    assert result.outcomes == ["200"] * 200
    assert result.engine.connection_counts.opened >= 100
    assert found < 200


def test_turns_that_run_out_in_the_middle_of_a_batch_of_answers_go_on() -> None:
    """Of so many shards one has blocks of eight events: a batch of answers reaches over their ends."""
    asked: list[int] = []

    def ask(engine: Engine) -> None:
        go_on_after = engine._go_on_after

        def asking() -> None:
            go_on_after()
            asked.append(sum(engine.planned))

        engine._go_on_after = asking  # type: ignore[method-assign]

    with Server(Peer.requests) as server:
        of = scenario([{"connections": 32 * 512, "events": 600 * 512}], {"url": server.url, "timeout": "60s"})
        result = run(of, direct, during=ask, shard=3, shards=512)
    result.assert_balanced()
    assert result.outcomes == ["200"] * 600
    assert asked == sorted(asked)
    assert asked[-1] == result.planned == 600
    assert len(asked) < 600  # or no batch was of several answers


class Stub:
    """An owner that closes every connection and opens another one at the first answer."""

    def __init__(self) -> None:
        self.looked_ns = 0
        self.transport: DirectTransport | None = None
        self.opened: list[DirectConnection] = []
        self.all_open = asyncio.Event()
        self.answered: list[DirectConnection] = []
        self.new: DirectConnection | None = None
        self.held: list[int] = []

    def on_handshake(self, connection: Any, connect_ns: int, tls_ns: int) -> None:
        pass

    def on_open(self, connection: Any) -> None:
        self.opened.append(connection)
        if len(self.opened) == 2:
            self.all_open.set()

    def on_done(self, connection: Any, code: int, done_ns: int) -> None:
        self.answered.append(connection)
        assert self.transport is not None
        if self.new is None:
            for other in self.opened:
                other.close()
            self.held = [other._sock.fileno() for other in self.opened]
            self.new = self.transport.open()

    def on_answers(self, answers: Sequence[Ended]) -> None:
        for connection, code, done_ns in answers:
            self.on_done(connection, code, done_ns)

    def on_lost(self, connection: Any) -> None:
        raise AssertionError("nobody was idle")

    def on_internal(self, connection: Any, error: Exception) -> None:
        raise error


def test_a_descriptor_is_not_used_again_within_a_batch() -> None:
    """Two answers are ready at once; the first closes both connections and opens a third."""
    both = threading.Barrier(2)

    def together(peer: Peer) -> None:
        peer.request()
        if peer.number < 2:
            both.wait(PATIENCE_S)
            peer.send(OK)
        peer.until_closed()

    async def go(url: str) -> None:
        owner = Stub()
        transport = direct_transport()(asyncio.get_running_loop(), resolve(Target(url=url)), DeliveryHeaders())
        transport.start(owner)
        owner.transport = transport
        pair = [transport.open(), transport.open()]
        descriptors = [connection.fd for connection in pair]
        await owner.all_open.wait()
        asyncio.get_running_loop().remove_reader(transport._epoll.fileno())
        for index, connection in enumerate(pair):
            connection.event = index
            connection.send(SignedRequest(b"", b"{}"), index)
        until = asyncio.get_running_loop().time() + PATIENCE_S
        while len(transport._epoll.poll(0.01)) < 2 and asyncio.get_running_loop().time() < until:
            pass  # one answer alone makes the set ready: only the time tells how long the other may take
        transport._drain()
        assert len(owner.answered) == 2  # both were read before either was taken
        assert owner.new is not None
        assert owner.held == descriptors
        assert [connection._sock.fileno() for connection in pair] == [-1, -1]
        await transport.close()

    with Server(together) as server:
        uvloop.run(go(server.url))


class Patient(Stub):
    """An owner that sends one request and then waits for the connection to go."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = asyncio.Event()

    def on_open(self, connection: Any) -> None:
        connection.event = 0
        connection.send(SignedRequest(b"", b"{}"), 0)

    def on_done(self, connection: Any, code: int, done_ns: int) -> None:
        assert code == 200
        assert connection.reusable
        self.answered.append(connection)
        connection.event = None

    def on_lost(self, connection: Any) -> None:
        self.lost.set()


@pytest.mark.parametrize("extra", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_idle_connection_that_ends_is_lost_and_touches_no_event(transport: str, extra: bytes) -> None:
    """The server goes only when the answer was taken; with or without a last word that nobody asked for."""
    taken = threading.Event()

    def once(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        taken.wait(PATIENCE_S)
        peer.send(extra)

    async def go(url: str) -> None:
        loop = asyncio.get_running_loop()
        made = TRANSPORTS[transport](loop, Target(url=url))
        owner = Patient()
        made.start(owner)
        made.open()
        while not owner.answered:  # noqa: ASYNC110 - the transport's own callback ends it
            await asyncio.sleep(0)
        taken.set()
        await asyncio.wait_for(owner.lost.wait(), PATIENCE_S)
        assert len(owner.answered) == 1
        assert list(made.connections()) == []
        await made.close()

    with Server(once) as server:
        uvloop.run(go(server.url))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_answer_behind_the_timeout_is_a_timeout_without_a_sweep(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last byte counts, and nobody else looks at the clock here."""
    engines: list[Engine] = []

    async def never(_: Engine) -> None:
        await asyncio.Event().wait()

    def late(peer: Peer) -> None:
        """Its last byte comes an hour after its event was given the connection."""
        peer.request()
        peer.send(OK[:-1])
        for connection in engines[0]._transport.connections():
            connection.slot_ns -= 3600 * NS_PER_S
        engines[0]._in_time_until -= 3600 * NS_PER_S
        peer.send(OK[-1:])
        peer.until_closed()

    monkeypatch.setattr(Engine, "_sweep", never)
    with Server(late) as server:
        of = scenario([{"connections": 1, "events": 2}], {"url": server.url, "timeout": "60s"})
        result = run(of, TRANSPORTS[transport], during=engines.append)
    result.assert_balanced()
    assert result.outcomes == ["timeout"] * 2
    assert server.accepted == 2

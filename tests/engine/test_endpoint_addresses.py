"""An endpoint with several addresses, and hosts that are written in other ways than as a plain name."""

from __future__ import annotations

import contextlib
import gc
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.engine.endpoint_addresses import AVOID_NS, Addresses
from loadsim.engine.next_address_attempts import ATTEMPT_DELAY_NS
from loadsim.engine.preflight import check_reachable
from loadsim.engine.resolved_endpoint import resolve
from loadsim.model import NS_PER_MS, UnreachableError
from loadsim.plan import Target
from tests.engine.running import TRANSPORTS, Ran, run, scenario
from tests.engine.servers import Peer, Server, black_hole

V4, V6 = socket.AF_INET, socket.AF_INET6
FOUR = [(V4, (f"127.0.0.{number}", 80)) for number in range(2, 6)]
MIXED = [(V6, ("::2", 80, 0, 0)), (V6, ("::3", 80, 0, 0)), (V4, ("127.0.0.2", 80)), (V4, ("127.0.0.3", 80))]


def found(hosts: Sequence[str], port: int) -> list[tuple[Any, ...]]:
    """What a resolver finds."""
    return [(V4, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]


@contextlib.contextmanager
def serving(*hosts: str, port: int = 0, **options: Any) -> Iterator[list[Server]]:
    """A server at each of these addresses, all on one port."""
    with contextlib.ExitStack() as stack:
        servers: list[Server] = []
        for host in hosts:
            of = servers[0].port if servers else port
            servers.append(stack.enter_context(Server(Peer.requests, host=host, port=of, **options)))
        yield servers


def fire(
    monkeypatch: pytest.MonkeyPatch, transport: str, hosts: Sequence[str], port: int, *, connections: int, **more: Any
) -> Ran:
    """A run at a name that has these addresses."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found(hosts, port))
    target = {"url": f"http://several.test:{port}/", "timeout": "30s", **more}
    result = run(scenario([{"connections": connections, "events": 12 * connections}], target), TRANSPORTS[transport])
    result.assert_balanced()
    return result


# -- the order of trying ------------------------------------------------------------------------------------------


def test_connections_take_turns() -> None:
    addresses = Addresses(FOUR)
    assert [addresses.order(0) for _ in range(5)] == [
        *([0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2]),
        [0, 1, 2, 3],
    ]
    assert Addresses(FOUR, first=2).order(0) == [2, 3, 0, 1]


def test_the_other_family_is_a_second_choice() -> None:
    addresses = Addresses(MIXED)
    assert [addresses.order(0) for _ in range(2)] == [[0, 2, 1, 3], [1, 3, 0, 2]]


def test_what_failed_is_tried_last_and_after_a_while_by_one_connection_first() -> None:
    addresses = Addresses(FOUR)
    addresses.failed(0, 5)
    assert [addresses.order(5)[-1] for _ in range(8)] == [0] * 8
    later = 5 + AVOID_NS
    firsts = [addresses.order(later)[0] for _ in range(6)]
    assert (firsts[0], 0 in firsts[1:]) == (0, False)
    addresses.made(0)
    assert 0 in [addresses.order(later)[0] for _ in range(4)]


@given(
    st.sampled_from([FOUR, MIXED, FOUR[:1]]),
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 2 * AVOID_NS)), max_size=20),
)
def test_whatever_happened_every_address_is_in_the_order_once(
    of: list[Any], happened: list[tuple[int, bool, int]]
) -> None:
    addresses, now = Addresses(of), 0
    for number, failed, later in happened:
        now += later
        if failed:
            addresses.failed(number % len(of), now)
        else:
            addresses.made(number % len(of))
        assert sorted(addresses.order(now)) == list(range(len(of)))


# -- runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_connections_spread_over_all_addresses(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    with serving(*hosts) as servers:
        result = fire(monkeypatch, transport, hosts, servers[0].port, connections=9)
        assert set(result.outcomes) == {"200"}
        assert [server.accepted for server in servers] == [3, 3, 3]
    rows = result.engine.addresses()
    assert [row.address for row in rows] == [f"{host}:{servers[0].port}" for host in hosts]
    assert [row.connections for row in rows] == [3, 3, 3]
    assert sum(row.answers for row in rows) == len(result.outcomes)
    assert all(row.answers and not row.failures for row in rows)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_black_hole_costs_one_connection_a_moment_and_no_event(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = ["127.0.0.2", "127.0.0.1"]
    with serving("127.0.0.1") as servers, black_hole("127.0.0.2", servers[0].port):
        result = fire(monkeypatch, transport, hosts, servers[0].port, connections=1, reuse=1)
        assert Counter(result.outcomes) == {"200": 12}
    hole, good = result.engine.addresses()
    assert (hole.connections, hole.answers, good.connections, good.answers) == (0, 0, 12, 12)
    assert hole.failures == 1  # remembered
    connects = sorted(result.handshakes[:, 2].tolist())
    assert connects[-1] >= ATTEMPT_DELAY_NS - 2 * NS_PER_MS  # the loop's timers have whole milliseconds


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_several_black_holes_are_tried_side_by_side(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    with serving("127.0.0.4") as servers, contextlib.ExitStack() as stack:
        for hole in hosts[:2]:
            stack.enter_context(black_hole(hole, servers[0].port))
        result = fire(monkeypatch, transport, hosts, servers[0].port, connections=1, reuse=1)
        assert Counter(result.outcomes) == {"200": 12}
    assert [row.failures for row in result.engine.addresses()] == [1, 1, 0]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_where_one_refuses_and_one_never_ends_the_third_is_found(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    with serving("127.0.0.4") as servers, black_hole("127.0.0.2", servers[0].port):
        result = fire(monkeypatch, transport, hosts, servers[0].port, connections=1)
        assert Counter(result.outcomes) == {"200": 12}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_where_nobody_listens_at_any_address_the_event_is_refused(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving("127.0.0.2") as servers:
        port = servers[0].port
    result = fire(monkeypatch, transport, ["127.0.0.2", "127.0.0.3"], port, connections=1)
    assert Counter(result.outcomes) == {"refused": 12}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_black_holes_alone_are_a_timeout_to_connect(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = ["127.0.0.2", "127.0.0.3"]
    with contextlib.ExitStack() as stack:
        with serving(*hosts) as servers:
            port = servers[0].port
        for hole in hosts:
            stack.enter_context(black_hole(hole, port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found(hosts, port))
        target = {"url": f"http://several.test:{port}/", "timeout": "600ms"}
        result = run(scenario([{"connections": 1, "events": 2}], target), TRANSPORTS[transport])
    result.assert_balanced()
    assert result.outcomes == ["connect_timeout"] * 2


def test_racing_addresses_makes_no_reference_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    """One address refuses, and is never avoided: connections race, and adopt another attempt."""
    monkeypatch.setattr("loadsim.engine.endpoint_addresses.AVOID_NS", 0)
    hosts = ["127.0.0.2", "127.0.0.3"]
    with serving("127.0.0.3") as servers:
        fire(monkeypatch, "direct", hosts, servers[0].port, connections=1, reuse=1)
        gc.collect()
        gc.disable()
        try:
            result = fire(monkeypatch, "direct", hosts, servers[0].port, connections=50, reuse=1)
            left = gc.collect()
        finally:
            gc.enable()
    assert sum(row.failures for row in result.engine.addresses()) > 100
    assert left < 500


def test_the_look_before_the_run_goes_past_a_black_hole() -> None:
    with serving("127.0.0.1") as servers, black_hole("127.0.0.2", servers[0].port):
        port = servers[0].port
        target = Target(url=f"http://several.test:{port}/")
        check_reachable(resolve(target, lambda *_, **__: found(["127.0.0.2", "127.0.0.1"], port)), 60)
        with pytest.raises(UnreachableError, match=r"no connection within 0\.3 s"):
            check_reachable(resolve(target, lambda *_, **__: found(["127.0.0.2"], port)), 0.3)
    with pytest.raises(UnreachableError, match="Connection refused"):
        check_reachable(resolve(target, lambda *_, **__: found(["127.0.0.2", "127.0.0.3"], port)), 60)


def test_a_single_address_has_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("127.0.0.1") as servers:
        result = fire(monkeypatch, "direct", ["127.0.0.1"], servers[0].port, connections=1)
    assert result.engine.addresses() == []

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

from loadsim.engine.addresses import AVOID_NS, Addresses
from loadsim.engine.preflight import check_reachable
from loadsim.engine.wire import resolve
from loadsim.model import UnreachableError, UsageError
from loadsim.plan import Target
from tests.engine.running import TRANSPORTS, Ran, run, scenario
from tests.engine.servers import CERTS, OK, Peer, Server, black_hole
from tests.engine.test_loopback import has_ipv6

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
    assert connects[-1] >= 250_000_000


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
    monkeypatch.setattr("loadsim.engine.addresses.AVOID_NS", 0)
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


# -- how hosts are written ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "asked", "sent", "tls_name"),
    [
        ("Hooks.Example.test", "hooks.example.test", "Hooks.Example.test", "hooks.example.test"),
        ("bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("Straße.example", "xn--strae-oqa.example", "xn--strae-oqa.example", "xn--strae-oqa.example"),
        ("hooks.test.", "hooks.test.", "hooks.test.", "hooks.test"),
        ("bücher.example.", "xn--bcher-kva.example.", "xn--bcher-kva.example.", "xn--bcher-kva.example"),
        ("[fe80::1%25eth0]", "fe80::1%eth0", "[fe80::1]", "fe80::1"),
        ("[fe80::1%eth0]", "fe80::1%eth0", "[fe80::1]", "fe80::1"),
        ("[::1]", "::1", "[::1]", "::1"),
    ],
)
@pytest.mark.parametrize("port", ["", ":8443"])
def test_a_host_is_written_as_each_reader_needs_it(host: str, asked: str, sent: str, tls_name: str, port: str) -> None:
    names: list[str] = []

    def lookup(name: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        names.append(name)
        return found(["127.0.0.1"], 1)

    wire = resolve(Target(url=f"https://{host}{port}/a?b=c"), lookup)
    assert names == [asked]
    assert f"\r\nHost: {sent}{port}\r\n".encode() in wire.head
    assert wire.server_name == tls_name
    assert wire.authority == f"{sent.lower()}{port or ':443'}"


def test_a_host_that_no_name_can_be_made_of_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="not a host name"):
        resolve(Target(url="http://\N{ZERO WIDTH JOINER}/"), lambda *_, **__: [])


def test_other_ways_to_the_host_are_looked_up_alike() -> None:
    names: list[str] = []

    def lookup(name: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        names.append(name)
        return found(["127.0.0.1"], 1)

    resolve(Target(url="http://a.test/", connect_to="bücher.example:81"), lookup)
    resolve(Target(url="http://a.test/", connect_to="[fe80::1%25eth0]:81"), lookup)
    resolve(Target(url="http://a.test/", proxy="http://bücher.example:81"), lookup)
    assert names == ["xn--bcher-kva.example", "fe80::1%eth0", "xn--bcher-kva.example"]


def test_a_path_beyond_ascii_goes_out_percent_encoded_and_the_rest_as_it_is() -> None:
    wire = resolve(Target(url="http://a.test/grüße%2F/ü?q=ä%20&b=[1]"), lambda *_, **__: found(["127.0.0.1"], 1))
    assert wire.head.startswith(b"POST /gr%C3%BC%C3%9Fe%2F/%C3%BC?q=%C3%A4%20&b=[1] HTTP/1.1\r\n")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_international_name_reaches_the_endpoint_as_punycode(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[bytes] = []

    def keep(peer: Peer) -> None:
        while True:
            requests.append(peer.request())
            peer.send(OK)

    with Server(keep) as server:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found(["127.0.0.1"], server.port))
        target = {"url": f"http://bücher.example:{server.port}/ü", "timeout": "30s"}
        result = run(scenario([{"connections": 1, "events": 1}], target), TRANSPORTS[transport])
    assert result.outcomes == ["200"]
    assert requests[0].startswith(b"POST /%C3%BC HTTP/1.1\r\n")
    assert b"\r\nHost: xn--bcher-kva.example:%d\r\n" % server.port in requests[0]


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_address_with_a_zone_is_reached_and_the_zone_stays_here(transport: str) -> None:
    requests: list[bytes] = []

    def keep(peer: Peer) -> None:
        requests.append(peer.request())
        peer.send(OK)

    scope = socket.if_nametoindex("lo")
    with Server(keep, family=socket.AF_INET6) as server:
        target = {"url": f"http://[::1%25{scope}]:{server.port}/", "timeout": "30s"}
        result = run(scenario([{"connections": 1, "events": 1}], target), TRANSPORTS[transport])
    assert result.outcomes == ["200"]
    assert b"\r\nHost: [::1]:%d\r\n" % server.port in requests[0]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_trailing_dot_is_no_part_of_the_name_that_tls_checks(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("127.0.0.1", tls="localhost") as servers:
        port = servers[0].port
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found(["127.0.0.1"], port))
        target = {"url": f"https://localhost.:{port}/", "timeout": "30s", "cacert": str(CERTS / "localhost.pem")}
        check_reachable(resolve(Target(url=target["url"], cacert=target["cacert"])), 60)
        result = run(scenario([{"connections": 1, "events": 2}], target), TRANSPORTS[transport])
    assert result.outcomes == ["200"] * 2


def test_a_single_address_has_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("127.0.0.1") as servers:
        result = fire(monkeypatch, "direct", ["127.0.0.1"], servers[0].port, connections=1)
    assert result.engine.addresses() == []

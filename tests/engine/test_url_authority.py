"""Hosts that are written in other ways than as a plain name: what is looked up, what the peer sees, what TLS checks."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from loadsim.engine.preflight import check_reachable
from loadsim.engine.resolved_endpoint import resolve
from loadsim.model import UsageError
from loadsim.plan import Target
from tests.engine.running import TRANSPORTS, run, scenario
from tests.engine.servers import CERTS, OK, Peer, Server
from tests.engine.test_endpoint_addresses import found, serving
from tests.engine.test_loopback import has_ipv6


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

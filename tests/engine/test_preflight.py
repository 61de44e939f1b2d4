"""What is said of an endpoint that can be reached, and does not speak HTTP/2."""

from __future__ import annotations

import pytest

from loadsim.engine.preflight import check_reachable
from loadsim.engine.resolved_endpoint import resolve
from loadsim.model import UnreachableError
from loadsim.plan import Http, Target
from tests.engine.http2_servers import Http2Peer, Http2Server
from tests.engine.servers import CERTS, Peer, Server


def refuse(peer: Peer) -> None:
    """As servers of HTTP/1.1 do with what they do not understand."""
    peer.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def agreed(url: str, http: Http) -> str:
    return check_reachable(resolve(Target(url=url, http=http, cacert=str(CERTS / "localhost.pem"))), 60)


@pytest.mark.parametrize(("tls", "word"), [(None, "does not speak HTTP/2"), ("localhost", "does not offer HTTP/2")])
def test_an_endpoint_of_http1_is_not_called_unreachable(tls: str | None, word: str) -> None:
    with Server(refuse, tls=tls) as server:
        if server._context is not None:
            server._context.set_alpn_protocols(["http/1.1"])
        with pytest.raises(UnreachableError) as caught:
            agreed(server.url, "2")
        assert word in str(caught.value)
        assert "cannot be reached" not in str(caught.value)
        assert agreed(server.url, "auto") == "1.1"


@pytest.mark.parametrize("http", ["2", "auto"])
def test_an_endpoint_of_http2(http: Http) -> None:
    with Http2Server(Http2Peer.drain, tls=True) as server:
        assert agreed(server.url, http) == "2"

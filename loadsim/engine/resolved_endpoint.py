"""A resolved endpoint: its addresses, its TLS settings, and the constant part of every request.

The name is resolved once, before the run, so that no event has to wait for it.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from loadsim import __version__
from loadsim.cases import OF_EVENTS
from loadsim.engine.endpoint_addresses import Address
from loadsim.engine.proxy_tunnel import basic_auth
from loadsim.engine.tls_settings import client_context, trust_of
from loadsim.engine.url_authority import Authority, authority, request_target, shown_authority
from loadsim.model import Secret, UnreachableError
from loadsim.plan import Headers, Http, HttpVersion, Target, header_pairs, headers_over

Lookup = Callable[..., Sequence[tuple[Any, Any, int, str, Any]]]
"""As `socket.getaddrinfo`."""


@dataclass(frozen=True, slots=True)
class Wire:
    """An endpoint, resolved."""

    url: str
    addresses: tuple[Address, ...]
    server_name: str
    tls: ssl.SSLContext | None
    head: bytes
    """Request line and constant headers, without the blank line."""
    http: Http = "1.1"
    proxy: str | None = None
    """URL of the proxy that the addresses are of; may hold credentials."""
    via: str | None = None
    """What the addresses are of in place of the URL's host: the path of a unix socket, or `HOST:PORT`."""

    host: str = ""
    """What the Host header says by default."""
    authority: str = ""
    """Host and port, the port spelled out: for the CONNECT request to a proxy."""

    @property
    def shown(self) -> str:
        """The URL's host and port, for messages: nothing secret can stand in them."""
        return shown_authority(self.url)


def resolve(target: Target, lookup: Lookup | None = None, *, key_password: Secret | None = None) -> Wire:
    """Look the target up, by the system's resolver unless another is given.

    Raises UsageError for no URL, UnreachableError where the name does not resolve.
    """
    there = authority(target.url)
    secure = urlsplit(target.url).scheme == "https"
    return Wire(
        url=target.url,
        addresses=_addresses(target, there, lookup or socket.getaddrinfo),
        server_name=there.tls_name,
        tls=client_context(trust_of(target, key_password), ssl.SSLContext, http=target.http) if secure else None,
        head=request_head(target, there),
        http=target.http,
        proxy=target.proxy,
        via=target.unix or target.connect_to,
        host=there.header,
        authority=there.full,
    )


def _addresses(target: Target, there: Authority, lookup: Lookup) -> tuple[Address, ...]:
    """Where to connect: to the URL's host, unless the target names another way."""
    if target.unix is not None:
        return ((socket.AF_UNIX, target.unix),)
    if target.connect_to is not None or target.proxy is not None:
        there = authority(target.proxy or f"http://{target.connect_to}")
    return look_up(there, lookup)


def look_up(there: Authority, lookup: Lookup = socket.getaddrinfo) -> tuple[Address, ...]:
    """The addresses of a host. Raises UnreachableError where its name does not resolve."""
    try:
        found = lookup(there.lookup, there.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise UnreachableError(f"{there.lookup}: the name does not resolve ({_reason(error)})") from None
    return tuple(dict.fromkeys((family, address) for family, _, _, _, address in found))


def request_head(target: Target, there: Authority) -> bytes:
    """Request line and constant headers of every request, without the blank line."""
    usual: Headers = {"User-Agent": f"loadsim/{__version__}", "Accept": "*/*"}
    given = {name: value for name, value in target.headers.items() if name.lower() not in OF_EVENTS}
    return head_of(target.url, there, usual, given)


def head_of(url: str, there: Authority, usual: Headers, given: Headers, version: HttpVersion = "1.1") -> bytes:
    """Request line and headers, without the blank line: those that are `usual`, with Host and the credentials of the
    URL, where none of the same name is `given`, and those that are."""
    usual = {"Host": there.header, **usual}
    if (credentials := basic_auth(url)) is not None:
        usual["Authorization"] = credentials
    lines = "".join(f"{name}: {value}\r\n" for name, value in header_pairs(headers_over(usual, given)))
    return f"POST {request_target(url)} HTTP/{version}\r\n{lines}".encode()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

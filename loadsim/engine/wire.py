"""Where the bytes go: an endpoint's addresses, TLS and the constant part of every request.

Decides how a URL becomes addresses to try in turn and a request head. Name resolution happens once, before the run,
so that no event pays for it.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from loadsim import __version__
from loadsim.model import UnreachableError, UsageError
from loadsim.plan import Target

Address = tuple[int, object]
"""Socket family and what `connect` takes."""


@dataclass(frozen=True, slots=True)
class Wire:
    """An endpoint, resolved."""

    url: str
    addresses: tuple[Address, ...]
    server_name: str
    tls: ssl.SSLContext | None
    head: bytes
    """Request line and constant headers, without the blank line."""

    @property
    def shown(self) -> str:
        """Host and port, for messages: nothing secret can stand in them."""
        parts = urlsplit(self.url)
        return parts.netloc.rpartition("@")[2]


def tls_context(target: Target) -> ssl.SSLContext:
    """The client's TLS settings. Raises UsageError naming the file that cannot be used."""
    context = ssl.create_default_context()
    if target.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if target.cacert:
            context.load_verify_locations(target.cacert)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{target.cacert}: cannot be used as a CA certificate: {_reason(error)}") from None
    try:
        if target.cert:
            context.load_cert_chain(target.cert, target.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{target.cert}: cannot be used as a client certificate: {_reason(error)}") from None
    with contextlib.suppress(NotImplementedError):  # a build of OpenSSL without ALPN
        context.set_alpn_protocols(["http/1.1"])
    return context


def resolve(target: Target) -> Wire:
    """Look the target up. Raises UsageError for no URL, UnreachableError where the name does not resolve."""
    parts = urlsplit(target.url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise UsageError(f"{target.url}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{target.url}: not an http:// or https:// URL")
    host = parts.hostname
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise UnreachableError(f"{host}: the name does not resolve ({_reason(error)})") from None
    addresses = tuple(dict.fromkeys((family, address) for family, _, _, _, address in found))
    return Wire(
        url=target.url,
        addresses=addresses,
        server_name=host,
        tls=tls_context(target) if parts.scheme == "https" else None,
        head=_head(target),
    )


def _head(target: Target) -> bytes:
    parts = urlsplit(target.url)
    path = parts.path or "/"
    if parts.query:
        path += "?" + parts.query
    _, _, authority = parts.netloc.rpartition("@")
    headers = {"Host": authority, "User-Agent": f"loadsim/{__version__}", "Accept": "*/*"}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    own = {name.lower() for name in target.headers}
    lines = [f"{name}: {value}" for name, value in headers.items() if name.lower() not in own]
    lines += [f"{name}: {value}" for name, value in target.headers.items()]
    try:
        return f"POST {path} HTTP/1.1\r\n".encode("ascii") + "".join(f"{line}\r\n" for line in lines).encode("latin-1")
    except UnicodeEncodeError:
        raise UsageError(f"{target.url}: the path or a header has characters that HTTP cannot carry") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

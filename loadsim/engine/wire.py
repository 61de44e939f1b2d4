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
    proxy: str | None = None
    """URL of the proxy that the addresses are of; may hold credentials."""
    via: str | None = None
    """What the addresses are of in place of the URL's host: the path of a unix socket, or `HOST:PORT`."""

    @property
    def shown(self) -> str:
        """The URL's host and port, for messages: nothing secret can stand in them."""
        return authority_of(self.url)

    @property
    def authority(self) -> str:
        """Host and port, the port spelled out."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or (443 if self.tls is not None else 80)}"


def authority_of(url: str) -> str:
    """Host and port of a URL as they are written there, without user info."""
    return urlsplit(url).netloc.rpartition("@")[2]


def basic_auth(url: str) -> str | None:
    """The value of an Authorization header for the user info of a URL; None when it has none."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def tls_context(target: Target) -> ssl.SSLContext:
    """The client's TLS settings. Raises UsageError naming the file that cannot be used."""
    context = ssl.create_default_context()
    context.options |= ssl.OP_NO_RENEGOTIATION  # of TLS 1.2, which 1.3 has done away with
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
    return Wire(
        url=target.url,
        addresses=_addresses(target, parts.hostname, port),
        server_name=parts.hostname,
        tls=tls_context(target) if parts.scheme == "https" else None,
        head=_head(target),
        proxy=target.proxy,
        via=target.unix or target.connect_to,
    )


def _addresses(target: Target, host: str, port: int) -> tuple[Address, ...]:
    """Where to connect: to the URL's host, unless the target names another way."""
    if target.unix is not None:
        return ((socket.AF_UNIX, target.unix),)
    if target.connect_to is not None or target.proxy is not None:
        other = urlsplit(target.proxy or f"//{target.connect_to}")
        host, port = other.hostname or "", other.port or 80
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise UnreachableError(f"{host}: the name does not resolve ({_reason(error)})") from None
    return tuple(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _head(target: Target) -> bytes:
    parts = urlsplit(target.url)
    path = parts.path or "/"
    if parts.query:
        path += "?" + parts.query
    headers = {"Host": authority_of(target.url), "User-Agent": f"loadsim/{__version__}", "Accept": "*/*"}
    if (credentials := basic_auth(target.url)) is not None:
        headers["Authorization"] = credentials
    own = {name.lower() for name in target.headers}
    lines = [f"{name}: {value}" for name, value in headers.items() if name.lower() not in own]
    lines += [f"{name}: {value}" for name, value in target.headers.items()]
    try:
        return f"POST {path} HTTP/1.1\r\n".encode("ascii") + "".join(f"{line}\r\n" for line in lines).encode("latin-1")
    except UnicodeEncodeError:
        raise UsageError(f"{target.url}: the path or a header has characters that HTTP cannot carry") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

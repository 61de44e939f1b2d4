"""The host of a URL in its different forms: for the resolver, for the Host header, and for TLS.

An international name is sent as punycode (RFC 5891). The zone of an IPv6 address (RFC 6874) has a meaning
on this machine only, so it is not sent to a peer. The dot at the end of an absolute name is not part of the name
in a certificate or in SNI (RFC 6066, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from loadsim.model import UsageError


@dataclass(frozen=True, slots=True)
class Authority:
    """Host and port of a URL in all needed forms."""

    lookup: str
    """The name to look up: ASCII, or an IPv6 address with its zone."""
    port: int
    header: str
    """Value of the Host header: the port only where the URL has it."""
    tls_name: str
    """The name for SNI and for the check of the certificate."""

    full: str
    """Host and port without a zone, the port spelled out: for the CONNECT request to a proxy."""


def authority(url: str) -> Authority:
    """The Authority of an http or https URL. Raises UsageError for another URL, or an invalid host."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise UsageError(f"{shown_authority(url)}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{shown_authority(url)}: not an http:// or https:// URL")
    host = parts.hostname
    suffix = f":{parts.port}" if parts.port else ""
    if ":" in host:
        address, percent, zone = host.partition("%")
        zone = unquote(zone[2:]) if zone.startswith("25") and len(zone) > 2 else zone
        return Authority(f"{address}{percent}{zone}", port, f"[{address}]{suffix}", address, f"[{address}]:{port}")
    name = ascii_host(host)
    header = shown_authority(url) if host.isascii() else name + suffix
    return Authority(name, port, header, name.removesuffix("."), f"{name}:{port}")


def ascii_host(host: str) -> str:
    """A host name as it is looked up: punycode where it is not ASCII. Raises UsageError."""
    if host.isascii():
        return host
    from yarl import URL  # here, since few names need it, and its import would delay the first event of every run

    try:
        return URL.build(scheme="http", host=host).raw_host or host
    except ValueError:
        raise UsageError(f"{host}: not a host name") from None


def shown_authority(url: str) -> str:
    """Host and port of a URL as they are written there, without user info: for messages."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return "the URL"


def place_of(url: str) -> str:
    """Host and port of a URL, the port spelled out: for messages about one exchange."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def request_target(url: str) -> str:
    """The target of the request line: path and query in ASCII (RFC 3986, section 2.5), the rest as it is written."""
    parts = urlsplit(url)
    path = parts.path or "/"
    return "".join(
        character if character.isascii() else quote(character)
        for character in (f"{path}?{parts.query}" if parts.query else path)
    )

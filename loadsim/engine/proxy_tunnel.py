"""The tunnel through an HTTP proxy (CONNECT), and the basic authentication that a URL's user info stands for."""

from __future__ import annotations

import base64
import socket
from urllib.parse import unquote, urlsplit

_MOST_HEAD = 64 * 1024


class TunnelRefusedError(Exception):
    """The proxy would not open the tunnel."""


def open_tunnel(sock: socket.socket, authority: str, credentials: str | None) -> None:
    """Ask an HTTP proxy for a tunnel (RFC 9110, 9.3.6). Raises OSError, or TunnelRefusedError."""
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if credentials is not None:
        lines.append(f"Proxy-Authorization: {credentials}")
    sock.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MOST_HEAD:
        data = sock.recv(4096)
        if not data:
            raise TunnelRefusedError("it closed the connection when asked for a tunnel")
        head += data
    _, _, status = head.split(b"\r\n", 1)[0].partition(b" ")
    if not status.startswith(b"2"):
        raise TunnelRefusedError(f"it refused the tunnel: {ascii(status[:60].decode('latin-1'))[1:-1]}")


def basic_auth(url: str) -> str | None:
    """The value of an Authorization header for the user info of a URL; None when it has none."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()

"""One connection before the run, opened and closed without a request: is there anything to fire at?"""

from __future__ import annotations

import socket
import ssl

from loadsim.engine.wire import Address, Wire, authority_of, basic_auth
from loadsim.model import UnreachableError

_MOST_HEAD = 64 * 1024
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR_* of OpenSSL for a chain that ends in nobody who is trusted (x509_vfy.h)."""


class _RefusedError(Exception):
    """The proxy would not open the tunnel."""


def check_reachable(wire: Wire, timeout_s: float) -> None:
    """Connect (and shake hands) once. Raises UnreachableError with one line that says what failed."""
    failure = ""
    for address in wire.addresses:
        failure = _failure(wire, address, timeout_s)
        if not failure:
            return
    through = f" through the proxy {authority_of(wire.proxy)}" if wire.proxy else f" at {wire.via}" if wire.via else ""
    raise UnreachableError(f"{wire.shown}: cannot be reached{through}: {failure}")


def _failure(wire: Wire, address: Address, timeout_s: float) -> str:
    """What keeps a connection to one address from being made, in words; empty when nothing does."""
    try:
        _connect(wire, address, timeout_s)
    except ssl.SSLCertVerificationError as error:
        trust = "--cacert FILE trusts its issuer, " if error.verify_code in _UNKNOWN_ISSUER else ""
        return f"TLS certificate refused: {error.verify_message} ({trust}--insecure skips the check)"
    except ssl.SSLError as error:
        return f"TLS handshake failed: {error.reason or error}"
    except TimeoutError:
        return f"no connection within {timeout_s:g} s"
    except OSError as error:
        return error.strerror or str(error)
    except _RefusedError as error:
        return str(error)
    return ""


def _connect(wire: Wire, address: Address, timeout_s: float) -> None:
    family, place = address
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        sock.connect(place)  # type: ignore[arg-type]  # an address of this family
        if wire.tls is None:
            return
        if wire.proxy is not None:
            _tunnel(sock, wire.authority, basic_auth(wire.proxy))
        with wire.tls.wrap_socket(sock, server_hostname=wire.server_name):
            pass


def _tunnel(sock: socket.socket, authority: str, credentials: str | None) -> None:
    """Ask an HTTP proxy for a tunnel (RFC 9110, 9.3.6)."""
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if credentials is not None:
        lines.append(f"Proxy-Authorization: {credentials}")
    sock.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MOST_HEAD:
        data = sock.recv(4096)
        if not data:
            raise _RefusedError("it closed the connection when asked for a tunnel")
        head += data
    _, _, status = head.split(b"\r\n", 1)[0].partition(b" ")
    if not status.startswith(b"2"):
        raise _RefusedError(f"it refused the tunnel: {ascii(status[:60].decode('latin-1'))[1:-1]}")

"""One connection before the run, opened and closed without a request, to check that the endpoint can be reached."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Sequence

from loadsim.engine.endpoint_addresses import Address
from loadsim.engine.http2_frames import HEADER_SIZE, PREFACE, Type, settings
from loadsim.engine.next_address_attempts import ATTEMPT_DELAY_NS, UNDER_WAY
from loadsim.engine.proxy_tunnel import TunnelRefusedError, basic_auth, open_tunnel
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.url_authority import shown_authority
from loadsim.model import NS_PER_S, UnreachableError
from loadsim.plan import HttpVersion

_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR_* of OpenSSL for a certificate chain without a trusted end (x509_vfy.h)."""


NO_PROTOCOL = "no application protocol"
"""What OpenSSL says of a server that speaks nothing of what was offered."""
NO_ALPN = "does not offer HTTP/2 (ALPN): --http auto takes what it offers"


class _NoHttp2Error(Exception):
    """The endpoint can be reached, and does not speak HTTP/2."""


def check_reachable(wire: Wire, timeout_s: float) -> HttpVersion:
    """Connect (and shake hands) once. Returns what the endpoint agrees to speak; raises UnreachableError with one line
    that says what failed."""
    spoken: list[HttpVersion] = []
    try:
        failure = _failure(wire, timeout_s, spoken.append)
    except _NoHttp2Error as error:
        raise UnreachableError(f"{wire.shown}: {error}") from None
    if not failure:
        return spoken[0]
    through = (
        f" through the proxy {shown_authority(wire.proxy)}" if wire.proxy else f" at {wire.via}" if wire.via else ""
    )
    raise UnreachableError(f"{wire.shown}: cannot be reached{through}: {failure}")


def _failure(wire: Wire, timeout_s: float, agreed: Callable[[HttpVersion], None]) -> str:
    """Why a connection cannot be made, in words; empty if it can, and then `agreed` is told what it speaks. Raises
    _NoHttp2Error."""
    try:
        agreed(_connect(wire, timeout_s))
    except ssl.SSLCertVerificationError as error:
        trust = "--cacert FILE trusts its issuer, " if error.verify_code in _UNKNOWN_ISSUER else ""
        return f"TLS certificate refused: {error.verify_message} ({trust}--insecure skips the check)"
    except ssl.SSLError as error:
        if NO_PROTOCOL in str(error):
            raise _NoHttp2Error(NO_ALPN) from None
        return f"TLS handshake failed: {error.reason or error}"
    except TimeoutError:
        return f"no connection within {timeout_s:g} s"
    except ConnectionRefusedError as error:
        return f"{error.strerror}: is the server running, is the port right?"
    except OSError as error:
        return error.strerror or str(error)
    except TunnelRefusedError as error:
        return str(error)
    return ""


def _connect(wire: Wire, timeout_s: float) -> HttpVersion:
    with _first_connected(wire.addresses, timeout_s) as sock:
        sock.settimeout(timeout_s)
        if wire.tls is None:
            if wire.http == "2":
                _check_settings(sock)
            return "2" if wire.http == "2" else "1.1"
        if wire.proxy is not None:
            open_tunnel(sock, wire.authority, basic_auth(wire.proxy))
        with wire.tls.wrap_socket(sock, server_hostname=wire.server_name) as secured:
            agreed = secured.selected_alpn_protocol()
    if wire.http == "2" and agreed != "h2":
        raise _NoHttp2Error(NO_ALPN)
    return "2" if agreed == "h2" else "1.1"


def _check_settings(sock: socket.socket) -> None:
    """A server that speaks HTTP/2 without being asked begins with its settings (RFC 9113, section 3.4)."""
    sock.sendall(PREFACE + settings({}))
    beginning = b""
    while len(beginning) < HEADER_SIZE and (more := sock.recv(HEADER_SIZE - len(beginning))):
        beginning += more
    if len(beginning) < HEADER_SIZE or beginning[3] != Type.settings:
        raise _NoHttp2Error(
            "does not speak HTTP/2 over http:// (--http 1.1, or the https:// address of a server that offers it)"
        )


def _first_connected(addresses: Sequence[Address], timeout_s: float) -> socket.socket:
    """A socket to whichever address is connected first.

    Each is tried ATTEMPT_DELAY_NS after the one before, or when that failed. Raises the OSError of the last one to
    fail, or TimeoutError.
    """
    end = time.monotonic() + timeout_s
    waiting = list(addresses)
    failure: OSError = TimeoutError()
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        while waiting or selector.get_map():
            if waiting:
                family, place = waiting.pop(0)
                try:
                    sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                    sock.setblocking(False)
                    code = sock.connect_ex(place)  # type: ignore[arg-type]  # an address of this family
                except OSError as error:
                    failure = error
                    continue
                if code not in UNDER_WAY:
                    failure = OSError(code, os.strerror(code))
                    continue
                selector.register(sock, selectors.EVENT_WRITE)
            left = end - time.monotonic()
            ready = selector.select(max(0.0, min(left, ATTEMPT_DELAY_NS / NS_PER_S) if waiting else left))
            for key, _ in ready:
                made = key.fileobj
                assert isinstance(made, socket.socket)  # noqa: S101 - nothing else was registered
                code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code:
                    return made.dup()
                failure = OSError(code, os.strerror(code))
                selector.unregister(made)
            if time.monotonic() >= end:
                raise TimeoutError
    raise failure

"""One connection before the run, opened and closed without a request, to check that the endpoint can be reached."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import time
from collections.abc import Sequence

from loadsim.engine.endpoint_addresses import Address
from loadsim.engine.next_address_attempts import ATTEMPT_DELAY_NS, UNDER_WAY
from loadsim.engine.proxy_tunnel import TunnelRefusedError, basic_auth, open_tunnel
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.url_authority import shown_authority
from loadsim.model import NS_PER_S, UnreachableError

_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR_* of OpenSSL for a certificate chain without a trusted end (x509_vfy.h)."""


def check_reachable(wire: Wire, timeout_s: float) -> None:
    """Connect (and shake hands) once. Raises UnreachableError with one line that says what failed."""
    failure = _failure(wire, timeout_s)
    if not failure:
        return
    through = (
        f" through the proxy {shown_authority(wire.proxy)}" if wire.proxy else f" at {wire.via}" if wire.via else ""
    )
    raise UnreachableError(f"{wire.shown}: cannot be reached{through}: {failure}")


def _failure(wire: Wire, timeout_s: float) -> str:
    """Why a connection cannot be made, in words; empty if it can."""
    try:
        _connect(wire, timeout_s)
    except ssl.SSLCertVerificationError as error:
        trust = "--cacert FILE trusts its issuer, " if error.verify_code in _UNKNOWN_ISSUER else ""
        return f"TLS certificate refused: {error.verify_message} ({trust}--insecure skips the check)"
    except ssl.SSLError as error:
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


def _connect(wire: Wire, timeout_s: float) -> None:
    with _first_connected(wire.addresses, timeout_s) as sock:
        sock.settimeout(timeout_s)
        if wire.tls is None:
            return
        if wire.proxy is not None:
            open_tunnel(sock, wire.authority, basic_auth(wire.proxy))
        with wire.tls.wrap_socket(sock, server_hostname=wire.server_name):
            pass


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

"""One connection before the run, opened and closed without a request: is there anything to fire at?"""

from __future__ import annotations

import socket
import ssl

from loadsim.engine.wire import Wire
from loadsim.model import UnreachableError


def check_reachable(wire: Wire, timeout_s: float) -> None:
    """Connect (and shake hands) once. Raises UnreachableError with one line that says what failed."""
    failure = ""
    for family, address in wire.addresses:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.settimeout(timeout_s)
                sock.connect(address)  # type: ignore[arg-type]  # an address of this family, from getaddrinfo
                if wire.tls is not None:
                    with wire.tls.wrap_socket(sock, server_hostname=wire.server_name):
                        pass
                return
        except ssl.SSLCertVerificationError as error:
            failure = (
                f"TLS certificate refused: {error.verify_message} (--cacert FILE trusts it, --insecure skips the check)"
            )
        except ssl.SSLError as error:
            failure = f"TLS handshake failed: {error.reason or error}"
        except TimeoutError:
            failure = f"no connection within {timeout_s:g} s"
        except OSError as error:
            failure = error.strerror or str(error)
    raise UnreachableError(f"{wire.shown}: cannot be reached: {failure}")

"""TLS settings of the client: trusted authorities and client certificate, read from files before the run.

A file that cannot be used gives one line with its name. OpenSSL never asks for a pass phrase on the terminal.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from loadsim.model import Secret, UsageError
from loadsim.plan import Http, Target

Context = TypeVar("Context", bound=ssl.SSLContext)


@dataclass(frozen=True, slots=True)
class Trust:
    """The trusted authorities: the system's authorities and those in the PEM file `cacert`, or (`insecure`) anyone."""

    insecure: bool = False
    cacert: str | None = None
    cert: str | None = None
    """A client certificate (PEM), and `key` its private key where that is a file of its own."""
    key: str | None = None
    password: Secret | None = None
    """Of the private key."""


def trust_of(target: Target, password: Secret | None) -> Trust:
    """The TLS settings of a target; `password`: the pass phrase of its key."""
    return Trust(target.insecure, target.cacert, target.cert, target.key, password)


PROTOCOLS: Mapping[Http, list[str]] = {"1.1": ["http/1.1"], "2": ["h2"], "auto": ["h2", "http/1.1"]}
"""What a client offers to speak (ALPN, RFC 7301), the best first."""


def client_context(trust: Trust, kind: type[Context], *, system: bool = True, http: Http = "1.1") -> Context:
    """The settings of a client. Without `system` the system's authorities, which take long, are not read.

    Raises UsageError naming the file that cannot be used.
    """
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    context.options |= ssl.OP_NO_RENEGOTIATION  # of TLS 1.2, which 1.3 has done away with
    if trust.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif system:
        context.load_default_certs()
    if trust.cacert is not None:
        try:
            context.load_verify_locations(trust.cacert)
        except (OSError, ValueError) as error:
            raise UsageError(f"{trust.cacert}: cannot be used as a CA certificate: {_reason(error)}") from None
    if trust.cert is not None:
        _identify(context, trust.cert, trust.key, trust.password)
    _log_keys(context)
    offer(context, http)
    return context


def offer(context: ssl.SSLContext, http: Http) -> None:
    """Have a client offer to speak this version of HTTP."""
    with contextlib.suppress(NotImplementedError):  # a build of OpenSSL without ALPN
        context.set_alpn_protocols(PROTOCOLS[http])


def _log_keys(context: ssl.SSLContext) -> None:
    """Write session keys to SSLKEYLOGFILE, as `ssl.create_default_context` does."""
    path = os.environ.get("SSLKEYLOGFILE")
    if not path:
        return
    try:
        context.keylog_filename = path
    except OSError as error:
        raise UsageError(f"SSLKEYLOGFILE: cannot write {path}: {_reason(error)}") from None


def _identify(context: ssl.SSLContext, cert: str, key: str | None, password: Secret | None) -> None:
    """Load the client certificate and its key, or say which of the two files is at fault."""
    for path, what in ((cert, "certificate"), (key or cert, "key")):
        try:
            Path(path).read_bytes()
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: cannot be used as a client {what}: {_reason(error)}") from None
    asked = False

    def answer() -> str:
        nonlocal asked
        asked = True
        return "" if password is None else password.reveal()

    try:
        context.load_cert_chain(cert, key, password=answer)
    except (OSError, ValueError) as error:
        file = key or cert
        if asked and password is None:
            text = f"{file}: the client key is encrypted: name the variable that holds its pass phrase with "
            raise UsageError(f"{text}--key-password-env NAME (key_password_env in a file)") from None
        if asked:
            raise UsageError(f"{file}: the pass phrase does not open the client key") from None
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            raise UsageError(f"{file}: this key does not belong to the client certificate {cert}") from None
        what, path = ("key", file) if _has_certificate(cert) else ("certificate", cert)
        raise UsageError(f"{path}: cannot be used as a client {what}: {_reason(error)}") from None


def _has_certificate(path: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError):
        return False
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not in PEM form ({(error.reason or 'it contains none').replace('_', ' ').lower()})"
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)

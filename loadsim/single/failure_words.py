"""The words for a single event without an answer: one line that says what to check."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from loadsim.engine.preflight import NO_ALPN, NO_PROTOCOL
from loadsim.engine.url_authority import place_of
from loadsim.error_kinds import ErrorKind
from loadsim.plan import HttpVersion
from loadsim.single.result import Failure

_WORDS = {
    ErrorKind.dns: "cannot resolve the host name {host}: is it spelled correctly?",
    ErrorKind.refused: "nothing listens at {place}: is the server running, is the port right?",
    ErrorKind.connect_error: "cannot connect to {place}: {why}",
    ErrorKind.timeout: "no answer from {place} within {timeout:g} s: is the server stuck? (timeout)",
    ErrorKind.closed_early: "{place} closed the connection without an answer: see its log",
    ErrorKind.truncated: "{place} closed the connection in the middle of its answer: see its log",
    ErrorKind.protocol: "the answer of {place} is not valid: {why}",
    ErrorKind.goaway: "{place} ended the connection before it took the event: {why}",
}
_OF_VERSION: dict[HttpVersion, dict[ErrorKind, str]] = {
    "1.1": {
        ErrorKind.connect_timeout: (
            "no connection to {place} within {timeout:g} s: is the address right, does a firewall drop it?"
        ),
        ErrorKind.reset: "{place} broke the connection before a whole answer: see its log",
    },
    "2": {
        ErrorKind.connect_timeout: (
            "no connection to {place} within {timeout:g} s: is the address right, is it HTTP/2?"
        ),
    },
}
_OTHERWISE = "{place} gave no whole answer: {why}"
_NO_HTTP = "the answer of {place} is not HTTP: does another service listen there?"
_UNTRUSTED = "the certificate of {place} is not accepted ({why}): name its CA (cacert), or accept it (insecure)"
_NO_TLS = "TLS with {place} failed ({why}): does that port speak https?"
_TLS_BROKE = "TLS with {place} broke ({why}): see its log, and check proxies in between"
_REFUSED_CERTIFICATE = re.compile(r"certificate verify failed: (.*) \(_ssl\.c")
_OPENSSL = re.compile(r"\[\w+: (\w+)\]")
"""How OpenSSL's name of an error stands in Python's text of it."""


def failure_of(kind: ErrorKind, why: str, *, url: str, timeout_s: float, http: HttpVersion) -> Failure:
    """The failure of an exchange over this version of HTTP. `why`: what the transport says of it."""
    place = place_of(url)
    if kind == ErrorKind.tls and NO_PROTOCOL in why:
        return Failure(kind, f"{place} {NO_ALPN}")
    words = _OF_VERSION[http].get(kind) or _WORDS.get(kind, _OTHERWISE)
    if kind == ErrorKind.tls:
        words, why = _of_tls(why)
    elif kind == ErrorKind.protocol and http == "1.1" and "HTTP/" in why:  # what the parser misses is its name
        words = _NO_HTTP
    elif kind == ErrorKind.connect_error:
        why = why.lower()
    return Failure(kind, words.format(place=place, host=urlsplit(url).hostname, why=why, timeout=timeout_s))


def _of_tls(why: str) -> tuple[str, str]:
    """The words for an error of TLS, and what OpenSSL says of it."""
    refused = _REFUSED_CERTIFICATE.search(why)
    if refused:
        return _UNTRUSTED, refused[1]
    step, _, said = why.partition(": ")
    name = _OPENSSL.search(said)
    return _NO_TLS if step == "TLS handshake" else _TLS_BROKE, (name[1].replace("_", " ") if name else said).lower()

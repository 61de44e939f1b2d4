"""How a provider marks that it delivers an event once more: headers, and a counter in the body.

Decides the texts of a further attempt, by its number and by what became of the one before. Knows no schedule and no
clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadsim.model import ERROR_BASE, ErrorKind
from loadsim.signing.moments import write_tick

if TYPE_CHECKING:
    from loadsim.signing.description import Scheme

FIRST = ("retry", "attempt")
"""Fields that have a value in the first delivery too: 0 and 1."""
REASONS = ("timeout", "connect", "tls", "redirect", "status", "other")
"""Why an attempt failed, as far as providers tell it apart."""
_TICK_NS = 1_000_000
_OF_ERROR = {
    ErrorKind.timeout: "timeout",
    ErrorKind.connect_timeout: "timeout",
    ErrorKind.tls: "tls",
    ErrorKind.dns: "connect",
    ErrorKind.refused: "connect",
    ErrorKind.connect_error: "connect",
    ErrorKind.reset: "connect",
}


def filled(value: str, attempt: int) -> str:
    """A header's value with the numbers of an attempt, of which the first is 1."""
    return value.replace("{retry}", str(attempt - 1)).replace("{attempt}", str(attempt))


def reason_of(code: int) -> str:
    """One of REASONS for the outcome code (see `model`) of a failed attempt."""
    if code >= ERROR_BASE:
        return next((reason for kind, reason in _OF_ERROR.items() if code == ERROR_BASE + kind), "other")
    return "redirect" if 300 <= code < 400 else "status"


def marks(scheme: Scheme, attempt: int, code: int, first_ns: int) -> dict[str, str]:
    """The headers by which attempt `attempt` (2 or more) differs from the first delivery at `first_ns` (ns since 1970);
    `code` is what became of the attempt before."""
    words = dict(scheme.retry_reasons)
    reason = reason_of(code)
    known = {"{reason}": words.get(reason, words.get("other", reason))}
    known["{first}"] = write_tick("rfc3339", first_ns // _TICK_NS).decode()
    found = {name: value for name, value in scheme.constants if filled(value, attempt) != value}
    found |= dict(scheme.retry_headers)
    for name, value in found.items():
        text = filled(value, attempt)
        for field, what in known.items():
            text = text.replace(field, what)
        found[name] = text
    return found


def counted(scheme: Scheme, body: bytes, attempt: int) -> bytes:
    """The body of an attempt: its counter, where the scheme has one in it, says which."""
    if scheme.attempt_field is None or attempt < 2:
        return body
    field = b'"%s":' % scheme.attempt_field.encode()
    return body.replace(field + b"0", field + b"%d" % (attempt - 1))

"""How providers mark a repeated delivery (a further attempt): by headers, and by a counter in the body.

The texts depend on the number of the attempt and on the outcome of the attempt before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadsim.error_kinds import ErrorKind
from loadsim.outcome_codes import ERROR_BASE
from loadsim.signing.timestamps import write_tick

if TYPE_CHECKING:
    from loadsim.signing.scheme_data import SchemeData

FIRST = ("retry", "attempt")
"""Fields that have a value in the first delivery too: 0 for `retry`, 1 for `attempt`."""
REASONS = ("timeout", "connect", "tls", "redirect", "status", "other")
"""Why an attempt failed, in the categories that providers use."""
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
    """A header's value with the number of an attempt inserted; the first attempt is 1."""
    return value.replace("{retry}", str(attempt - 1)).replace("{attempt}", str(attempt))


def reason_of(code: int) -> str:
    """One of REASONS for the outcome code (see `outcome_codes`) of a failed attempt."""
    if code >= ERROR_BASE:
        return next((reason for kind, reason in _OF_ERROR.items() if code == ERROR_BASE + kind), "other")
    return "redirect" if 300 <= code < 400 else "status"


def attempt_headers(scheme: SchemeData, attempt: int, code: int, first_ns: int) -> dict[str, str]:
    """The headers by which attempt `attempt` (2 or more) differs from the first delivery, which was at `first_ns` (ns
    since 1970). `code` is the outcome code of the attempt before."""
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


def counted(scheme: SchemeData, body: bytes, attempt: int) -> bytes:
    """The body of an attempt; if the scheme has a counter in the body, it is set to the attempt."""
    if scheme.attempt_field is None or attempt < 2:
        return body
    field = b'"%s":' % scheme.attempt_field.encode()
    return body.replace(field + b"0", field + b"%d" % (attempt - 1))

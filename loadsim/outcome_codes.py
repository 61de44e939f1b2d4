"""What became of an event, as one number: an HTTP status below 1000, or one of the codes here."""

from __future__ import annotations

from loadsim.error_kinds import ErrorKind

ERROR_BASE = 1000
"""`ERROR_BASE + ErrorKind` is the code of an error."""
UNFINISHED = 2000
"""Still in flight when the drain ended; its latency is a lower bound."""
DROPPED = 2001
"""Not sent because `overflow = "drop"` found no free connection."""
SUCCESS = range(200, 300)
"""Every 2xx status; success is this and nothing else."""
SUCCESSES = frozenset(SUCCESS)
"""The same, for quick look-ups."""


def is_success(code: int) -> bool:
    """True for a 2xx answer, and nothing else."""
    return code in SUCCESSES


def kind_name(code: int) -> str:
    """The status, the name of the error kind, or the state of an event without an answer."""
    if code < ERROR_BASE:
        return str(code)
    return {UNFINISHED: "unfinished", DROPPED: "dropped"}.get(code) or ErrorKind(code - ERROR_BASE).name

"""The columns of an outcome row, which says how one delivery of an event ended."""

from __future__ import annotations

import enum


class Column(enum.IntEnum):
    """Columns of an outcome row: int64, times in ns of one monotonic clock, 0 where it did not happen.

    An outcome is a row of numbers, not an object, so that a million of them can be folded by numpy.
    """

    index = 0
    """Of the event."""
    stratum = 1
    """Phase, type and case as one number: see `Plan.stratum`."""
    code = 2
    """HTTP status, or `ERROR_BASE + ErrorKind`, or UNFINISHED, or DROPPED."""
    due = 3
    woken = 4
    slot = 5
    sent = 6
    first_byte = 7
    done = 8
    """The last byte, the instant of the error, or the end of the drain."""
    bytes_sent = 9
    bytes_received = 10
    attempt = 11
    """Which delivery of its event it is, from 1: the number of the attempt, or of the copy. 0: no delivery; the event
    ended without one, or between two."""
    receipt = 12
    """How long the answer had lain in its socket when it was read, ns: exact, by the kernel's stamp. Below 0: a bound
    of it, how long the loop had not looked. 0: not known."""
    ready = 13
    """When its connection was ready to send: what comes between this and `sent` is ours. 0 where it never was."""

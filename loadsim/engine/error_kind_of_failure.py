"""Which ErrorKind a failure of the network is: the one table for every transport.

It depends on facts that every transport has: the error of the operating system, whether the connection was used before,
whether a byte of the request was sent, and whether a byte of the answer arrived.
"""

from __future__ import annotations

import errno

from loadsim.error_kinds import ErrorKind

NO_RESOURCE = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS})
"""Errors of the operating system when no descriptor or local port is left."""

_CONNECTING = {
    errno.ECONNREFUSED: ErrorKind.refused,
    errno.ETIMEDOUT: ErrorKind.connect_timeout,
    errno.ENOENT: ErrorKind.refused,  # a unix socket that is not there
}


def kind_of_errno(code: int | None) -> ErrorKind:
    """The kind of a failure to connect."""
    return _CONNECTING.get(code or 0, ErrorKind.connect_error)


def kind_of_end(*, reused: bool, answered: bool) -> ErrorKind:
    """The kind of an orderly end (FIN) before the answer was complete; `answered` = some byte of it had come."""
    if answered:
        return ErrorKind.truncated
    return ErrorKind.closed_idle if reused else ErrorKind.closed_early


def kind_of_break(*, reused: bool, sent: bool, answered: bool) -> ErrorKind:
    """The kind of a broken connection (reset, write refused).

    An idle connection that the peer closed as we sent on it answers with a reset or with an end of file, whichever
    wins the race: one fact, one kind.
    """
    if reused and not answered:
        return ErrorKind.closed_idle
    return ErrorKind.reset if sent or answered else ErrorKind.closed_early

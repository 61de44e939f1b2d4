"""Which ErrorKind an operating system error is: the one table for both transports."""

from __future__ import annotations

import errno

from loadsim.model import ErrorKind

_KINDS = {
    errno.ECONNREFUSED: ErrorKind.refused,
    errno.ETIMEDOUT: ErrorKind.connect_timeout,
    errno.ENOENT: ErrorKind.refused,  # a unix socket that is not there
}


def kind_of_errno(code: int) -> ErrorKind:
    """The kind of a failure to connect."""
    return _KINDS.get(code, ErrorKind.connect_error)

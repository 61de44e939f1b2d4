"""The kinds of errors: why an event has no complete, valid response."""

from __future__ import annotations

import enum


class ErrorKind(enum.IntEnum):
    """Why an event has no complete, valid response. Results have the names, frames the numbers."""

    dns = 1
    refused = 2
    connect_timeout = 3
    connect_error = 4
    tls = 5
    reset = 6
    """The connection broke after a byte of the request was sent."""
    closed_idle = 7
    """A reused connection was closed before any byte of the response."""
    closed_early = 8
    """A fresh connection was closed before any byte of the response."""
    truncated = 9
    """The response started but did not end."""
    timeout = 10
    protocol = 11
    """No HTTP/1.x, no status from 200 to 599, header block over 64 KiB or 256 fields, unexpected bytes."""
    body_limit = 12
    """Response body over 16 MiB."""
    internal = 13
    """Internal error of loadsim; makes the run INVALID."""
    switched_off = 14
    """Not sent: the provider had stopped delivering to the endpoint, as its retry profile says."""
    goaway = 15
    """Sent over HTTP/2, and not processed: the server ended the connection (GOAWAY) with an earlier request. It is not
    sent again."""

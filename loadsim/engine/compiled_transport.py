"""The direct transport over HTTP/1.1 with its compiled step: the usual read and the usual request in C.

Everything that is not usual is done by the Python code of DirectTransport, which is the reference.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from functools import partial
from typing import Any

from loadsim.engine.compiled_members import bound
from loadsim.engine.delivery_headers import DeliveryHeaders
from loadsim.engine.direct_connection import DirectConnection
from loadsim.engine.direct_transport import SMALL, DirectTransport
from loadsim.engine.resolved_endpoint import Wire

_hot = bound()


class CompiledTransport(DirectTransport):
    """See DirectTransport."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wire: Wire, headers: DeliveryHeaders, first: int = 0) -> None:
        super().__init__(loop, wire, headers, first)
        around = self._lines.around()
        if around is not None:
            self.send_events = partial(_hot.send_events, self.head, around)

    def send_all(self, made: Iterable[tuple[Any, tuple[bytes, bytes], int]], attempt: int = 1) -> None:
        """See DirectTransport."""
        around = self._lines.around(attempt)
        if around is not None:
            _hot.send_all(made, self.head, around)
        else:
            made, lines = self._lines.of_batch(made, attempt)
            _hot.send_all(made, self.head, lines)

    def _drain(self) -> None:
        _hot.drain(self)

    def _seldom(self, looked: int, ready: tuple[int, int], ask: bool) -> None:
        """Read one socket, whatever is to be done with it."""
        self._read_all([ready], (looked, (ask,)))

    def _unread(self, size: int, connection: DirectConnection, error: OSError) -> None:
        """A read of at most `size` bytes raised `error`."""
        if size == SMALL and connection.served:
            self._varied |= isinstance(error, ssl.SSLWantReadError)
        connection.unread(error)

    def _unlike(self, connection: DirectConnection, data: bytes, now: int) -> None:
        """What was read is not the answer before once more."""
        self._varied |= len(data) == SMALL
        connection.take(data, now)

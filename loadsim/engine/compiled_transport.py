"""The direct transport over HTTP/1.1 with its compiled step: the usual read and the usual request in C.

Everything that is not usual is done by the Python code of DirectTransport, which is the reference.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from functools import partial
from typing import Any

from loadsim.cases import Recipes
from loadsim.compiled_step import step
from loadsim.engine.delivery_headers import DeliveryHeaders
from loadsim.engine.direct_connection import DirectConnection
from loadsim.engine.direct_transport import SMALL, DirectTransport
from loadsim.engine.endpoint_socket import READY
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.response_parser import Memo, ResponseReader
from loadsim.engine.tls_session import TlsSession

assert step is not None  # noqa: S101 - whoever imports this module has asked
_hot = step
_hot.bind(DirectConnection, ResponseReader, Memo, TlsSession, READY)


class CompiledTransport(DirectTransport):
    """See DirectTransport."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wire: Wire, headers: DeliveryHeaders, first: int = 0) -> None:
        super().__init__(loop, wire, headers, first)
        self._around = self._lines.around()
        if self._around is not None:
            self.send_events = self._made_and_sent

    def _made_and_sent(self, connections: list[DirectConnection], first: int, recipes: Recipes) -> int:
        return _hot.send_events(connections, first, recipes, self.head, self._around)

    def send_all(self, made: Iterable[tuple[Any, tuple[bytes, bytes], int]], attempt: int = 1) -> None:
        """See DirectTransport."""
        around = self._lines.around(attempt)
        if around is not None:
            _hot.send_all(made, self.head, around)
        else:
            made, lines = self._lines.of_batch(made, attempt)
            _hot.send_all(made, self.head, lines)

    def _read_all(self, ready: list[tuple[int, int]], begun: tuple[int, Iterable[bool]] | None = None) -> None:
        looked, asks = self._look(monotonic_ns()) if begun is None else begun
        size = self._read_size()
        _hot.read_all(
            ready,
            asks,
            self._table,
            self.memo,
            self.answers,
            size,
            looked,
            partial(self._seldom, looked),
            partial(self._unread, size),
            self._unlike,
            self.owner.on_internal,
            self._ahead_ns,
        )

    def _seldom(self, looked: int, ready: tuple[int, int], ask: bool) -> None:
        super()._read_all([ready], (looked, (ask,)))

    def _unread(self, size: int, connection: DirectConnection, error: OSError) -> None:
        if size == SMALL and connection.served:
            self._varied |= isinstance(error, ssl.SSLWantReadError)
        connection.unread(error)

    def _unlike(self, connection: DirectConnection, data: bytes, now: int) -> None:
        self._varied |= len(data) == SMALL
        connection.take(data, now)

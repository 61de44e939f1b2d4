"""The connections over HTTP/2 of one shard: how many there are, and what each has carried."""

from __future__ import annotations

from collections.abc import Callable

from loadsim.engine.http2_session import Http2Session
from loadsim.engine.pacer import monotonic_ns
from loadsim.measure.result_events import ConnectionRow, busiest
from loadsim.model import NS_PER_MS


class Http2Connections:
    """See SharedConnections."""

    def __init__(self, address: Callable[[int], str]) -> None:
        """`address`: the text of an address, given its number."""
        self._address = address
        self.sessions: dict[Http2Session, None] = {}
        self.open_peak = self.opened = 0
        self._ended: list[ConnectionRow] = []

    @property
    def open_count(self) -> int:
        """See SharedConnections."""
        return len(self.sessions)

    def add(self, session: Http2Session) -> None:
        """It is being opened."""
        self.sessions[session] = None
        self.opened += 1
        self.open_peak = max(self.open_peak, len(self.sessions))

    def remove(self, session: Http2Session) -> None:
        """It is closed."""
        if session in self.sessions:
            del self.sessions[session]
            if session.peak:  # the others never carried an event
                self._ended = busiest([*self._ended, self._row(session)])

    def rows(self) -> list[ConnectionRow]:
        """See SharedConnections."""
        return busiest([*self._ended, *map(self._row, self.sessions)])

    def _row(self, session: Http2Session) -> ConnectionRow:
        since = session.stalled_since
        stalled = session.stalled_ns + (monotonic_ns() - since if since else 0)
        return ConnectionRow(self._address(session.address), session.peak, session.events, stalled / NS_PER_MS)

"""The bare HTTP engine: asyncio.Protocol and httptools without a framework, as a baseline for the cost of frameworks.

It owns the connections and their time limits; `bare_connection` reads and answers requests.
"""

from __future__ import annotations

import asyncio
import socket
from math import ceil

from loadsim.model import NS_PER_S
from loadsim.receiver.bare_connection import Connection, SlowConnection
from loadsim.receiver.connection_limits import BACKLOG, LINGER_S, LONGEST_TICK_S
from loadsim.receiver.handler import WebhookHandler
from loadsim.receiver.keeping_connection import KeepingConnection, SlowKeepingConnection
from loadsim.receiver.known_heads import FRAMING_HEADERS, MOST_HEADS, KnownHeads
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.timer import Timer


class BareEngine:
    """Serves one listening socket. `serve` starts, `stop` answers what is in flight and ends."""

    def __init__(self, options: ReceiverOptions, handler: WebhookHandler, timer: Timer | None) -> None:
        self._handler = handler
        self.timer = timer
        self.names = handler.names(*FRAMING_HEADERS)
        # Whoever keeps all fields needs the parser for them.
        self.heads = KnownHeads(self.names, handler.max_body, 0 if handler.keeps_fields else MOST_HEADS)
        self.connections: set[Connection] = set()
        self.stopping = False
        read_s, idle_s = options.read_timeout_ns / NS_PER_S, options.idle_timeout_ns / NS_PER_S
        self._tick_s = min(LONGEST_TICK_S, read_s / 2, idle_s / 2)
        self._read, self._idle, self._linger = (ceil(limit / self._tick_s) for limit in (read_s, idle_s, LINGER_S))
        self._read_rate = options.read_rate
        self._kind, self._slow_kind = Connection, SlowConnection
        if handler.keeps_fields:
            self._kind, self._slow_kind = KeepingConnection, SlowKeepingConnection
        self._listener: asyncio.Server | None = None
        self._next_tick: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    async def serve(self, sock: socket.socket) -> None:
        """Accept connections on `sock`, a bound TCP socket."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._connection, sock=sock, backlog=BACKLOG)
        self._next_tick = loop.call_later(self._tick_s, self._tick)

    def _connection(self) -> Connection:
        if self._read_rate is not None:
            return self._slow_kind(self, self._handler, self._read_rate)
        return self._kind(self, self._handler)

    def drop(self) -> None:
        """Accept no more connections and close all open ones at once; `serve` may follow."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in tuple(self.connections):
            connection.abort()
        if self._next_tick is not None:
            self._next_tick.cancel()

    async def stop(self, timeout_s: float) -> None:
        """Accept nothing more, answer what is in flight within `timeout_s`, close every connection."""
        if self._listener is not None:
            self._listener.close()
        self.stopping = True
        for connection in tuple(self.connections):
            connection.wind_down()
        if self.connections:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._empty.wait()
            except TimeoutError:
                pass  # the rest is aborted below
        for connection in tuple(self.connections):
            connection.abort()
        if self._next_tick is not None:
            self._next_tick.cancel()

    def lost(self, connection: Connection) -> None:
        """A connection was closed."""
        self.connections.discard(connection)
        if self.stopping and not self.connections:
            self._empty.set()

    def _tick(self) -> None:
        # Ticks are counted, not timed, so that no connection is closed because the whole loop stalled.
        for connection in tuple(self.connections):
            connection.tick(self._read, self._idle, self._linger)
        self._next_tick = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

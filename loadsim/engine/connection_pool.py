"""The connections of one shard: which are idle, how many may be open, and which events wait for one.

A connection that is free goes to the event that waited longest, or becomes idle. It is closed where a phase allows
fewer, and a waiting event may then open another. The engine says what is sent on a connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection

from loadsim.compiled_step import step
from loadsim.engine.arrivals import Waiting
from loadsim.engine.pacer import Clock
from loadsim.engine.policy_interface import Gatherer
from loadsim.engine.transport_interface import Connection, ResourceLimitError, Transport
from loadsim.error_kinds import ErrorKind
from loadsim.outcome_codes import ERROR_BASE

Fire = Callable[[Connection, int, int, int, int, int], None]
"""Takes a connection for an event: its index, stratum, due and woken, and the instant of its slot."""
Unsent = Callable[[Waiting, int, int, int], None]
"""Takes an event for which no connection could be opened: the event, its slot, the outcome, the instant."""


class ConnectionPool:
    """The connections to one endpoint. Instants are ns of the clock.

    `idle` and `queue` are the same objects for as long as the pool is: the engine looks at them for every event.
    """

    if step is not None:
        __slots__ = (  # what the compiled step reaches
            "__dict__",
            "_gatherer",
            "_saturated_since",
            "limit",
            "on_empty",
            "open_count",
        )

    def __init__(
        self, transport: Transport, clock: Clock, fire: Fire, unsent: Unsent, gatherer: Gatherer | None
    ) -> None:
        self._transport, self._clock = transport, clock
        self._fire, self._unsent, self._gatherer = fire, unsent, gatherer
        self.idle: dict[Connection, None] = {}
        self.queue: deque[Waiting] = deque()
        """The events that wait for a connection."""
        self.limit = 0
        self.open_count = 0
        self.open_peak = 0
        self.opened = 0
        self.limit_reached = ""
        """Why a connection that the scenario allows could not be opened."""
        self.on_empty: Callable[[], None] | None = None
        """Called whenever no event is left waiting."""
        self._saturated_since = 0
        self._saturated_ns = 0

    def saturated_ns(self) -> int:
        """Time so far during which every connection was busy while an event waited."""
        since = self._saturated_since
        return self._saturated_ns + (self._clock() - since if since else 0)

    def outstanding(self) -> int:
        """Events that have, or wait for, a connection."""
        return self.open_count - len(self.idle) + len(self.queue)

    def allow(self, connections: int) -> None:
        """Idle connections beyond the limit are closed at once, busy ones after their event."""
        self.limit = connections
        while self.idle and self.open_count > self.limit:
            self.close(self.idle.popitem()[0])

    def open(self, event: Waiting, slot: int) -> bool:
        """Open a connection for this event. False where the event has to wait for one that is open."""
        try:
            connection = self._transport.open()
        except ResourceLimitError as error:
            self.limit_reached = str(error)
            if self.open_count:
                self.limit = self.open_count  # those that are open will serve it; asking for each event costs too much
                return False
            code, now = ERROR_BASE + ErrorKind.connect_error, self._clock()
            asyncio.get_running_loop().call_soon(self._unsent, event, slot, code, now)
            return True
        self.open_count += 1
        self.opened += 1
        if self.open_count > self.open_peak:
            self.open_peak = self.open_count
        connection.event = event
        connection.slot_ns = max(slot, event[3])
        connection.ready_ns = 0
        return True

    def close(self, connection: Connection) -> None:
        """Close an open connection without an event."""
        connection.close()
        self.open_count -= 1

    def lost(self, connection: Connection) -> None:
        """A connection without an event is closed already."""
        self.idle.pop(connection, None)
        self.open_count -= 1
        if self._gatherer is not None:
            self._gatherer.lost(connection)

    def wait(self, event: Waiting, now: int) -> None:
        """An event waits from now on: no connection is idle, and none may be opened."""
        self.queue.append(event)
        if not self._saturated_since:
            self._saturated_since = now

    @property
    def at_rest(self) -> bool:
        """Whether a connection that is free now becomes idle, and nothing else comes of it."""
        return not (
            self.queue or self._saturated_since or self._gatherer or self.on_empty or self.open_count > self.limit
        )

    def serve_waiting(self, connection: Connection, turn: Waiting | None, now: int) -> None:
        """A connection is free: it gets the event that waited longest, or becomes idle. `turn`: one more that waits."""
        if turn is not None:
            self.queue.append(turn)
        elif self._gatherer is not None and self._gatherer.free(connection, now):
            return
        if self.queue:
            index, stratum, due, woken = self.queue.popleft()
            # an answer may be older than the last wake-up where a transport hears of it late
            self._fire(connection, index, stratum, due, woken, max(woken, now))
        elif self.open_count > self.limit:
            self.close(connection)
        else:
            self.idle[connection] = None
        self.settle(now)

    def open_for_waiting(self, turn: Waiting | None, now: int) -> None:
        """A connection was closed: a waiting event may open another. `turn`: one more that waits."""
        if turn is not None:
            self.queue.append(turn)
        if self._gatherer is not None:
            self._gatherer.may_open(now)
        while self.queue and self.open_count < self.limit and self.open(self.queue[0], now):
            self.queue.popleft()
        self.settle(now)

    def settle(self, now: int) -> None:
        """Note whether events still wait."""
        if not self.queue:
            if self._saturated_since:
                self._saturated_ns += now - self._saturated_since
                self._saturated_since = 0
            if self.on_empty is not None:
                self.on_empty()

    def take_queued(self, strata: Collection[int]) -> list[Waiting]:
        """The events of these strata that wait, which are now the caller's."""
        taken = [event for event in self.queue if event[1] in strata]
        others = [event for event in self.queue if event[1] not in strata]
        self.queue.clear()
        self.queue.extend(others)
        return taken

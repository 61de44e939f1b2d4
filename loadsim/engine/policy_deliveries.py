"""What an engine does for its policies: gives them connections, sends what they made, and enters how it ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from loadsim.engine.arrivals import Dispatcher, Waiting
from loadsim.engine.connection_pool import ConnectionPool
from loadsim.engine.pacer import Clock
from loadsim.engine.recorder import Recorder
from loadsim.engine.request_batches import RequestMaking
from loadsim.engine.samples import Samples
from loadsim.engine.transport_interface import Connection, Transport
from loadsim.model import SignedRequest


class Serving(Dispatcher, Protocol):
    """The engine, as far as it is needed here."""

    recorder: Recorder
    clock: Clock

    def internal(self, connection: Connection, error: Exception) -> None:
        """End the event of this connection soon, as an internal error."""


class PolicyDeliveries:
    """See Deliveries. `reuse`: so many deliveries a connection may carry."""

    def __init__(
        self,
        engine: Serving,
        start_ns: int,
        pool: ConnectionPool,
        requests: RequestMaking,
        transport: Transport,
        samples: Samples,
        *,
        reuse: int,
    ) -> None:
        self.recorder, self.clock, self.start_ns = engine.recorder, engine.clock, start_ns
        self.dispatch, self.flush, self.internal = engine.dispatch, engine.flush, engine.internal
        self._pool, self._requests, self._transport = pool, requests, transport
        self._reuse = reuse
        self.take_queued = pool.take_queued
        self.dated = requests.dated
        self.sample, self.note = samples.of_connection, samples.note

    @property
    def wall_offset(self) -> int:
        """See Deliveries."""
        return self._requests.wall_offset

    @property
    def limit_reached(self) -> str:
        """See Deliveries."""
        return self._pool.limit_reached

    @property
    def over_limit(self) -> bool:
        """See Deliveries."""
        return self._pool.open_count > self._pool.limit

    def take_idle(self) -> Connection | None:
        """See Deliveries."""
        return self._pool.idle.popitem()[0] if self._pool.idle else None

    def open_for(self, event: Waiting, now: int) -> bool:
        """See Deliveries."""
        return self._pool.open_count < self._pool.limit and self._pool.open(event, now)

    def send(self, connections: Sequence[Connection], event: Waiting, request: SignedRequest, now: int) -> None:
        """See Deliveries."""
        for connection in connections:
            connection.event = event
            connection.slot_ns = connection.ready_ns = now
        self._transport.send_all([(connection, request, event[0]) for connection in connections])

    def reusable(self, connection: Connection) -> bool:
        """See Deliveries."""
        return connection.reusable and connection.served < self._reuse

    def release(self, connection: Connection, now: int) -> None:
        """See Deliveries."""
        if self.reusable(connection):
            self._pool.serve_waiting(connection, None, now)
        else:
            self._pool.close(connection)
            self._pool.open_for_waiting(None, now)

    def end(self, row: bytes, now: int) -> None:
        """See Deliveries."""
        self.recorder.rows.append(row)
        self._pool.settle(now)

    def serve_queue(self, now: int) -> None:
        """See Deliveries."""
        self._pool.open_for_waiting(None, now)

    def under_way(self, strata: Collection[int]) -> list[Connection]:
        """See Deliveries."""
        busy = (connection for connection in self._transport.connections() if connection.event is not None)
        return [connection for connection in busy if connection.event[1] in strata]

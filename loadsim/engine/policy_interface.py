"""The interface of a policy, which handles the deliveries of strata whose events are not a single delivery.

The engine asks the policy of an event's stratum at each step of the event. The policy answers True when
it has handled the step, and False when the engine must handle it as usual. Strata
without a policy are not asked about. A policy acts through `Deliveries` alone (`policy_deliveries`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from loadsim.engine.arrivals import Waiting
from loadsim.engine.pacer import Clock
from loadsim.engine.recorder import Recorder
from loadsim.engine.transport_interface import Connection
from loadsim.model import SignedRequest


class Deliveries(Protocol):
    """What a policy may call. Events are (index, stratum, due, woken), instants ns of the
    clock."""

    recorder: Recorder
    clock: Clock
    start_ns: int

    @property
    def wall_offset(self) -> int:
        """Wall clock minus clock, as of now."""

    @property
    def limit_reached(self) -> str:
        """Why a connection that the scenario allows could not be opened."""

    @property
    def over_limit(self) -> bool:
        """Whether more connections are open than this phase allows."""

    def dispatch(self, index: int, stratum: int, due: int, woken: int) -> None:
        """A delivery of this event is due: it gets a connection, or permission to open one, or a place in the queue."""

    def flush(self) -> None:
        """Send the requests of all events that got a connection."""

    def take_idle(self) -> Connection | None:
        """A connection that is open and unused, which is now the caller's."""

    def open_for(self, event: Waiting, now: int) -> bool:
        """Open another connection for this event, if one more is allowed. `opened`, `ended` or `unsent` follow."""

    def send(self, connections: Sequence[Connection], event: Waiting, request: SignedRequest, now: int) -> None:
        """Write this request at once on connections of the caller's; `Policy.ended` follows for each."""

    def internal(self, connection: Connection, error: Exception) -> None:
        """End the event of this connection soon, as an internal error."""

    def release(self, connection: Connection, now: int) -> None:
        """The caller needs this connection no more: another event gets it, or it waits, or it is closed."""

    def end(self, row: bytes, now: int) -> None:
        """An event has its outcome, see `outcome_rows`."""

    def serve_queue(self, now: int) -> None:
        """There may be connections to open for what waits."""

    def dated(self, index: int, due: int, now: int) -> int:
        """The wall clock (ns since 1970) that an event due at `due` and made at `now` bears."""

    def reusable(self, connection: Connection) -> bool:
        """Whether this connection may carry another delivery."""

    def sample(self, connection: Connection, event: Waiting, code: int, now: int) -> None:
        """Keep a sample of the endpoint's answer, if there are few of its kind."""

    def note(self, event: Waiting, code: int, text: str) -> None:
        """Keep a sample of the reason of no answer, if there are few of its kind."""

    def under_way(self, strata: Collection[int]) -> list[Connection]:
        """Connections that carry, or are opened for, an event of these strata."""

    def take_queued(self, strata: Collection[int]) -> list[Waiting]:
        """The events of these strata that wait for a connection, which are now the caller's."""


class Policy(Protocol):
    """Handles the events of some strata."""

    @property
    def strata(self) -> Collection[int]:
        """The strata whose events it handles."""

    @property
    def held(self) -> int:
        """Number of events that have not ended and have no delivery in progress."""

    def start(self, engine: Deliveries) -> None:
        """The run begins."""

    def due(self, event: Waiting) -> bool:
        """A delivery of this event fell due."""

    def request(self, event: Waiting, now: int) -> tuple[SignedRequest, int]:
        """What the event's connection is to carry now, and the number of the attempt."""

    def ended(self, connection: Connection, code: int, now: int) -> bool:
        """A delivery ended, or the attempt to connect for it; `connection.event` still says of which event."""

    def unsent(self, event: Waiting, slot: int, code: int, now: int) -> None:
        """No connection could be opened for this event."""

    def at_rest(self, until_ns: int) -> bool:
        """No event will be due any more. Returns True if no held event will be sent again."""

    def finish(self, now: int) -> None:
        """The run is over: record every event of these strata that is not, and do nothing more."""


class Gatherer(Policy, Protocol):
    """A policy that collects several connections for one event, before any event in the engine's queue gets one."""

    @property
    def queued(self) -> int:
        """Events that wait for connections here."""

    def opened(self, connection: Connection) -> None:
        """The connection that was opened for this event is ready to send."""

    def free(self, connection: Connection, now: int) -> bool:
        """A connection, of whatever event, is free."""

    def may_open(self, now: int) -> None:
        """A connection, of whatever event, was closed: another one may be opened."""

    def lost(self, connection: Connection) -> None:
        """An unused connection ended; it may have been one of those collected."""

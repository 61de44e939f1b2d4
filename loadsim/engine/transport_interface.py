"""The interfaces between the engine and a transport.

The engine owns the events and the queue; a transport owns connections. A connection carries one event at a time, and
its fields have the instants that only the transport can see. Transports never call the engine back from inside `open`
or `send`: outcomes come from the loop, so that a refused port cannot recurse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from loadsim.cases import Recipes
from loadsim.engine.endpoint_addresses import Addresses
from loadsim.measure.result_events import ConnectionRow
from loadsim.model import SignedRequest


class ResourceLimitError(Exception):
    """No descriptor or local port was left to open a connection with."""


class Connection(Protocol):
    """One connection; times are ns of the monotonic clock, 0 where it did not happen."""

    event: Any
    """Set by the engine: the event in progress, None when idle."""
    slot_ns: int
    """When the event was granted this connection: its timeout runs from here."""
    sent_ns: int
    """Just before the first write call."""
    first_ns: int
    bytes_received: int
    receipt_ns: int
    """How late the answer was read, see `Column.receipt`."""
    ready_ns: int
    """Set by the engine: when it could have sent the event, see `Column.ready`."""
    address: int
    """Number of the address, among the transport's, that it is connected to."""
    reusable: bool
    """Whether it may carry another event."""
    served: int
    """How many events it has carried to an answer."""

    @property
    def bytes_sent(self) -> int:
        """Bytes of this event that were handed to the kernel."""

    @property
    def opened(self) -> bool:
        """Ready to send: connected and handshaken."""

    def send(self, request: SignedRequest, index: int, attempt: int = 1) -> None:
        """Write the request of event `index`, its `attempt`-th delivery. `ConnectionOwner.on_done` gets the outcome."""

    def close(self) -> None:
        """Close now; no callback follows."""

    def raw_response(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """Headers and the first 2 KiB of the body as text of the answer just received. For samples only."""

    def error_text(self) -> str:
        """What the operating system or the parser said of the last error."""


class ConnectionCounts(Protocol):
    """How many connections there are."""

    @property
    def open_count(self) -> int:
        """By now, with those that are being opened."""

    @property
    def open_peak(self) -> int:
        """Most at once."""

    @property
    def opened(self) -> int:
        """In all."""


class SharedConnections(ConnectionCounts, Protocol):
    """The connections under those that the engine knows."""

    def rows(self) -> list[ConnectionRow]:
        """The busiest, with their counts so far."""


Ended = tuple[Connection, int, int]
"""A connection whose event ended, the code, and when (ns of the clock)."""


Made = tuple[Connection, tuple[bytes, bytes], int]
"""A connection, the headers and body that it is to carry (those of a SignedRequest), and the index of its event."""


SendEvents = Callable[[list[Any], int, Recipes, tuple[list[int], int] | None], int]
"""(connections, number of one of them, recipes, timing) -> how many requests were made and written: those of the events
of that connection and the ones behind it, up to a request that must be made by Python. Nothing was done for that one.
`timing`: where the first of them is timed, what gets its row (`Recorder.signs`), and since when it is made."""


class ConnectionOwner(Protocol):
    """The methods of the engine that a transport calls."""

    looked_ns: int
    """The loop has looked at its sockets since then, ns of the clock; 0: not known."""

    def on_handshake(self, connection: Connection, connect_ns: int, tls_ns: int) -> None:
        """A real connection was made for this connection's event; `tls_ns` is 0 without TLS."""

    def on_open(self, connection: Connection) -> None:
        """The connection is ready to send."""

    def on_done(self, connection: Connection, code: int, done_ns: int) -> None:
        """The connection's event ended with `code` (see `outcome_codes`). The engine closes the connection or uses it
        again."""

    def on_answers(self, answers: Sequence[Ended]) -> None:
        """Several at once, as `on_done` for each: for transports that see answers in batches."""

    def on_lost(self, connection: Connection) -> None:
        """An idle connection ended and is closed; no event is touched by it."""

    def on_internal(self, connection: Connection, error: Exception) -> None:
        """Our own fault while this connection was served."""


class Transport(Protocol):
    """Opens connections to one target."""

    name: str
    makes_cycles: bool
    """Whether carrying events leaves reference cycles behind, so that the cyclic collector has to stay on."""

    addresses: Addresses
    """Of the endpoint."""

    send_events: SendEvents | None
    """Where it can make requests itself, as it writes them."""

    @property
    def shared(self) -> SharedConnections | None:
        """The real connections, where several events share one; None where each of `connections` is one."""

    def start(self, owner: ConnectionOwner) -> None:
        """Outcomes go to `owner` from now on."""

    def open(self) -> Connection:
        """A connection that is being opened. Raises ResourceLimitError when no descriptor or port is left."""

    def send_all(self, made: Iterable[Made], attempt: int = 1) -> None:
        """Write a batch of requests, all of them `attempt`-th deliveries, as `Connection.send` for each."""

    def connections(self) -> Iterable[Connection]:
        """All that are open or being opened."""

    async def close(self) -> None:
        """Close everything."""


class KeptAnswer(NamedTuple):
    """An answer as it came. HTTP/2 has no `reason`; of the `body` there may be a little more than was to be kept."""

    reason: str
    fields: tuple[tuple[str, str], ...]
    body: bytes


class KeepingTransport(Transport, Protocol):
    """A transport that keeps answers, for single events."""

    def kept(self, connection: Any) -> KeptAnswer:
        """The answer that has come on one of its connections."""

"""One event in flight over HTTP/2: what the engine knows as a connection is a stream's place on one.

A place carries one event after the other, each on a stream of its own; the connection under it is shared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, Protocol, TypeVar

from loadsim.engine.http2_headers import AnswerBlocks
from loadsim.engine.transport_interface import Made
from loadsim.model import SignedRequest


class Shared(Protocol):
    """The interface of the connection that places are on."""

    connected_ns: int
    """When TCP was up; 0: not yet."""
    settled: bool
    """Whether the peer's settings have come."""

    def detach(self, place: Any) -> None:
        """A place is closed."""


Session = TypeVar("Session", bound=Shared)


class Places(Protocol):
    """The interface of the transport that places are of."""

    blocks: AnswerBlocks
    keep: int
    """Bytes of an answer's body that are kept."""

    def send_all(self, made: Iterable[Made], attempt: int = 1) -> None:
        """Write requests, see Transport."""

    def forget(self, place: Any, session: Any) -> None:
        """It is closed, and was on this connection."""


class StreamPlace(Generic[Session]):
    """See Connection. `session` is the connection that it is on; None once it is closed."""

    __slots__ = (
        "_transport",
        "address",
        "block",
        "bytes_received",
        "bytes_sent",
        "event",
        "first_ns",
        "interims",
        "kept",
        "length",
        "number",
        "ready_ns",
        "receipt_ns",
        "rest",
        "reusable",
        "sent_ns",
        "served",
        "session",
        "size",
        "slot_ns",
        "status",
        "why",
        "window",
    )

    def __init__(self, transport: Places) -> None:
        self._transport = transport
        self.session: Session | None = None
        self.event: Any = None
        self.slot_ns = self.sent_ns = self.first_ns = self.receipt_ns = self.ready_ns = 0
        self.bytes_sent = self.bytes_received = 0
        self.address = 0
        self.reusable = True
        self.served = 0
        self.why = ""
        self.number = 0
        """Of its stream; 0: none is open."""
        self.status = 0
        """Of the answer, as soon as its headers are there."""
        self.length = -1
        """Of the answer's body as its headers say it; -1: they do not."""
        self.size = 0
        """Of the answer's body so far."""
        self.interims = 0
        """Blocks of headers before the answer's own (1xx)."""
        self.window = 0
        """How much of a body the peer takes on this stream (flow control)."""
        self.rest: memoryview | None = None
        """What of the body could not be sent at once."""
        self.block = b""
        """The answer's headers."""
        self.kept: bytearray | None = None
        """The beginning of the body of an answer that may be shown."""

    def send(self, request: SignedRequest, index: int, attempt: int = 1) -> None:
        """See Connection."""
        self._transport.send_all([(self, request, index)], attempt)

    def begin(self, number: int) -> None:
        """Its event goes out on this stream."""
        self.number = number
        self.sent_ns = self.first_ns = self.receipt_ns = self.bytes_received = self.status = self.size = (
            self.interims
        ) = 0

    def wait(self) -> None:
        """Its event is not sent yet."""
        self.begin(0)
        self.bytes_sent = 0

    def keep(self, data: bytes) -> None:
        """Keep what is the beginning of a body."""
        most = self._transport.keep
        if self.kept is not None and len(self.kept) < most:
            self.kept += data[: most - len(self.kept)]

    def close(self) -> None:
        """See Connection."""
        session, self.session = self.session, None
        if session is not None:
            session.detach(self)
            self._transport.forget(self, session)

    @property
    def connected_ns(self) -> int:
        """When its connection was made; 0: it is not, or the place is closed."""
        return 0 if self.session is None else self.session.connected_ns

    @property
    def opened(self) -> bool:
        """Whether its connection takes requests: the peer's settings have come."""
        return self.session is not None and self.session.settled

    def raw_response(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """See Connection."""
        body = b"" if self.kept is None else bytes(self.kept)
        return self._transport.blocks.shown(self.block), body.decode("utf-8", "replace")

    def error_text(self) -> str:
        """See Connection."""
        return self.why

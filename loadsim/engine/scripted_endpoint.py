"""A scripted endpoint, pacer and clock: an Engine runs on them without a socket and without waiting.

A script gives the time of each wake-up and the outcome of each request. Time is in whole nanoseconds and moves only
when nothing is left to do, so that a run of hours is exact and takes only a moment.
"""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from loadsim.engine.endpoint_addresses import Addresses
from loadsim.engine.transport_interface import ConnectionOwner, Made, ResourceLimitError, SendEvents
from loadsim.model import NS_PER_S, SignedRequest
from loadsim.outcome_codes import ERROR_BASE

START_NS = NS_PER_S
"""The start of virtual clocks: 0 would mean "did not happen"."""


class _Leaping(selectors.SelectSelector):
    """Moves the clock to the end of each wait, instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = START_NS
        self.away: list[tuple[int, int]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing is left that could happen")
        if not ready and timeout:
            self.now_ns += max(1, round(timeout * NS_PER_S))
            self.now_ns = next((end for start, end in self.away if start < self.now_ns < end), self.now_ns)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time. `now_ns` reads its clock."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        """Seconds, as every loop counts."""
        return self._leaping.now_ns / NS_PER_S

    def now_ns(self) -> int:
        """Nanoseconds."""
        return self._leaping.now_ns

    def freeze(self, start_ns: int, end_ns: int) -> None:
        """Nothing happens between these instants: what should have comes at the second one."""
        self._leaping.away.append((start_ns, end_ns))

    def spend(self, time_ns: int) -> None:
        """What is done just now takes this time."""
        self._leaping.now_ns += time_ns

    def at_ns(self, instant: int, call: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Call at `instant`, ns of the clock, or as soon as possible after it."""
        return self.call_at(instant / NS_PER_S, call, *args)


class ScriptedPacer:
    """A Pacer whose n-th wake-up misses its instant by the n-th of `misses` (ns, negative: early); later ones by 0."""

    def __init__(self, loop: VirtualLoop, misses: Iterable[int] = ()) -> None:
        self._loop = loop
        self._misses = itertools.chain(misses, itertools.repeat(0))
        self._handle: asyncio.TimerHandle | None = None

    def start(self, on_wake: Callable[[], None]) -> None:
        """See Pacer."""
        self._on_wake = on_wake

    def arm(self, due_ns: int, following_ns: int = 0) -> None:  # noqa: ARG002 - its wake-ups cost nothing
        """See Pacer."""
        self.close()
        self._handle = self._loop.at_ns(due_ns + next(self._misses), self._on_wake)

    def close(self) -> None:
        """See Pacer."""
        if self._handle is not None:
            self._handle.cancel()


class Reply(NamedTuple):
    """The outcome of a request: `code` (see `outcome_codes`) `after_ns`; `keep` says whether the connection stays."""

    after_ns: int
    code: int = 200
    keep: bool = True
    headers: tuple[tuple[str, str], ...] = ()


Script = Callable[[int, int], Reply | None]
"""(index, instant of sending in ns) -> the reply; None: never."""


class SentRequest(NamedTuple):
    """A request as the transport was given it."""

    index: int  # type: ignore[assignment]  # the field's name; tuple.index is not used
    at_ns: int
    request: SignedRequest
    connection: int
    """Number of the connection, in order of opening."""
    attempt: int = 1


class ScriptedConnection:
    """A connection that opens after `connect_ns` and answers by the script."""

    def __init__(self, transport: ScriptedTransport, number: int) -> None:
        self._transport = transport
        self._handle: asyncio.TimerHandle | None = None
        self._arrives_ns = 0
        self.number = number
        self.address = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self.event: Any = None
        self.slot_ns = self.sent_ns = self.first_ns = self.receipt_ns = self.ready_ns = 0
        self.bytes_sent = self.bytes_received = 0
        self.reusable = True
        self.served = 0
        self.opened = False
        self._at(transport.connect_ns, self._open)

    def send(self, request: SignedRequest, index: int, attempt: int = 1) -> None:
        """See Connection."""
        loop = self._transport.loop
        self.sent_ns, self.first_ns, self.receipt_ns = loop.now_ns(), 0, 0
        self.bytes_sent, self.bytes_received = len(request.headers) + len(request.body), 0
        self._transport.sent.append(SentRequest(index, self.sent_ns, request, self.number, attempt))
        reply = self._transport.script(index, self.sent_ns)
        if reply is not None:
            self._arrives_ns = self.sent_ns + reply.after_ns
            self._at(reply.after_ns, self._answer, reply)

    def close(self) -> None:
        """See Connection."""
        if self._handle is not None:
            self._handle.cancel()
        self._transport.live.pop(self, None)

    def raw_response(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """See Connection."""
        return self._headers, ""

    def error_text(self) -> str:
        """See Connection."""
        return "as scripted"

    def _at(self, after_ns: int, call: Callable[..., object], *args: object) -> None:
        loop = self._transport.loop
        self._handle = loop.at_ns(loop.now_ns() + after_ns, self._guarded, call, args)

    def _guarded(self, call: Callable[..., object], args: tuple[object, ...]) -> None:
        try:
            call(*args)
        except Exception as error:  # noqa: BLE001 - as every transport has to
            self._transport.owner.on_internal(self, error)

    def _open(self) -> None:
        self.opened = True
        self._transport.owner.on_handshake(self, self._transport.connect_ns, 0)
        self._transport.owner.on_open(self)

    def _answer(self, reply: Reply) -> None:
        now = self._transport.loop.now_ns()
        self._headers = reply.headers
        if reply.code < ERROR_BASE:
            self.first_ns, self.bytes_received = now, 1
            self.receipt_ns = max(0, now - self._arrives_ns)
            self.served += 1
        self.reusable = reply.keep and reply.code < ERROR_BASE
        self._transport.owner.on_done(self, reply.code, now)


class ScriptedTransport:
    """A Transport to an endpoint that is a function. `sent` keeps every request; `limit` stands for the descriptors."""

    name = "scripted"
    makes_cycles = False
    send_events: SendEvents | None = None
    shared = None

    def __init__(self, loop: VirtualLoop, script: Script, *, connect_ns: int = 0, limit: int | None = None) -> None:
        self.loop = loop
        self.script = script
        self.connect_ns = connect_ns
        self.sent: list[SentRequest] = []
        self.live: dict[ScriptedConnection, None] = {}
        self._limit = limit
        self._opened = 0
        self.addresses = Addresses(())

    def start(self, owner: ConnectionOwner) -> None:
        """See Transport."""
        self.owner = owner

    def open(self) -> ScriptedConnection:
        """See Transport."""
        if self._limit is not None and len(self.live) >= self._limit:
            raise ResourceLimitError("no descriptor is left")
        connection = ScriptedConnection(self, self._opened)
        self._opened += 1
        self.live[connection] = None
        return connection

    def send_all(self, made: Iterable[Made], attempt: int = 1) -> None:
        """See Transport."""
        for connection, request, index in made:
            connection.send(SignedRequest(*request), index, attempt)

    def connections(self) -> Iterable[ScriptedConnection]:
        """See Transport."""
        return list(self.live)

    async def close(self) -> None:
        """See Transport."""
        for connection in self.connections():
            connection.close()

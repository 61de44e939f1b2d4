"""One receiver process: reads its order from stdin, serves an inherited socket, and ends with its parent.

"stop" on stdin means: answer what is in flight and end. The end of stdin means that the parent has ended: end at once.
The secret comes by stdin, never by argv or environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from loadsim.engine.descriptor_limit import raise_descriptor_limit
from loadsim.model import NS_PER_S, Secret
from loadsim.receiver.answer_choice import AnswerChoice, Rules
from loadsim.receiver.certificate_fetch import fetched
from loadsim.receiver.connection_faults import read_little
from loadsim.receiver.counters import SharedCounters, WorkerCounters
from loadsim.receiver.effect_outputs import outputs
from loadsim.receiver.effects_memory import EffectsMemory
from loadsim.receiver.event_log import verified_line, verified_record
from loadsim.receiver.fault_plan import Queue, fault_plan
from loadsim.receiver.handler import WebhookHandler
from loadsim.receiver.ledger import ENTER_EVERY_S, Ledger, LedgerMemory
from loadsim.receiver.options import ReceiverOptions, Span
from loadsim.receiver.outage import Outages
from loadsim.receiver.processing import Processing
from loadsim.receiver.secret_rotation import Rotating
from loadsim.receiver.timer import Timer
from loadsim.signals import left_to_the_parent
from loadsim.signing import Checker, scheme

if TYPE_CHECKING:
    from loadsim.receiver.forwarding import Forwarder

MOST_CONNECTIONS = 100_000
"""The descriptor limit is raised to this, as far as the system allows."""
LENGTH = struct.Struct(">I")
AnyOrder = TypeVar("AnyOrder", bound=msgspec.Struct)
READY = b"ready\n"
STOP = b"stop\n"
CONTROL = 0
"""stdin: the order, then STOP or the end."""
DRAIN_S = 10.0
"""How long after a stop, in addition to the service time, requests in flight may take."""


class Order(msgspec.Struct, frozen=True):
    """The order of the supervisor to a worker. The descriptors are inherited."""

    options: ReceiverOptions
    secret: str
    number: int
    listen_fd: int
    counters_fd: int
    ledger_fd: int | None = None
    """None: no ledger is kept."""
    old_secret: str = ""
    """The secret that is rotated out; empty: none."""
    effects_fd: int | None = None
    """None: nothing is done after the answer."""
    certificate: str = ""
    """The certificate that it serves, in PEM; empty: none."""
    log_fd: int = -1
    """Where JSON lines go: the parent's stdout. -1: none are wanted."""
    capture_fd: int = -1
    """The pipe for the rows of a capture. -1: nothing is captured."""

    @property
    def module(self) -> str:
        """The module to run."""
        return "loadsim.receiver.worker"

    @property
    def whole_environment(self) -> bool:
        """It needs no variables of the user's."""
        return False

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The file descriptors that the process inherits."""
        kept = (fd for fd in (self.ledger_fd, self.effects_fd) if fd is not None)
        outputs = (fd for fd in (self.log_fd, self.capture_fd) if fd >= 0)
        return self.listen_fd, self.counters_fd, *kept, *outputs


class HttpEngine(Protocol):
    """The interface of an HTTP engine to its worker."""

    async def serve(self, sock: socket.socket) -> None:
        """Accept connections on a bound socket."""

    def drop(self) -> None:
        """Look like a dead process: accept no connections and close all open ones at once. `serve` starts again."""

    async def stop(self, timeout_s: float) -> None:
        """Accept no more connections, answer what is in flight, close."""


def encode_order(order: object) -> bytes:
    """Encode a struct for `read_order`: its length, then msgpack."""
    data = msgspec.msgpack.encode(order)
    return LENGTH.pack(len(data)) + data


def read_order(kind: type[AnyOrder]) -> AnyOrder | None:
    """Read the order from stdin; None when the parent ended before it was complete."""
    data = b""
    need = LENGTH.size
    while len(data) < need:
        piece = os.read(CONTROL, need - len(data))
        if not piece:
            return None
        data += piece
        if len(data) == LENGTH.size:
            need += LENGTH.unpack(data)[0]
    return msgspec.msgpack.decode(data[LENGTH.size :], type=kind)


class Staller:
    """Makes this worker stall once, at the same instant as all others: they share the time of the first request."""

    def __init__(self, stall: Span, counters: SharedCounters, loop: asyncio.AbstractEventLoop, timer: Timer) -> None:
        self._stall = stall
        self._counters = counters
        self._loop = loop
        self._timer = timer

    def first_request(self) -> None:
        """Plan the stall, or begin it when it is due; skip it when it was over before this request."""
        now = time.monotonic_ns()
        begin = self._counters.first_request(now) + self._stall.after_ns
        end = begin + self._stall.for_ns
        if now < begin:
            self._timer.at(begin).add_done_callback(self._begin)
        elif now < end:
            self._stall_until(end)

    def _begin(self, instant: asyncio.Future[None]) -> None:
        if not instant.cancelled():
            self._stall_until(time.monotonic_ns() + self._stall.for_ns)

    def _stall_until(self, end_ns: int) -> None:
        # Block the whole loop on purpose: nothing is accepted, read or answered. Input on stdin ends the stall.
        while (left := end_ns - time.monotonic_ns()) > 0:
            if select.select([CONTROL], [], [], left / NS_PER_S)[0]:
                return


def _engine(options: ReceiverOptions, handler: WebhookHandler, timer: Timer | None) -> HttpEngine:
    if options.engine == "bare":
        from loadsim.receiver.http_bare import BareEngine

        return BareEngine(options, handler, timer)
    from loadsim.receiver.http_aiohttp import AiohttpEngine

    return AiohttpEngine(options, handler, timer)


def _verifier(order: Order, counters: SharedCounters, url: str) -> Checker:
    options = order.options
    described = scheme(options.scheme, options.custom)
    fetch = fetched if options.fetch_certificates else None
    new = described.verifier(Secret(order.secret), options.tolerance_s, url=url, fetch=fetch)
    if not order.old_secret:
        return new

    def age_ns() -> int:
        now = time.monotonic_ns()
        return now - counters.first_request(now)

    old = described.verifier(Secret(order.old_secret), options.tolerance_s, url=url)
    return Rotating(new, old, age_ns, options.retire_ns)


async def work(order: Order) -> None:
    """Serve until the parent says stop."""
    options = order.options
    loop = asyncio.get_running_loop()
    counters = SharedCounters(order.counters_fd, options.workers)
    timer = Timer(loop) if options.longest_ns or options.stall is not None or options.down else None
    listener = socket.socket(fileno=order.listen_fd)
    url = options.public_url or options.url(listener.getsockname()[1])
    verifier = _verifier(order, counters, url) if options.verify else None
    staller = Staller(options.stall, counters, loop, timer) if options.stall is not None and timer is not None else None
    ledger_memory = _ledger(order)
    ledger = None if ledger_memory is None else ledger_memory.part(order.number)
    processing = _processing(order, ledger_memory, counters)
    slots = options.slots_of(order.number)
    forwarder, make_handler = _forwarding(options)
    handler = make_handler(
        options,
        _rules(order, verifier, counters),
        counters.row(order.number),
        fault_plan(options, order.number),
        Queue(slots) if slots is not None else None,
        first=staller.first_request if staller is not None else lambda: _begin(counters),
        log=_logger(order),
        ledger=ledger,
        work=processing,
    )
    engine = _engine(options, handler, timer)
    stop = asyncio.Event()
    loop.add_reader(CONTROL, _control, stop)
    row = counters.row(order.number)
    entering = asyncio.create_task(_enter(ledger, row, processing)) if ledger is not None else None
    if options.read_rate is not None:
        read_little(listener)
    if options.down and timer is not None:
        outages = Outages(options.outages, counters, timer, engine, listener)
        await outages.begin()
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(outages.follow())
            os.write(1, READY)
            await stop.wait()
            following.cancel()
    else:
        await engine.serve(listener)
        os.write(1, READY)
        await stop.wait()
    await engine.stop(options.longest_ns / NS_PER_S + DRAIN_S)
    if entering is not None:
        entering.cancel()
    if ledger is not None:
        ledger.enter()
    if processing is not None:
        processing.close()
    if forwarder is not None:
        await forwarder.close()


def _forwarding(options: ReceiverOptions) -> tuple[Forwarder | None, Callable[..., WebhookHandler]]:
    """What passes deliveries on, if anything does, and what makes the handler."""
    if options.forward is None:
        return None, WebhookHandler
    from loadsim.receiver.delivery_reader import DeliveryReader
    from loadsim.receiver.forwarding import Forwarder
    from loadsim.receiver.forwarding_handler import ForwardingHandler

    forwarder = Forwarder(options.forward, options.forward_timeout_ns)
    reader = DeliveryReader(scheme(options.scheme, options.custom))
    return forwarder, partial(ForwardingHandler, forwarder=forwarder, reader=reader, say=_say)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, line.encode("utf-8", "backslashreplace") + b"\n")


def _rules(order: Order, verifier: Checker | None, counters: SharedCounters) -> AnswerChoice:
    """What chooses the answers, and writes a capture."""
    options = order.options
    rules = Rules(options.path, verifier, order.certificate, counters.cost(order.number).turns)
    if order.capture_fd < 0:
        return rules
    from loadsim.receiver.capturing import CapturingRules, RowPipe

    return CapturingRules(rules, scheme(options.scheme, options.custom), options, RowPipe(order.capture_fd))


def _ledger(order: Order) -> LedgerMemory | None:
    if order.ledger_fd is None:
        return None
    return LedgerMemory(order.ledger_fd, order.options.workers, order.options.ledger_limit)


def _processing(order: Order, ledger: LedgerMemory | None, counters: SharedCounters) -> Processing | None:
    """The work after the answers; None where there is none."""
    if order.effects_fd is None or ledger is None:
        return None
    options = order.options
    return Processing(
        options,
        EffectsMemory(order.effects_fd),
        ledger.run_register,
        counters.first_request,
        outputs(options.effects_db, options.effects_file),
    )


async def _enter(ledger: Ledger, row: WorkerCounters, processing: Processing | None) -> None:
    """Enter noted deliveries regularly, so that the ledger is up to date also when few events arrive, and the effects.

    `row` stores up to which instant the ledger is complete.
    """
    while True:
        await asyncio.sleep(ENTER_EVERY_S)
        now = time.monotonic_ns()
        ledger.enter()
        if processing is not None:
            processing.settle()
        row.entered(now)


def _begin(counters: SharedCounters) -> None:
    counters.first_request(time.monotonic_ns())


def _control(stop: asyncio.Event) -> None:
    if not os.read(CONTROL, 64):
        os._exit(0)  # the parent has ended
    stop.set()


def _logger(order: Order) -> Callable[[bytes], None] | None:
    """The function that writes log lines of verified events; None when none are wanted.

    Each line is one write, so that lines of several workers never mix. A closed pipe loses lines, never an answer.
    """
    if not order.options.verbose and order.log_fd < 0:
        return None

    def write(body: bytes) -> None:
        with contextlib.suppress(OSError):
            if order.options.verbose:
                os.write(2, verified_line(body).encode() + b"\n")
            if order.log_fd >= 0:
                os.write(order.log_fd, verified_record(body, time.time(), order.number).encode() + b"\n")

    return write


def main() -> None:
    """Run one worker; the supervisor starts it as `python -m loadsim.receiver.worker`."""
    left_to_the_parent()
    order = read_order(Order)
    if order is None:
        return
    raise_descriptor_limit(MOST_CONNECTIONS)
    if sys.platform == "win32":
        asyncio.run(work(order))
    else:
        import uvloop

        uvloop.run(work(order))


if __name__ == "__main__":
    main()

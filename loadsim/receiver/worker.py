"""One receiver process: takes its order from stdin, answers on a socket that it inherited, and ends with its parent.

Decides what a worker listens to besides HTTP: "stop" on stdin means answer what is in flight and go; end of stdin means
that the parent is gone, so go at once. The secret comes by stdin, never by argv or environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from loadsim.engine.limits import raise_descriptor_limit
from loadsim.model import NS_PER_S, Secret
from loadsim.receiver.alarm import Alarm
from loadsim.receiver.board import Board
from loadsim.receiver.decide import Checker, Rules
from loadsim.receiver.desk import Desk
from loadsim.receiver.faults import read_little
from loadsim.receiver.ledger import ENTER_EVERY_S, Ledger, LedgerMemory
from loadsim.receiver.log import verified_line, verified_record
from loadsim.receiver.options import ReceiverOptions, Span
from loadsim.receiver.outage import Outages
from loadsim.receiver.rotation import Rotating
from loadsim.receiver.service import Queue, fates
from loadsim.signing import scheme

MOST_CONNECTIONS = 100_000
"""What the descriptor limit is raised towards, as far as the system allows."""
LENGTH = struct.Struct(">I")
AnyOrder = TypeVar("AnyOrder", bound=msgspec.Struct)
READY = b"ready\n"
STOP = b"stop\n"
CONTROL = 0
"""stdin: the order, then STOP or the end."""
DRAIN_S = 10.0
"""How long, beyond the service time, what is in flight may take once told to stop."""


class Order(msgspec.Struct, frozen=True):
    """What the supervisor tells a worker. The descriptors are inherited."""

    options: ReceiverOptions
    secret: str
    number: int
    listen_fd: int
    board_fd: int
    ledger_fd: int | None = None
    """None: no ledger is kept."""
    old_secret: str = ""
    """The secret that is rotated out; empty: none."""
    log_fd: int = -1
    """Where JSON lines go: the parent's stdout. -1: none are wanted."""

    @property
    def module(self) -> str:
        """What is to be run."""
        return "loadsim.receiver.worker"

    @property
    def whole_environment(self) -> bool:
        """It needs none of the user's."""
        return False

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What is to be inherited."""
        ledger = () if self.ledger_fd is None else (self.ledger_fd,)
        log = () if self.log_fd < 0 else (self.log_fd,)
        return self.listen_fd, self.board_fd, *ledger, *log


class HttpEngine(Protocol):
    """What a worker needs of an HTTP engine."""

    async def serve(self, sock: socket.socket) -> None:
        """Accept connections on a bound socket."""

    def drop(self) -> None:
        """Be away as a dead process is: accept nothing, close every connection as it stands. `serve` comes back."""

    async def stop(self, timeout_s: float) -> None:
        """Accept nothing more, answer what is in flight, close."""


def encode_order(order: object) -> bytes:
    """A struct as length and msgpack, as `read_order` wants it."""
    data = msgspec.msgpack.encode(order)
    return LENGTH.pack(len(data)) + data


def read_order(kind: type[AnyOrder]) -> AnyOrder | None:
    """The order on stdin, or None when the parent went away before it was whole."""
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
    """Silences this worker once, at the same instant as its siblings: they share the time of the first request."""

    def __init__(self, stall: Span, board: Board, loop: asyncio.AbstractEventLoop, alarm: Alarm) -> None:
        self._stall = stall
        self._board = board
        self._loop = loop
        self._alarm = alarm

    def first_request(self) -> None:
        """Plan the silence, or begin it when it is due; leave it out when it was over before this request."""
        now = time.monotonic_ns()
        begin = self._board.first_request(now) + self._stall.after_ns
        end = begin + self._stall.for_ns
        if now < begin:
            self._alarm.at(begin).add_done_callback(self._begin)
        elif now < end:
            self._silence(end)

    def _begin(self, instant: asyncio.Future[None]) -> None:
        if not instant.cancelled():
            self._silence(time.monotonic_ns() + self._stall.for_ns)

    def _silence(self, end_ns: int) -> None:
        # Blocking the whole loop is what is wanted: nothing is accepted, read or answered. A word on stdin ends it.
        while (left := end_ns - time.monotonic_ns()) > 0:
            if select.select([CONTROL], [], [], left / NS_PER_S)[0]:
                return


def _engine(options: ReceiverOptions, desk: Desk, alarm: Alarm | None) -> HttpEngine:
    if options.engine == "bare":
        from loadsim.receiver.http_bare import BareEngine

        return BareEngine(options, desk, alarm)
    from loadsim.receiver.http_aiohttp import AiohttpEngine

    return AiohttpEngine(options, desk, alarm)


def _verifier(order: Order, board: Board, url: str) -> Checker:
    options = order.options
    described = scheme(options.scheme, options.custom)
    new = described.verifier(Secret(order.secret), options.tolerance_s, url=url)
    if not order.old_secret:
        return new

    def age_ns() -> int:
        now = time.monotonic_ns()
        return now - board.first_request(now)

    old = described.verifier(Secret(order.old_secret), options.tolerance_s, url=url)
    return Rotating(new, old, age_ns, options.retire_ns)


async def work(order: Order) -> None:
    """Serve until told to stop."""
    options = order.options
    loop = asyncio.get_running_loop()
    board = Board(order.board_fd, options.workers)
    alarm = Alarm(loop) if options.longest_ns or options.stall is not None or options.down else None
    listener = socket.socket(fileno=order.listen_fd)
    url = options.public_url or options.url(listener.getsockname()[1])
    verifier = _verifier(order, board, url) if options.verify else None
    staller = Staller(options.stall, board, loop, alarm) if options.stall is not None and alarm is not None else None
    ledger = _ledger(order)
    slots = options.slots_of(order.number)
    desk = Desk(
        options,
        Rules(options.path, verifier),
        board.row(order.number),
        fates(options, order.number),
        Queue(slots) if slots is not None else None,
        first=staller.first_request if staller is not None else lambda: _begin(board),
        log=_logger(order),
        ledger=ledger,
    )
    engine = _engine(options, desk, alarm)
    stop = asyncio.Event()
    loop.add_reader(CONTROL, _control, stop)
    entering = asyncio.create_task(_enter(ledger)) if ledger is not None else None
    if options.read_rate is not None:
        read_little(listener)
    if options.down and alarm is not None:
        outages = Outages(options.outages, board, alarm, engine, listener)
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


def _ledger(order: Order) -> Ledger | None:
    if order.ledger_fd is None:
        return None
    return LedgerMemory(order.ledger_fd, order.options.workers, order.options.ledger_limit).part(order.number)


async def _enter(ledger: Ledger) -> None:
    """Enter what a slow stream of events has not filled up: the books are never much behind."""
    while True:
        await asyncio.sleep(ENTER_EVERY_S)
        ledger.enter()


def _begin(board: Board) -> None:
    board.first_request(time.monotonic_ns())


def _control(stop: asyncio.Event) -> None:
    if not os.read(CONTROL, 64):
        os._exit(0)  # the parent is gone, and nobody is left to answer for
    stop.set()


def _logger(order: Order) -> Callable[[bytes], None] | None:
    """What writes the lines of verified events, or None when nobody asked for any.

    One write per line, so that lines of several workers never mix. Nobody has to read them: a closed pipe loses lines,
    never an answer.
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
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

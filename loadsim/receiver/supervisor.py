"""The parent of the workers: binds the sockets, starts the processes, replaces dead ones, adds up their counters.

The parent owns the listening sockets, one per worker (SO_REUSEPORT), so connections that wait for a dead worker are
kept for its successor.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from loadsim.engine.descriptor_limit import check_descriptors
from loadsim.measure.ledger_document import RunLedger
from loadsim.model import NS_PER_S, LoadsimError, Secret
from loadsim.receiver.capture_writer import CaptureCounts, CaptureFiles, CaptureWriter
from loadsim.receiver.capturing import check_capture
from loadsim.receiver.connection_limits import BACKLOG
from loadsim.receiver.counters import Counts, SharedCounters
from loadsim.receiver.effects_memory import EffectsMemory, EffectsPage, WorkCounts
from loadsim.receiver.ledger import ENTER_EVERY_S, LedgerMemory, Refusals
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.verify_cost import VerifyCost
from loadsim.receiver.worker import DRAIN_S, Order
from loadsim.receiver.worker_process import WorkerProcess

START_TIMEOUT_S = 30.0
GRACE_S = 2.0
"""How long after its own deadline a worker that does not stop is killed."""
PATIENCE_S = 5.0
"""How long a worker may take to enter its deliveries; normally it does this several times a second."""
NOTHING = RunLedger("deliveries", np.zeros(0, dtype=np.uint8), np.zeros(0, dtype=np.uint8))
NO_WORK = "the receiver does no work after its answers: start it with --process"
RETRY_S = 0.5
"""Pause before replacing a worker that never became ready, so that a repeated error does not make a busy loop."""


class WorkerStats(msgspec.Struct, frozen=True, kw_only=True):
    """One worker: its present process, how often it was replaced, its counts."""

    worker: int
    """Number, from 0."""
    pid: int
    """Its process."""
    restarts: int
    """How often it was replaced."""
    counts: Counts
    """Its own counts."""


class ReceiverStats(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver's counts: all workers together, then each worker."""

    engine: str
    """HTTP engine: `bare` or `aiohttp`."""
    uptime_s: float
    """Since its start."""
    restarts: int
    """How often workers were replaced."""
    total: Counts
    """All workers together."""
    work: WorkCounts | None = None
    """What was done after the answers; null without `process`."""
    verify: VerifyCost | None = None
    """What checking a signature costs; null where nothing was verified."""
    captured: CaptureCounts | None = None
    """The rows of the capture; null without `capture`."""
    per_worker: tuple[WorkerStats, ...]
    """One row for each worker."""


@dataclass(slots=True)
class _Place:
    """What is kept when a worker is replaced."""

    number: int
    listener: socket.socket
    process: WorkerProcess | None = None
    restarts: int = 0


class Supervisor:
    """The processes of one receiver. `start` returns when all are ready, `stop` when all have ended.

    `say` gets a line for a person when a worker had to be replaced. Every worker's place is watched by one task.
    """

    def __init__(
        self,
        options: ReceiverOptions,
        secret: Secret | None,
        say: Callable[[str], None],
        old_secret: Secret | None = None,
        certificate: str = "",
    ) -> None:
        if options.verify and secret is None:
            raise LoadsimError("a receiver that verifies needs a secret")
        self._options = options
        self._secret = secret.reveal() if secret is not None else ""
        self._old_secret = old_secret.reveal() if old_secret is not None else ""
        self.certificate = certificate
        """The certificate that its workers serve, in PEM; empty: none."""
        self._say = say
        self._log_fd = os.dup(1) if options.log_json else -1
        self._counters: SharedCounters | None = SharedCounters.create(options.workers)
        self._ledger: LedgerMemory | None = None
        self._without_ledger = "the receiver keeps no ledger"
        if options.ledger_limit:
            try:
                self._ledger = LedgerMemory.create(options.workers, options.ledger_limit)
            except OSError as error:  # webhooks are answered all the same; requests for the ledger get the reason
                self._without_ledger += f": no memory for it: {error.strerror}"
        self._effects = _effects_memory() if options.process is not None else None
        self._capture = _capture_writer(options, say)
        self._places: list[_Place] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._started = time.monotonic()
        self._last: ReceiverStats | None = None
        self.port = options.port

    async def start(self) -> None:
        """Bind, start every worker, wait until all are ready. Raises LoadsimError: port taken, a worker that fails."""
        check_descriptors()
        listeners = listen(self._options.host, self._options.port, self._options.workers)
        self.port = listeners[0].getsockname()[1]
        self._places = [_Place(number, listener) for number, listener in enumerate(listeners)]
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await asyncio.gather(*(self._spawn(place) for place in self._places))
        except TimeoutError:
            raise LoadsimError(f"the receiver's workers did not start within {START_TIMEOUT_S:g} s") from None
        for place in self._places:
            if place.process is not None and not place.process.ready:
                raise LoadsimError(f"the receiver's worker {place.number} {await place.process.gone()} at its start")
        self._watchers = [asyncio.create_task(self._watch(place)) for place in self._places]

    def stats(self) -> ReceiverStats:
        """The counts as of now; after `stop`, the final counts."""
        if self._counters is None:
            if self._last is None:
                raise LoadsimError("the receiver has stopped without counts")
            return self._last
        return ReceiverStats(
            engine=self._options.engine,
            uptime_s=round(time.monotonic() - self._started, 3),
            restarts=sum(place.restarts for place in self._places),
            total=self._counters.counts(),
            work=None if self._effects is None else self._effects.counts(),
            verify=self._counters.verify_cost(),
            captured=None if self._capture is None else self._capture.files.counts(),
            per_worker=tuple(
                WorkerStats(
                    worker=place.number,
                    pid=place.process.pid if place.process is not None else 0,
                    restarts=place.restarts,
                    counts=self._counters.counts(place.number),
                )
                for place in self._places
            ),
        )

    def register(self, run: str) -> None:
        """Keep a ledger of this run from now on. Raises LoadsimError without a ledger, ValueError for an invalid
        name."""
        self._open_ledger().register(run)

    def runs(self) -> tuple[list[str], Refusals]:
        """The registered runs, and the deliveries not entered. Raises LoadsimError without a ledger."""
        ledger = self._open_ledger()
        return ledger.runs(), ledger.refusals()

    async def ledger_of(self, run: str) -> RunLedger | None:
        """The ledger of a run up to now; None when the run is not registered.

        Waits a moment until every worker has entered its deliveries. If one does not, because it is stopped or hangs,
        the ledger is marked incomplete. Raises LoadsimError without a ledger.
        """
        self._open_ledger()
        silent = await self._silent()
        ledger = self._open_ledger().of_run(run)  # it may have been closed meanwhile
        behind = f"of the receiver has not entered what came for {PATIENCE_S:g} s"
        lacking = [f"worker {number} {behind}" for number in silent]
        if silent and ledger is None:
            ledger = NOTHING
        restarts = sum(place.restarts for place in self._places)
        if restarts:
            lacking.append(f"workers of the receiver replaced, with what they had last noted: {restarts:,}")
        if ledger is None or not lacking:
            return ledger
        return replace(ledger, incomplete="; ".join(filter(None, (ledger.incomplete, *lacking))))

    def effects_of(self, run: str, after: str | None, limit: int) -> EffectsPage | None:
        """The effects of a run behind a cursor; None when the run is not registered.

        It is answered at once, from what the worker showed within the last ENTER_EVERY_S: the time of an answer is what
        a reader's clocks are compared by. Raises LoadsimError without effects, ValueError for another cursor,
        EffectsLostError.
        """
        if self._effects is None:
            raise LoadsimError(NO_WORK)
        registered = self._open_ledger().run_register.find(run.encode("ascii", "replace"))
        return None if registered is None else self._effects.page(registered, after, limit)

    async def _silent(self) -> list[int]:
        """The workers that have not entered the deliveries up to now within PATIENCE_S."""
        asked_ns, until = time.monotonic_ns(), time.monotonic() + PATIENCE_S
        silent = [place.number for place in self._places]
        while silent and self._counters is not None:
            silent = [number for number in silent if self._counters.entered_ns(number) < asked_ns]
            if time.monotonic() > until:
                break
            await asyncio.sleep(ENTER_EVERY_S)
        return silent

    def _open_ledger(self) -> LedgerMemory:
        if self._ledger is None:
            raise LoadsimError(self._without_ledger)
        return self._ledger

    async def stop(self) -> None:
        """Accept nothing more, let every worker answer what it has, wait until they have ended. May be called twice."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for place in self._places:
            place.listener.close()
        timeout_s = self._options.longest_ns / NS_PER_S + DRAIN_S + GRACE_S
        processes = [place.process for place in self._places if place.process is not None]
        await asyncio.gather(*(process.stop(timeout_s) for process in processes))
        if self._capture is not None:
            await asyncio.to_thread(self._capture.close)
        if self._counters is not None:
            self._last = self.stats()
            self._counters.close()
            self._counters = None
            if self._effects is not None:
                self._effects.close()
                self._effects = None
            if self._log_fd >= 0:
                os.close(self._log_fd)
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    async def _spawn(self, place: _Place) -> None:
        if self._counters is None:
            return
        with contextlib.nullcontext(-1) if self._capture is None else self._capture.pipe() as capture_fd:
            place.process = await WorkerProcess.spawn(
                Order(
                    options=self._options,
                    secret=self._secret,
                    old_secret=self._old_secret,
                    number=place.number,
                    listen_fd=place.listener.fileno(),
                    counters_fd=self._counters.fd,
                    ledger_fd=None if self._ledger is None else self._ledger.fd,
                    effects_fd=None if self._effects is None else self._effects.fd,
                    certificate=self.certificate,
                    log_fd=self._log_fd,
                    capture_fd=capture_fd,
                )
            )

    async def _watch(self, place: _Place) -> None:
        while (process := place.process) is not None:
            end = await process.gone()
            if not process.ready:
                await asyncio.sleep(RETRY_S)
            place.restarts += 1
            self._say(f"receiver worker {place.number} (pid {process.pid}) {end}: restarted")
            await self._spawn(place)


def _capture_writer(options: ReceiverOptions, say: Callable[[str], None]) -> CaptureWriter | None:
    """Raises UsageError."""
    if options.capture is None:
        return None
    check_capture(options)
    return CaptureWriter(CaptureFiles(options.capture, options.capture_size, options.capture_keep, say))


def _effects_memory() -> EffectsMemory:
    """Raises LoadsimError."""
    try:
        return EffectsMemory.create()
    except OSError as error:
        raise LoadsimError(f"the receiver has no memory for effects: {error.strerror}") from None


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """`count` listening TCP sockets on one address; port 0 = a free one. Raises LoadsimError in one line."""
    place = f"{host}:{port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without SO_REUSEPORT: with it, another receiver on this port would go unnoticed and share its connections.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # Bound anew by its number: a port that the kernel chose is given away when a socket stops listening.
            address = probe.getsockname()
        return _share(family, address, count)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise LoadsimError(f"{place} is already in use: stop what listens there, or choose another port") from None
        raise LoadsimError(f"cannot listen on {place}: {os.strerror(error.errno or 0)}") from None


def _share(family: int, address: tuple[str, int], count: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if count > 1:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(address)
        for sock in sockets:
            sock.listen(BACKLOG)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets

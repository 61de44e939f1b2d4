"""The parent of the workers: binds the sockets, starts the processes, replaces the dead, adds up their books.

Decides who lives. The listening sockets are the parent's, one per worker (SO_REUSEPORT), so connections that wait for a
dead worker are kept for its successor. Refuses to know HTTP and signatures.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from loadsim.model import NS_PER_S, LoadsimError, Secret
from loadsim.receiver.board import Board, Counts
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.worker import DRAIN_S, READY, STOP, Order

BACKLOG = 4096
START_TIMEOUT_S = 30.0
RETRY_S = 0.5
"""Pause before a worker is replaced that never became ready: a fault that repeats shall not spin."""


class WorkerStats(msgspec.Struct, frozen=True, kw_only=True):
    """One worker: its process now, how often it was replaced, its share of the counts."""

    worker: int
    pid: int
    restarts: int
    counts: Counts


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver's books: all workers together, then each."""

    engine: str
    uptime_s: float
    restarts: int
    total: Counts
    per_worker: tuple[WorkerStats, ...]


@dataclass(slots=True)
class _Worker:
    number: int
    listener: socket.socket
    process: Process | None = None
    ready: bool = False
    restarts: int = 0

    def end(self) -> str:
        """How the process ended, in words."""
        code = self.process.returncode if self.process is not None else None
        return f"killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"


class Supervisor:
    """The processes of one receiver. `start` returns when all answer; `stop` when all are gone.

    `say` gets a line for a person when a worker had to be replaced. A worker's place is watched by one task each.
    """

    def __init__(self, options: ReceiverOptions, secret: Secret | None, say: Callable[[str], None]) -> None:
        if options.verify and secret is None:
            raise LoadsimError("a receiver that verifies needs a secret")
        self._options = options
        self._secret = secret
        self._say = say
        self._workers: list[_Worker] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._board: Board | None = None
        self._last: Stats | None = None
        self._started = 0.0
        self.port = options.port

    async def start(self) -> None:
        """Bind, start every worker, wait until all are ready. Raises LoadsimError (port taken, worker does not start)."""
        self._board = Board.create(self._options.workers)
        self._started = time.monotonic()
        try:
            listeners = listen(self._options.host, self._options.port, self._options.workers)
            self.port = listeners[0].getsockname()[1]
            self._workers = [_Worker(number, listener) for number, listener in enumerate(listeners)]
            async with asyncio.timeout(START_TIMEOUT_S):
                await asyncio.gather(*(self._spawn(worker) for worker in self._workers))
        except TimeoutError:
            await self.stop()
            raise LoadsimError(f"the receiver's workers did not start within {START_TIMEOUT_S:g} s") from None
        except BaseException:
            await self.stop()
            raise
        for worker in self._workers:
            if not worker.ready:
                text = f"the receiver's worker {worker.number} did not start: {worker.end()}"
                await self.stop()
                raise LoadsimError(text)
        self._watchers = [asyncio.create_task(self._watch(worker)) for worker in self._workers]

    def stats(self) -> Stats:
        """The books as of now; after `stop`, as they were at the end."""
        if self._board is None:
            if self._last is None:
                raise LoadsimError("the receiver was not started")
            return self._last
        return Stats(
            engine=self._options.engine,
            uptime_s=round(time.monotonic() - self._started, 3),
            restarts=sum(worker.restarts for worker in self._workers),
            total=self._board.counts(),
            per_worker=tuple(
                WorkerStats(
                    worker=worker.number,
                    pid=worker.process.pid if worker.process is not None else 0,
                    restarts=worker.restarts,
                    counts=self._board.counts(worker.number),
                )
                for worker in self._workers
            ),
        )

    async def stop(self) -> None:
        """Accept nothing more, let every worker answer what it has, and wait until they are gone; kill those that stay."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for worker in self._workers:
            worker.listener.close()
        await asyncio.gather(*(self._end(worker) for worker in self._workers))
        if self._board is not None:
            self._last = self.stats()
            self._board.close()
            self._board = None

    async def _spawn(self, worker: _Worker) -> None:
        assert self._board is not None
        worker.ready = False
        fds = (worker.listener.fileno(), self._board.fd)
        process = worker.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "loadsim.receiver.worker",
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=fds,
            start_new_session=True,  # a Ctrl-C at the terminal is for the parent
        )
        assert process.stdin is not None
        assert process.stdout is not None
        secret = self._secret.reveal() if self._secret is not None else ""
        order = Order(options=self._options, secret=secret, number=worker.number, listen_fd=fds[0], board_fd=fds[1])
        try:
            process.stdin.write(order.encode())
            await process.stdin.drain()
        except ConnectionError:
            pass  # it died at once: the missing ready says so
        worker.ready = await process.stdout.readline() == READY
        if not worker.ready:
            await process.wait()

    async def _watch(self, worker: _Worker) -> None:
        while True:
            assert worker.process is not None
            pid = worker.process.pid
            await worker.process.wait()
            if not worker.ready:
                await asyncio.sleep(RETRY_S)
            worker.restarts += 1
            self._say(f"receiver worker {worker.number} (pid {pid}) {worker.end()}: restarted")
            await self._spawn(worker)

    async def _end(self, worker: _Worker) -> None:
        process = worker.process
        if process is None:
            return
        assert process.stdin is not None
        try:
            process.stdin.write(STOP)
            await process.stdin.drain()
        except (ConnectionError, RuntimeError):
            pass  # it is gone already
        try:
            async with asyncio.timeout(self._options.delay_ns / NS_PER_S + DRAIN_S + 2):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        process.stdin.close()


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """`count` listening TCP sockets on one address; port 0 = a free one. Raises LoadsimError in one line."""
    place = f"{host}:{port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without SO_REUSEPORT: with it, another receiver on this port would go unnoticed and share its connections.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            if count == 1:
                probe.listen(BACKLOG)
                return [socket.socket(fileno=probe.detach())]
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
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(address)
        for sock in sockets:
            sock.listen(BACKLOG)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets

"""The sockets of a shard to its endpoint, in one epoll set, and that set one reader of the loop.

It is fast because there is one loop event per batch of ready sockets, and not one per socket. What is read is the
matter of the protocol's transport, which is a subclass.

Two rules keep it correct. A socket closed during a batch is really closed after the batch; otherwise a reused
descriptor would get the readiness of another socket. And no error of one connection leaves the drain callback.
"""

from __future__ import annotations

import asyncio
import itertools
import select
import socket
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from loadsim.compiled_step import step
from loadsim.engine.endpoint_addresses import Addresses
from loadsim.engine.endpoint_socket import FAILING, OUT, EndpointSocket
from loadsim.engine.next_address_attempts import Attempt
from loadsim.engine.receive_stamps import WallClock
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.transport_interface import ConnectionOwner, Ended
from loadsim.model import NS_PER_MS

ROUNDS = 4
"""Number of times that one wake-up polls for ready sockets before the loop continues."""
FEW = 4
"""If at most this many sockets were ready, and each gave an answer, there is no other poll: the loop will say what
becomes ready meanwhile."""
_STAMPED = 32
"""One of so many reads asks for the kernel's stamp, which costs about 1 µs. The others are known to have waited less
than `SELDOM_NS`: the sockets were looked at so shortly before."""
SELDOM_NS = NS_PER_MS
"""All of them do where the last look at the sockets was so long ago, or at no known time: few are to be read, or all
have waited."""
ALL = itertools.repeat(True)

One = TypeVar("One", bound=EndpointSocket)


class SocketSet(Generic[One]):
    """The set. Linux only (epoll)."""

    if step is not None:
        __slots__ = (  # what the compiled step reaches
            "__dict__",
            "_draining",
            "_graveyard",
            "_looked_ns",
            "_poll",
            "_some",
            "_table",
            "answers",
            "owner",
        )

    def __init__(self, loop: asyncio.AbstractEventLoop, wire: Wire, first: int = 0) -> None:
        """`first`: the number of the address to start with."""
        self._loop = loop
        self._epoll = select.epoll()
        self._poll = self._epoll.poll
        self._table: dict[int, One] = {}
        self._attempts: dict[int, Attempt] = {}
        """Sockets that connect beside those of the table, by descriptor."""
        self.addresses = Addresses(wire.addresses, first)
        self._graveyard: list[socket.socket] = []
        self._draining = False
        self.answers: list[Ended] = []
        """What was answered in this batch."""
        self.wire = wire
        self._some = itertools.cycle((False,) * (_STAMPED - 1) + (True,))
        """Which of the reads ask for a stamp, where not all of them do."""
        self._looked_ns = 0
        self._wall = WallClock()
        self._converted_ns = 0
        """The look whose stamps are converted with `_ahead`."""
        self._ahead: int | None = None

    def start(self, owner: ConnectionOwner) -> None:
        """See Transport."""
        self.owner = owner
        self._loop.add_reader(self._epoll.fileno(), self._drain)

    async def _close_set(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._bury_all()
        self._epoll.close()

    # -- for sockets --------------------------------------------------------------------------------------------------

    def add(self, one: One) -> None:
        """Watch it."""
        self._table[one.fd] = one
        self._epoll.register(one.fd, one.mask)

    def modify(self, fd: int, mask: int) -> None:
        """Watch it for something else."""
        self._epoll.modify(fd, mask)

    def remove(self, one: One) -> None:
        """Watch it no more."""
        if self._table.pop(one.fd, None) is not None:
            self._epoll.unregister(one.fd)

    def add_attempt(self, attempt: Attempt) -> None:
        """Watch a socket that connects beside that of its connection."""
        self._attempts[attempt.fd] = attempt
        self._epoll.register(attempt.fd, OUT)

    def release(self, attempt: Attempt) -> None:
        """Watch it no more; its socket stays as it is."""
        del self._attempts[attempt.fd]
        self._epoll.unregister(attempt.fd)

    def drop(self, attempt: Attempt) -> None:
        """Watch it no more, and close it."""
        self.release(attempt)
        self.bury(attempt.sock)

    def call_later(self, delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back from the loop."""
        return self._loop.call_later(delay_s, call)

    def bury(self, sock: socket.socket) -> None:
        """Close a socket; during a batch, after it."""
        if self._draining:
            self._graveyard.append(sock)
        else:
            sock.close()

    def soon(self, report: Callable[[], None]) -> None:
        """Call back from the loop: nothing is reported from inside a call of the engine's."""
        self._loop.call_soon(report)

    def later(self, one: One, code: int) -> None:
        """Report a failure of `open` or `send`."""
        self._loop.call_soon(self._report, one, code)

    def _report(self, one: One, code: int) -> None:
        if one.opened:
            one.broken(code, "")
        elif one.state == FAILING:
            one.connect_failed(code)

    # -- the one reader -----------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        self._draining = True
        poll = self._poll
        try:
            for _ in range(ROUNDS):
                ready = poll(0, 1024)
                if not ready:
                    break
                self._read_all(ready)
                if self.answers:
                    answers, self.answers = self.answers, []
                    self.owner.on_answers(answers)
                    if len(answers) == len(ready) <= FEW:
                        break
        finally:
            self._draining = False
            if self._graveyard:
                self._bury_all()

    def _read_all(self, ready: list[tuple[int, int]]) -> None:
        """Read every socket of the batch, so that no answer's time includes the making of other requests."""
        raise NotImplementedError

    def _look(self, began: int) -> tuple[int, Iterator[bool] | itertools.repeat[bool]]:
        """The sockets are looked at, at `began`: when that was before (ns of the clock; 0: not known), and which of the
        reads ask for a stamp."""
        looked, ticked = self._looked_ns, self.owner.looked_ns
        self._looked_ns = began
        if looked < ticked or not ticked:
            looked = ticked
        return looked, ALL if began - looked > SELDOM_NS else self._some

    def _receipt(self, sent: int, now: int, stamp: int, looked: int) -> int:
        """See Column.receipt: of the answer to what was `sent`, read at `now` with its stamp, or 0; the last look was
        at `looked`, or 0."""
        ahead = self._ahead_ns() if self._converted_ns != self._looked_ns else self._ahead
        if stamp and ahead is not None and 0 < now - stamp + ahead <= now - sent:
            return now - stamp + ahead
        return looked - now if looked else 0

    def _ahead_ns(self) -> int | None:
        """See WallClock.ahead_ns; read once in each look."""
        if self._converted_ns != self._looked_ns:
            self._converted_ns, self._ahead = self._looked_ns, self._wall.ahead_ns()
        return self._ahead

    def _attempt_ready(self, fd: int) -> None:
        attempt = self._attempts.get(fd)
        connection = None if attempt is None else attempt.connection
        if attempt is None or connection is None:
            return
        try:
            attempt.on_ready()
        except Exception as error:  # noqa: BLE001 - it must not take its neighbours with it
            connection.internal(error)

    def _bury_all(self) -> None:
        for sock in self._graveyard:
            sock.close()
        self._graveyard.clear()

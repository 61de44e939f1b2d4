"""The work behind the answers: a queue before c processors, in virtual time.

It is pure arithmetic: no clock, no sleep, no socket. The instant at which each piece of work is done follows from the
arrivals and the seed alone, so no timer's delay enters it, and M/M/c and M/D/1 are what the analysis says.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from loadsim.plan.units import EXPONENTIAL, Cycle, ServiceTime
from loadsim.receiver.fault_plan import BLOCK, Aspect, log_normal_sigma, random_stream
from loadsim.receiver.options import ReceiverOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Item = TypeVar("Item")
LOST, ONCE, TWICE = 0, 1, 2


class Piece(NamedTuple):
    """What is planned for one piece of work: its service time, at least 1 ns, and how often its effect appears."""

    service_ns: int
    effects: int


class Done(NamedTuple, Generic[Item]):
    """A piece of work that has had its service time."""

    at_ns: int
    item: Item
    effects: int
    """LOST, ONCE or TWICE."""


def work_plan(options: ReceiverOptions) -> Iterator[Piece]:
    """The plan for the work in the order of arrival; endless, and the same for every start."""
    if options.process is None:
        raise ValueError("there is no work without a service time")
    return map(Piece, _times(options.process, options.seed), _effects(options))


def _times(service: ServiceTime, seed: int) -> Iterator[int]:
    import numpy as np

    stream = random_stream(seed, 0, Aspect.work_times)
    sigma = log_normal_sigma(service.ns, service.p99_ns) if service.p99_ns else 0.0
    while True:
        if service.kind == EXPONENTIAL:
            times: NDArray[np.float64] = service.ns * stream.standard_exponential(BLOCK)
        else:  # a constant is a log-normal without spread
            times = service.ns * np.exp(sigma * stream.standard_normal(BLOCK))
        yield from np.maximum(times.round(), 1).astype(np.int64).tolist()


def _effects(options: ReceiverOptions) -> Iterator[int]:
    import numpy as np

    stream = random_stream(options.seed, 0, Aspect.work_ends)
    bounds, kinds = np.cumsum([options.lose, options.repeat]), np.array([LOST, TWICE, ONCE])
    while True:
        yield from kinds[np.searchsorted(bounds, stream.random(BLOCK), side="right")].tolist()


def random_order(seed: int) -> Iterator[float]:
    """Numbers in [0, 1) that choose what is taken from a queue."""
    stream = random_stream(seed, 0, Aspect.work_order)
    while True:
        yield from stream.random(BLOCK).tolist()


class WorkQueue(Generic[Item]):
    """Work that waits before `processors` processors, most of it `room`. Instants are ns and never go back.

    A free processor takes the work that came first, or, with `order`, any that waits. As with `fault_plan.Queue` this
    is the recursion of Kiefer and Wolfowitz (1955), stepped from completion to completion, because what is taken at
    random depends on later arrivals. What is done is in `done`, in order of time, until the caller clears it.
    """

    __slots__ = ("_in_work", "_order", "_plan", "_processors", "_room", "_started", "_waiting", "done")

    def __init__(self, plan: Iterator[Piece], processors: int, room: int, order: Iterator[float] | None = None) -> None:
        self._plan = plan
        self._processors = processors
        self._room = room
        self._order = order
        self._waiting: deque[tuple[Piece, Item]] = deque()
        self._in_work: list[tuple[int, int, Item, int]] = []
        self._started = 0
        self.done: list[Done[Item]] = []

    @property
    def backlog(self) -> int:
        """The work that waits or is being done."""
        return len(self._waiting) + len(self._in_work)

    def offer(self, now_ns: int, item: Item) -> bool:
        """Take work that arrives now; False when the queue is full."""
        self.advance(now_ns)
        if len(self._in_work) < self._processors:
            self._start(now_ns, next(self._plan), item)
        elif len(self._waiting) < self._room:
            self._waiting.append((next(self._plan), item))
        else:
            return False
        return True

    def advance(self, now_ns: int) -> None:
        """Do the work up to now."""
        while self._in_work and self._in_work[0][0] <= now_ns:
            at_ns, _, item, effects = heapq.heappop(self._in_work)
            self.done.append(Done(at_ns, item, effects))
            if self._waiting:
                self._start(at_ns, *self._taken())

    def _start(self, at_ns: int, piece: Piece, item: Item) -> None:
        self._started += 1  # decides between equal instants, so that items are never compared
        heapq.heappush(self._in_work, (at_ns + piece.service_ns, self._started, item, piece.effects))

    def _taken(self) -> tuple[Piece, Item]:
        waiting = self._waiting
        if self._order is None:
            return waiting.popleft()
        chosen = int(next(self._order) * len(waiting))
        waiting[chosen], waiting[-1] = waiting[-1], waiting[chosen]
        return waiting.pop()


class WorkClock:
    """Time without stalls: it stands still in the last part of every period, counted from `origin_ns`.

    A queue that runs on this clock does no work in a stall, and goes on after it where it was.
    """

    __slots__ = ("_every", "_origin", "_working")

    def __init__(self, cycle: Cycle, origin_ns: int) -> None:
        self._every = cycle.every_ns
        self._working = cycle.every_ns - cycle.for_ns
        self._origin = origin_ns

    def worked(self, instant_ns: int) -> int:
        """The time worked up to an instant."""
        periods, rest = divmod(instant_ns - self._origin, self._every)
        return periods * self._working + min(rest, self._working)

    def instant(self, worked_ns: int) -> int:
        """The first instant at which so much had been worked."""
        periods, rest = divmod(worked_ns - 1, self._working)
        return self._origin + periods * self._every + rest + 1

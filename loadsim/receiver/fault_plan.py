"""The fault plan: the service time of every accepted event, and whether it fails on purpose.

It is pure arithmetic: no clock, no sleep, no socket. The queue before N servers is computed at arrival, so wake-ups
that come too late do not add up. Random values come from a seeded sequence and can be repeated.
"""

from __future__ import annotations

import enum
import heapq
import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from loadsim.receiver.options import ReceiverOptions

if TYPE_CHECKING:
    import numpy as np

BLOCK = 4096
NO_FAULT = 0
RESET = 1
_Z99 = 2.3263478740408408
"""The 99th percentile of the standard normal distribution."""


class Aspect(enum.IntEnum):
    """What random numbers are drawn for. The streams of one seed and worker are independent."""

    ends = 0
    times = 1
    modes = 2
    work_times = 3
    work_ends = 4
    work_order = 5


class Fault(NamedTuple):
    """What is planned for one accepted event: its answer and its service time."""

    status: int
    """NO_FAULT, RESET (no answer: the connection is reset), or the status of the failure."""
    service_ns: int


def fault_plan(options: ReceiverOptions, worker: int) -> Iterator[Fault]:
    """The plan for the accepted events of one worker in the order of arrival; endless, and the same for every start.

    Log-normal service times have the median m = `delay_ns` and the 99th percentile q = `delay_p99_ns`: they are
    m·exp(σz) with σ = ln(q/m) / z₉₉ and z standard normal. The fault of an event, its service time and whether it is a
    slow one come from separate random streams, so that one option does not change what another draws. Workers draw
    independently.
    """
    failing = ((RESET, options.reset), *options.failing())
    if options.delay_p99_ns is None and options.slow is None and not any(share for _, share in failing):
        return itertools.repeat(Fault(NO_FAULT, options.delay_ns))
    return map(Fault, _ends(failing, options.seed, worker), _times(options, worker))


def random_stream(seed: int, worker: int, aspect: Aspect) -> np.random.Generator:
    """The random numbers of one aspect of a worker's behaviour, see `Aspect`."""
    import numpy as np

    key, counter = np.array([seed, worker], dtype=np.uint64), np.array([0, 0, 0, aspect], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def _ends(failing: tuple[tuple[int, float], ...], seed: int, worker: int) -> Iterator[int]:
    import numpy as np

    stream = random_stream(seed, worker, Aspect.ends)
    bounds = np.cumsum([share for _, share in failing])
    statuses = np.array([*(status for status, _ in failing), NO_FAULT])
    while True:
        yield from statuses[np.searchsorted(bounds, stream.random(BLOCK), side="right")].tolist()


def _times(options: ReceiverOptions, worker: int) -> Iterator[int]:
    import numpy as np

    normal, modes = random_stream(options.seed, worker, Aspect.times), random_stream(options.seed, worker, Aspect.modes)
    sigma = 0.0 if options.delay_p99_ns is None else log_normal_sigma(options.delay_ns, options.delay_p99_ns)
    slow_ns, share = options.slow or (0, 0.0)
    while True:
        times = options.delay_ns * np.exp(sigma * normal.standard_normal(BLOCK))
        yield from np.where(modes.random(BLOCK) < share, slow_ns, times).astype(np.int64).tolist()


def log_normal_sigma(median_ns: int, p99_ns: int) -> float:
    """The σ of a log-normal time with this median and 99th percentile."""
    return math.log(p99_ns / median_ns) / _Z99


class Queue:
    """A first-come, first-served queue with `slots` servers.

    An event that arrives at *a* is finished at `max(a, earliest free server) + service`: the recursion of Kiefer and
    Wolfowitz (1955). A sender that gives up does not free its server.
    """

    __slots__ = ("_free",)

    def __init__(self, slots: int) -> None:
        self._free = [0] * slots

    def finish(self, now_ns: int, service_ns: int) -> int:
        """When the event that arrives now is finished, same clock; never earlier than `now_ns + service_ns`."""
        done = max(now_ns, self._free[0]) + service_ns
        heapq.heapreplace(self._free, done)
        return done

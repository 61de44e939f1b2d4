"""How long an accepted event is in service, and which ones fail on purpose.

Decides by arithmetic alone: a first-come queue before N servers of fixed service time is worked out at arrival, so the
capacity is exactly N / delay and no late wake-up adds up. Refuses to know clocks, sleeping and sockets.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

BLOCK = 4096


class Service:
    """A first-come queue before `slots` servers (None = any number), each `delay_ns` per event.

    An event that arrives at *a* is finished at `max(a, earliest free server) + delay`: the recursion of Kiefer and
    Wolfowitz (1955). A sender that gives up does not free its server.
    """

    __slots__ = ("_delay", "_free")

    def __init__(self, delay_ns: int, slots: int | None) -> None:
        self._delay = delay_ns
        self._free = None if slots is None else [0] * slots

    @property
    def instant(self) -> bool:
        """True when no event ever waits."""
        return self._delay == 0

    def finish(self, now_ns: int) -> int:
        """When the event that arrives now is finished, same clock; never earlier than `now_ns + delay`."""
        if self._free is None:
            return now_ns + self._delay
        done = max(now_ns, self._free[0]) + self._delay
        heapq.heapreplace(self._free, done)
        return done


def failures(share: float, seed: int, worker: int) -> Iterator[bool]:
    """An endless seeded sequence that is true in `share` of the cases, independent from worker to worker."""
    import numpy as np

    generator = np.random.Generator(np.random.Philox(key=np.array([seed, worker], dtype=np.uint64)))
    while True:
        yield from (generator.random(BLOCK) < share).tolist()

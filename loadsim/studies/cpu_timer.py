"""The clock of in-process benchmarks: the CPU time of a batch of calls on one core.

CPU time of this thread is measured, so that time in which other programs used the core does not count; wall time shows
how much that was. `measure.timing_statistics` evaluates the times.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple


class Took(NamedTuple):
    """Times of one batch, ns."""

    cpu: int
    wall: int


def timed(call: Callable[..., Any], batch: Sequence[tuple[Any, ...]]) -> Took:
    """Call once with each of the arguments in `batch`. The cyclic collector is off meanwhile, as in `timeit`."""
    clock, wall_clock = time.thread_time_ns, time.perf_counter_ns
    collecting = gc.isenabled()
    gc.disable()
    try:
        wall, cpu = wall_clock(), clock()
        for arguments in batch:
            call(*arguments)
        return Took(clock() - cpu, wall_clock() - wall)
    finally:
        if collecting:
            gc.enable()


def cpu_ns(pid: int) -> int:
    """User and system time of another process so far, all its threads, in ns.

    Its CPU-time clock, whose id is that of clock_getcpuclockid(3) on Linux: rusage covers ended children only, and
    /proc has steps of 10 ms. Raises OSError when the process is gone.
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


@contextlib.contextmanager
def one_core(core: int | None = None) -> Iterator[int | None]:
    """Pin this thread, and what it starts, to `core` (None: the last that it may use). Returns None if it cannot."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    before = os.sched_getaffinity(0)
    chosen = max(before) if core is None else core
    os.sched_setaffinity(0, {chosen})
    try:
        yield chosen
    finally:
        os.sched_setaffinity(0, before)

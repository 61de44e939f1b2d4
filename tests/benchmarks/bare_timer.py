"""A timer and nothing else: how late any program is woken on this core, whatever it does.

A process of its own arms a timerfd for each of the given due times, waits in epoll, reads the clock at each wake-up,
notes how late everything is that has become due, and arms the next. What it finds late is due to kernel, hypervisor and
neighbours. It shares no code with loadsim's pacer, so that a mistake there is not found on both sides.

Started by `lateness`: due times come on stdin and lateness goes to stdout, both as int64 in ns. Linux only.
"""

from __future__ import annotations

import array
import ctypes
import gc
import os
import select
import subprocess
import sys
import time

import numpy as np
import numpy.typing as npt

from tests.benchmarks import common

Ints = npt.NDArray[np.int64]

HEAD_START_NS = 500_000_000
"""From reading the due times to the first instant."""
NS_PER_S = 1_000_000_000
CLOCK_MONOTONIC, TIMER_ABSTIME, CLOSE_ON_EXEC = 1, 1, 0o2000000


class _Itimerspec(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_long) for name in ("interval_s", "interval_ns", "value_s", "value_ns"))


def lateness(core: int, dues: Ints) -> Ints:
    """How late a bare timer is for each of `dues` (ns from a common start, ascending), ns each. Waits until the last.

    Raises RuntimeError when the process fails.
    """
    done = subprocess.run(
        common.pinned(core, [sys.executable, "-m", "tests.benchmarks.bare_timer"]),
        cwd=common.ROOT,
        input=dues.astype(np.int64).tobytes(),
        stdout=subprocess.PIPE,
        check=False,
    )
    late = np.frombuffer(done.stdout, np.int64)
    if done.returncode or len(late) != len(dues):
        raise RuntimeError(f"the bare timer ended with exit code {done.returncode} after {len(late)} of {len(dues)}")
    return late


def wait_for_each(dues: list[int]) -> array.array[int]:
    """Lateness for each of `dues`, instants of the monotonic clock in ns, ascending; ns."""
    libc = ctypes.CDLL(None, use_errno=True)
    settime = libc.timerfd_settime
    settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    timer = libc.timerfd_create(CLOCK_MONOTONIC, CLOSE_ON_EXEC)
    if timer < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create failed")
    spec = _Itimerspec()
    address = ctypes.addressof(spec)
    epoll = select.epoll()
    epoll.register(timer, select.EPOLLIN)
    late = array.array("q", bytes(8 * len(dues)))  # its memory is there before the first instant
    clock, number, count = time.monotonic_ns, 0, len(dues)
    while number < count:
        spec.value_s, spec.value_ns = divmod(dues[number], NS_PER_S)
        if settime(timer, TIMER_ABSTIME, address, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")
        epoll.poll()
        os.read(timer, 8)
        now = clock()
        while number < count and dues[number] <= now:
            late[number] = now - dues[number]
            number += 1
    epoll.close()
    os.close(timer)
    return late


def main() -> None:
    """One timer; started by `lateness`."""
    given = np.frombuffer(sys.stdin.buffer.read(), np.int64)
    gc.disable()
    dues = (given + (time.monotonic_ns() + HEAD_START_NS)).tolist()
    sys.stdout.buffer.write(wait_for_each(dues).tobytes())


if __name__ == "__main__":
    main()

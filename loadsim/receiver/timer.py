"""A timer that never fires early, and less than a millisecond late.

It uses a timer of the kernel (timerfd) where there is one, because the loop's own timers have a resolution of whole
milliseconds and may fire early.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import os
import sys
import time

_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK = 0o4000
_TFD_CLOEXEC = 0o2000000
_TFD_TIMER_ABSTIME = 1
_NS_PER_S = 1_000_000_000


class _Timespec(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Timer:
    """Makes futures that complete at given instants of the monotonic clock (`time.monotonic_ns`), in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0
        self._fd = -1
        self._settime = None
        if sys.platform == "linux":
            libc = ctypes.CDLL(None, use_errno=True)
            self._settime = libc.timerfd_settime
            self._settime.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
            self._fd = libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
            if self._fd < 0:
                raise OSError(ctypes.get_errno(), "timerfd_create")
            loop.add_reader(self._fd, self._fired)

    def at(self, instant_ns: int) -> asyncio.Future[None]:
        """A future that completes at `instant_ns` or just after; it is complete at once when the instant has passed."""
        future: asyncio.Future[None] = self._loop.create_future()
        if instant_ns <= time.monotonic_ns():
            future.set_result(None)
            return future
        self._count += 1
        heapq.heappush(self._waiting, (instant_ns, self._count, future))
        if self._waiting[0][2] is future:
            self._arm(instant_ns)
        return future

    def _arm(self, instant_ns: int) -> None:
        if self._settime is None:
            self._loop.call_later(max(0, instant_ns - time.monotonic_ns()) / _NS_PER_S, self._wake)
            return
        spec = _Itimerspec(_Timespec(0, 0), _Timespec(*divmod(instant_ns, _NS_PER_S)))
        if self._settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.addressof(spec), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _fired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            pass  # set to another instant between the event and this call
        self._wake()

    def _wake(self) -> None:
        now = time.monotonic_ns()
        while self._waiting and self._waiting[0][0] <= now:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)
        if self._waiting:
            self._arm(self._waiting[0][0])

    def close(self) -> None:
        """Stop; futures that still wait are cancelled."""
        for _, _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

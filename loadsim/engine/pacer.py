"""When to wake: one timer on the run's clock, by timerfd where there is one.

A wake-up may come late, and with libuv's timers (whole milliseconds) even early, so the engine reads the clock again
before it releases an event.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from loadsim.compiled_step import step
from loadsim.model import NS_PER_S

Clock = Callable[[], int]
"""Nanoseconds of one monotonic clock."""

monotonic_ns: Clock = time.monotonic_ns


class Pacer(Protocol):
    """One armed instant at a time."""

    def start(self, on_wake: Callable[[], None]) -> None:
        """From now on `on_wake` is called at (or after) each armed instant."""

    def arm(self, due_ns: int) -> None:
        """Wake at `due_ns` of the monotonic clock (at once if it has passed); replaces what was armed."""

    def close(self) -> None:
        """Release the timer; no wake-up comes after this."""


_SPEC = ctypes.c_long * 4
"""struct itimerspec: seconds and nanoseconds of the interval, then of the instant."""
_SECONDS, _NANOSECONDS = 2, 3
_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
_TFD_TIMER_ABSTIME = 1


class TimerfdPacer:
    """timerfd_create(2), absolute on CLOCK_MONOTONIC, read by the loop. Linux only; raises OSError elsewhere."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        if not sys.platform.startswith("linux"):
            raise OSError("timerfd exists on Linux only")
        libc = ctypes.CDLL(None, use_errno=True)
        self._loop = loop
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._spec = _SPEC()
        # made once: each event is another instant
        self._settime = partial(
            libc.timerfd_settime,
            *(ctypes.c_int(self._fd), ctypes.c_int(_TFD_TIMER_ABSTIME), ctypes.byref(self._spec), ctypes.c_void_p()),
        )
        self._armed = bytearray(1)
        """1: it was armed since it woke last."""
        if step is not None:
            self.arm = partial(step.arm, self._fd, self._armed)  # type: ignore[method-assign]

    def start(self, on_wake: Callable[[], None]) -> None:
        """See Pacer."""
        self._on_wake = on_wake
        self._loop.add_reader(self._fd, self._readable)

    def arm(self, due_ns: int) -> None:
        """See Pacer."""
        spec = self._spec
        # zero would disarm the timer, so an instant in the past becomes the first nanosecond of the clock
        spec[_SECONDS], spec[_NANOSECONDS] = divmod(due_ns if due_ns > 0 else 1, NS_PER_S)
        if self._settime():
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")
        self._armed[0] = 1

    def close(self) -> None:
        """See Pacer."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _readable(self) -> None:
        self._armed[0] = 0
        try:
            self._on_wake()
        finally:
            # timerfd_settime(2) resets the count of expirations: a timer that was armed again need not be read
            if not self._armed[0] and self._fd >= 0:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._fd, 8)


class LoopPacer:
    """The loop's own timers, for platforms without timerfd: about a millisecond coarse."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def start(self, on_wake: Callable[[], None]) -> None:
        """See Pacer."""
        self._on_wake = on_wake

    def arm(self, due_ns: int) -> None:
        """See Pacer."""
        self.close()
        delay = max(0, due_ns - monotonic_ns()) / NS_PER_S
        self._handle = self._loop.call_later(delay, self._on_wake)

    def close(self) -> None:
        """See Pacer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class SharedPacer:
    """One pacer for several that wait, each for an instant of its own: the earliest of them is armed."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._parts: list[_Part] = []
        self._started = False

    def part(self) -> Pacer:
        """A Pacer for one of them."""
        part = _Part(self)
        self._parts.append(part)
        return part

    def start(self) -> None:
        """The first of the parts has started."""
        if not self._started:
            self._started = True
            self._pacer.start(self._on_wake)

    def rearm(self) -> None:
        """An instant has changed."""
        due = min((part.due_ns for part in self._parts if part.due_ns is not None), default=None)
        if due is not None:
            self._pacer.arm(due)

    def close(self, part: _Part) -> None:
        """The part waits for nothing any more; with the last one the timer goes."""
        if part in self._parts:
            self._parts.remove(part)
            if not self._parts:
                self._pacer.close()

    def _on_wake(self) -> None:
        earliest = min((part.due_ns for part in self._parts if part.due_ns is not None), default=None)
        for part in list(self._parts):
            if part.due_ns is not None and part.due_ns == earliest:
                part.due_ns = None
                part.wake()
        self.rearm()


class _Part:
    """One of several that share a pacer."""

    def __init__(self, shared: SharedPacer) -> None:
        self._shared = shared
        self.due_ns: int | None = None

    def start(self, on_wake: Callable[[], None]) -> None:
        """See Pacer."""
        self.wake = on_wake
        self._shared.start()

    def arm(self, due_ns: int) -> None:
        """See Pacer."""
        self.due_ns = due_ns
        self._shared.rearm()

    def close(self) -> None:
        """See Pacer."""
        self.due_ns = None
        self._shared.close(self)


def best_pacer(loop: asyncio.AbstractEventLoop) -> Pacer:
    """The most precise pacer that this platform has."""
    try:
        return TimerfdPacer(loop)
    except (OSError, AttributeError):
        return LoopPacer(loop)

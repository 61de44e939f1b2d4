"""When to wake: a timer on the run's clock, by timerfd where there is one.

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

    def arm(self, due_ns: int, following_ns: int = 0) -> None:
        """Wake at `due_ns` of the monotonic clock (at once if it has passed); replaces what was armed. `following_ns`:
        the instant that will be armed next, as far as it is known; it need not come. 0: it is not known."""

    def close(self) -> None:
        """Release the timer; no wake-up comes after this."""


_SPEC = ctypes.c_long * 4
"""struct itimerspec: seconds and nanoseconds of the interval, then of the instant."""
_SECONDS, _NANOSECONDS = 2, 3
_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
_TFD_TIMER_ABSTIME = 1
_AT, _DUE, _WORDS = 2, 4, 5
"""Places in the state of a TimerfdPacer, int64: two descriptors, when each is to expire (0: it is not armed), and the
instant at which to wake. The compiled step has the same."""


class TimerfdPacer:
    """timerfd_create(2), absolute on CLOCK_MONOTONIC, read by the loop. Linux only; raises OSError elsewhere.

    Two timers: while one is awaited, the other is armed for the instant after it. When the first expires, the kernel
    goes on to the second by itself. With one, each call that arms it sets the processor's timer anew, and in a virtual
    machine that is what takes most of the time of waking up.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        if not sys.platform.startswith("linux"):
            raise OSError("timerfd exists on Linux only")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._loop = loop
        state = bytearray(8 * _WORDS)
        self._state = memoryview(state).cast("q")
        self._fds: list[int] = []
        self._settimes: list[Callable[[], int]] = []
        self._spec = _SPEC()
        for number in range(_AT):
            self._state[number] = self._created()
        if step is not None:
            self.arm = partial(step.arm, state)  # type: ignore[method-assign]

    def _created(self) -> int:
        """The descriptor of another timer."""
        fd: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
        if fd < 0:
            self.close()
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._fds.append(fd)
        # made once: each event is another instant
        self._settimes.append(
            partial(
                self._libc.timerfd_settime,
                *(ctypes.c_int(fd), ctypes.c_int(_TFD_TIMER_ABSTIME), ctypes.byref(self._spec), ctypes.c_void_p()),
            )
        )
        return fd

    def start(self, on_wake: Callable[[], None]) -> None:
        """See Pacer."""
        self._on_wake = on_wake
        for number, fd in enumerate(self._fds):
            self._loop.add_reader(fd, self._readable, number)

    def arm(self, due_ns: int, following_ns: int = 0) -> None:
        """See Pacer."""
        state = self._state
        due = state[_DUE] = max(due_ns, 1)  # zero would disarm it
        first, second = state[_AT], state[_AT + 1]
        number = 0 if first == due or (first == 0 and second != due) else 1
        if state[_AT + number] != due:
            self._set(number, due)
        if following_ns > due and state[_AT + 1 - number] != following_ns:
            self._set(1 - number, following_ns)

    def _set(self, number: int, instant_ns: int) -> None:
        spec = self._spec
        spec[_SECONDS], spec[_NANOSECONDS] = divmod(instant_ns, NS_PER_S)
        if self._settimes[number]():
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")
        self._state[_AT + number] = instant_ns

    def close(self) -> None:
        """See Pacer."""
        while self._fds:
            fd = self._fds.pop()
            self._loop.remove_reader(fd)
            os.close(fd)

    def _readable(self, number: int) -> None:
        state = self._state
        instant = state[_AT + number]
        if instant > monotonic_ns():
            return  # it was armed again since the loop found it ready
        state[_AT + number] = 0
        try:
            if instant == state[_DUE]:
                self._on_wake()
        finally:
            # timerfd_settime(2) resets the count of expirations: a timer that was armed again need not be read
            if not state[_AT + number] and self._fds:
                with contextlib.suppress(BlockingIOError):
                    os.read(state[number], 8)


class LoopPacer:
    """The loop's own timers, for platforms without timerfd: about a millisecond coarse."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def start(self, on_wake: Callable[[], None]) -> None:
        """See Pacer."""
        self._on_wake = on_wake

    def arm(self, due_ns: int, following_ns: int = 0) -> None:  # noqa: ARG002 - the loop has no use for it
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

    def arm(self, due_ns: int, following_ns: int = 0) -> None:  # noqa: ARG002 - another part may come before it
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

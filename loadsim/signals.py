"""Interrupts of a command: Ctrl-C (SIGINT), SIGTERM and SIGHUP mean the same in every command.

`docker stop`, `timeout`, a cancelled CI job and a closed terminal send the latter two. They are turned into SIGINT, so
that code that handles SIGINT, asyncio included, handles all three.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def taken_as_one() -> Iterator[None]:
    """SIGTERM and SIGHUP arrive as SIGINT while the context lasts. One that is ignored, as by nohup, stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = {number: signal.getsignal(number) for number in _ENDING}
    mine = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in mine:
        signal.signal(number, _hand_on)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])


def _hand_on(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt  # a shell's background job ignores Ctrl-C, and nothing else
    signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def interrupts(act: Callable[[], None]) -> Iterator[None]:
    """Each interrupt calls `act` in the running loop while the context lasts, and ends nothing by itself."""
    import asyncio  # heavy, and no other function here needs it: `--help` does without

    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, act)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def interrupts_here(act: Callable[[], None]) -> Iterator[None]:
    """The same for work without an event loop: `act` is called while the work runs."""
    before = signal.signal(signal.SIGINT, lambda number, frame: act())  # noqa: ARG005 - the signature of a handler
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def left_to_the_parent() -> None:
    """Ignore these signals, in a child that its parent ends: a signal to the whole process group must not end it."""
    for number in (signal.SIGINT, *_ENDING):
        signal.signal(number, signal.SIG_IGN)

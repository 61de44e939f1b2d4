"""The timer: it wakes at or after its instant, once, whether it is armed again or not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from loadsim.engine.pacer import TimerfdPacer, monotonic_ns
from loadsim.model import NS_PER_MS

SEVERAL = 50
"""Turns of the loop in which a timer that was not taken would wake again and again."""


@contextmanager
def pacing() -> Iterator[TimerfdPacer]:
    pacer = TimerfdPacer(asyncio.get_running_loop())
    try:
        yield pacer
    finally:
        pacer.close()


async def turns() -> None:
    for _ in range(SEVERAL):
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)


async def test_each_instant_wakes_once_and_never_early() -> None:
    wakes: list[tuple[int, int]] = []
    over = asyncio.Event()
    due = 0

    def on_wake() -> None:
        nonlocal due
        wakes.append((due, monotonic_ns()))
        if len(wakes) == 20:
            over.set()
            return
        due = monotonic_ns() + NS_PER_MS // 10
        pacer.arm(due)

    with pacing() as pacer:
        pacer.start(on_wake)
        due = monotonic_ns() + NS_PER_MS
        pacer.arm(due)
        await over.wait()
        await turns()
    assert len(wakes) == 20
    assert all(woken >= due for due, woken in wakes)


async def test_one_that_is_not_armed_again_is_quiet_until_it_is() -> None:
    woken = asyncio.Semaphore(0)
    with pacing() as pacer:
        pacer.start(woken.release)
        for _ in range(2):
            pacer.arm(0)  # long past
            await woken.acquire()
            await turns()
            assert woken.locked(), "it woke again"


async def test_an_error_of_who_is_woken_is_raised_once() -> None:
    errors: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))

    def fail() -> None:
        raise RuntimeError("no")

    with pacing() as pacer:
        pacer.start(fail)
        pacer.arm(0)
        while not errors:  # noqa: ASYNC110 - the handler is no coroutine
            await asyncio.sleep(0.001)
        await turns()
    assert len(errors) == 1


async def test_an_instant_that_was_armed_ahead_wakes_once_and_not_early() -> None:
    """As a plan does it: each wake-up arms the next instant and the one after that."""
    gap, count = NS_PER_MS, 30
    wakes: list[int] = []
    over = asyncio.Event()

    def on_wake() -> None:
        wakes.append(monotonic_ns())
        number = 0
        while begin + number * gap <= wakes[-1]:
            number += 1
        if number >= count:
            over.set()
        else:
            pacer.arm(begin + number * gap, begin + (number + 1) * gap)

    with pacing() as pacer:
        pacer.start(on_wake)
        begin = monotonic_ns() + NS_PER_MS
        pacer.arm(begin, begin + gap)
        await over.wait()
        await turns()
    numbers = [(woken - begin) // gap for woken in wakes]
    assert numbers[0] >= 0
    assert all(earlier < later for earlier, later in pairwise(numbers)), "it woke twice for one instant, or early"


async def test_what_was_armed_ahead_and_is_not_asked_for_wakes_nobody() -> None:
    woken = asyncio.Semaphore(0)
    with pacing() as pacer:
        pacer.start(woken.release)
        pacer.arm(0, monotonic_ns() + 5 * NS_PER_MS)
        await woken.acquire()
        await asyncio.sleep(0.02)
        await turns()
        assert woken.locked(), "the second instant was never asked for"
        due = monotonic_ns() + 2 * NS_PER_MS
        pacer.arm(due)
        await woken.acquire()
        assert monotonic_ns() >= due
        await turns()
        assert woken.locked()


async def test_an_earlier_instant_takes_the_place_of_both() -> None:
    woken = asyncio.Semaphore(0)
    far = monotonic_ns() + 10**15
    with pacing() as pacer:
        pacer.start(woken.release)
        for following in (0, far + 5):
            pacer.arm(far, far + 10)
            pacer.arm(0, following)
            await woken.acquire()
            await turns()
            assert woken.locked()

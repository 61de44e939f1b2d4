"""Waking up at an instant: in order, and never early."""

from __future__ import annotations

import asyncio
import time

from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.receiver.timer import Timer


async def test_futures_complete_in_order_never_early_and_can_be_followed_by_others() -> None:
    timer = Timer(asyncio.get_running_loop())
    completed: list[int] = []
    now = time.monotonic_ns()
    instants = [now + delay * NS_PER_MS for delay in (30, 10, 20, 10, -5, 0)]
    futures = [timer.at(instant) for instant in instants]
    waiting = [number for number, future in enumerate(futures) if not future.done()]
    assert not {4, 5} & set(waiting), "what has passed is done at once"

    async def wait(number: int) -> None:
        await futures[number]
        assert time.monotonic_ns() >= instants[number]
        completed.append(number)
        again = time.monotonic_ns() + 300_000
        await timer.at(again)
        assert time.monotonic_ns() >= again

    await asyncio.gather(*(wait(number) for number in waiting))
    assert completed == sorted(waiting, key=lambda number: (instants[number], number))
    left = timer.at(time.monotonic_ns() + NS_PER_S)
    timer.close()
    assert left.cancelled()

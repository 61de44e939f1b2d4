"""Reads the watches of one run, each once a second, beside the run in its own process.

Instants are on this process's monotonic clock, as the start of the run is, so that a series has the run's time axis.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from loadsim.measure.result_watches import WatchSeries
from loadsim.measure.watch_values import Raw, WatchCourse
from loadsim.model import NS_PER_S, own_fault
from loadsim.plan.watches import EVERY_NS
from loadsim.run.effects.source import GapError
from loadsim.run.watch.source import TIMEOUT_S, Part, WatchSource

REST_NS = 4 * NS_PER_S
"""After a reading that was not answered in time."""


@dataclass
class _Watched:
    """A source with the courses of its series. `task`: the reading that is under way."""

    source: WatchSource
    courses: list[WatchCourse]
    task: asyncio.Task[None] | None = None
    rest_until_ns: int = 0
    """It is not read before: it did not answer in time, and may still be at it."""


class Watching:
    """The watches of one run."""

    def __init__(self, sources: Sequence[WatchSource]) -> None:
        self._watched = [
            _Watched(source, [WatchCourse(part.series.reading, EVERY_NS) for part in source.parts])
            for source in sources
        ]
        self._over = asyncio.Event()

    async def first_look(self) -> list[str]:
        """Read everything once, before the run. Returns a line for each series that has no value."""
        found = await asyncio.gather(*(_values(each.source) for each in self._watched))
        return [
            f"watch {part.series.name}: {value} ({each.source.place})"
            for each, values in zip(self._watched, found, strict=True)
            for part, value in zip(each.source.parts, values, strict=True)
            if isinstance(value, str)
        ]

    async def read_from(self, began_ns: int) -> None:
        """Read everything at the start of the run and once a second from then on, until `stop`."""
        due_ns = began_ns
        while not self._over.is_set():
            now_ns = time.monotonic_ns()
            if now_ns < due_ns:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), (due_ns - now_ns) / NS_PER_S)
                continue
            for each in self._watched:
                if now_ns < each.rest_until_ns:
                    continue
                if each.task is None or each.task.done():  # never more than one at a time: its own limit ends it
                    each.task = asyncio.get_running_loop().create_task(_read(each))
            due_ns += EVERY_NS * (1 + (now_ns - due_ns) // EVERY_NS)
        under_way = [each.task for each in self._watched if each.task is not None]
        if under_way:
            await asyncio.wait(under_way, timeout=TIMEOUT_S)
            for task in under_way:
                task.cancel()

    def stop(self) -> None:
        """Read no more."""
        self._over.set()

    async def close(self) -> None:
        """Let go of connections."""
        for each in self._watched:
            with contextlib.suppress(Exception):  # the figures are there; what was measured is not lost over this
                await each.source.close()

    def series(self, began_ns: int) -> list[WatchSeries]:
        """What was read, for the result. `began_ns`: the start of the run."""
        return [
            course.series(_empty(each.source.place, part), began_ns)
            for each in self._watched
            for part, course in zip(each.source.parts, each.courses, strict=True)
        ]


async def _values(source: WatchSource) -> list[Raw | str]:
    """One reading. Whatever goes wrong is a gap: a watch never ends a run."""
    try:
        return await source.read()
    except GapError as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001 - see above
        why = own_fault(error)
    return [why] * len(source.parts)


async def _read(each: _Watched) -> None:
    """One reading, noted at the middle of the time that it took."""
    asked_ns = time.monotonic_ns()
    values = await _values(each.source)
    answered_ns = time.monotonic_ns()
    at_ns = (asked_ns + answered_ns) // 2
    if answered_ns - asked_ns >= TIMEOUT_S * NS_PER_S:
        each.rest_until_ns = answered_ns + REST_NS
    for course, value in zip(each.courses, values, strict=True):
        if isinstance(value, str):
            course.gap(at_ns, value)
        else:
            course.add(at_ns, value)


def _empty(place: str, part: Part) -> WatchSeries:
    """A series without figures."""
    return WatchSeries(
        name=part.series.name,
        kind=part.watch.kind,
        place=place,
        metric=part.metric,
        reading=part.series.reading,
        unit=part.series.unit,
        every_s=EVERY_NS / NS_PER_S,
    )

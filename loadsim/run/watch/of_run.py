"""The watches of one run, from its specification to its result."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec

from loadsim.launch.run_lifecycle import Run
from loadsim.measure.moved_with import moved_with
from loadsim.measure.result import RunResult
from loadsim.model import UsageError
from loadsim.plan.watches import Watch, series_names, series_of
from loadsim.run.watch.source import Part, WatchSource
from loadsim.run.watch.watching import Watching
from loadsim.secret_sources import resolve_headers


def watching_of(watches: tuple[Watch, ...]) -> Watching | None:
    """What reads these watches; None without any. Raises UsageError where a variable or a package is missing."""
    return Watching(_sources(watches)) if watches else None


def _sources(watches: tuple[Watch, ...]) -> list[WatchSource]:
    """A source for each page, query and process; watches of one page are read from it together."""
    pages: dict[tuple[str, str], list[Part]] = {}
    found: list[WatchSource] = []
    for watch in watches:
        parts = [Part(watch, series) for series in series_of(watch)]
        if watch.url is not None:
            pages.setdefault((watch.url, repr(sorted(watch.headers.items()))), []).extend(parts)
        elif watch.sql is not None:
            from loadsim.run.watch.query import Query

            found.append(Query(parts[0]))
        else:
            from loadsim.run.watch.process import ProcessTree

            found.append(ProcessTree(tuple(parts)))
    for (url, _), parts in pages.items():
        from loadsim.run.watch.metrics_page import MetricsPage

        found.append(MetricsPage(url, resolve_headers(parts[0].watch.headers), tuple(parts)))
    return found


async def problems_now(watches: tuple[Watch, ...]) -> list[str]:
    """A line for each series that cannot be read now: for a look at the plan alone."""
    try:
        watching = watching_of(watches)
    except UsageError as error:
        return [str(error)]
    if watching is None:
        return []
    try:
        return await watching.first_look()
    finally:
        await watching.close()


@contextlib.asynccontextmanager
async def watched(watching: Watching | None, run: Run) -> AsyncIterator[None]:
    """Context in which the watches of a run are read. What cannot be read before it is said, in a line each."""
    if watching is None:
        yield
        return
    for line in await watching.first_look():
        run.say(line)
    reading = asyncio.get_running_loop().create_task(_read(watching, run))
    try:
        yield
    finally:
        watching.stop()
        if not run.started.is_set():
            reading.cancel()
        await asyncio.wait([reading])
        await watching.close()


async def _read(watching: Watching, run: Run) -> None:
    await run.started.wait()
    await watching.read_from(run.began_monotonic_ns)


async def with_watches(result: RunResult, watching: Watching | None, run: Run) -> RunResult:
    """The result with what was watched until now."""
    if watching is None:
        return result
    watching.stop()
    # Here and not in a thread: a reading that is under way ends on this loop.
    found = {series.name: series for series in watching.series(run.began_monotonic_ns)}
    named = series_names(run.spec.scenario.watch)
    result = msgspec.structs.replace(result, watches=[found[name] for name in named])
    return msgspec.structs.replace(result, moved_with=await asyncio.to_thread(moved_with, result))

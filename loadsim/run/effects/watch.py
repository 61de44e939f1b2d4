"""Watches the effects of one run: looks at their source, keeps what is known of each event, and waits for the rest.

All instants are on the wall clock of this process as it was at the start, ns since 1970.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec
import numpy as np

from loadsim.judge.abort import cannot_hold
from loadsim.measure.clock_difference import SAME, DriftingClock, RoundTrip, compare_over_time, thinned
from loadsim.measure.effect_book import EffectBook
from loadsim.measure.effect_figures import Observed, with_figures
from loadsim.measure.event_ids import EventIds
from loadsim.measure.progress import EffectCounts
from loadsim.measure.result import RunResult
from loadsim.measure.result_effects import EffectsFound, SourceClock
from loadsim.measure.result_verdict import Aborted
from loadsim.model import NS_PER_MS, NS_PER_S, Objective, counted
from loadsim.plan.effects import Effects
from loadsim.run.effects.source import GapError, Reading, Source

READINGS_AT_ONCE = 100
"""Readings of one look, at most: a source that is far behind does not keep the run from its other work."""
MOST_KEPT = 1 << 14
"""Times of the source and backlogs that it said, at most: more than an hour of them; of a longer run a part is kept."""
_BREAK = 4
"""After a look so many times its length passes before the next: looking takes a fifth of a core at most."""
_SETTLE_NS = NS_PER_S
"""After the last event is done, effects are looked for so much longer: one may have two."""
_GAP_S = 5.0
"""Longest time between two looks at a source that does not answer."""
LAST_S = 5.0
"""When the wait is over, looking ends within this time: a slow source does not hold the run."""
_APART_NS = 60 * NS_PER_S
"""Effects that are so much earlier than their answers come from another clock."""
_FAR_APART = 0.5
"""From this share of such effects on, the clocks are apart."""


class EffectsWatch:
    """The effects of one run. Make it when the run begins."""

    def __init__(self, effects: Effects, source: Source, ids: EventIds, objectives: tuple[Objective, ...]) -> None:
        self._effects, self._source, self._ids = effects, source, ids
        self._limits = [each for each in objectives if each.abort and each.metric == "backlog"]
        self._book = EffectBook()
        self._trips: list[RoundTrip] = []
        self._said: list[tuple[int, int]] = []
        self._looks = self._gaps = self._rows = self._others = 0
        self._first_gap = self._gap = ""
        self._undated = False
        self._cpu_s = 0.0
        self._asked_ns = 0
        self._wall_ns = time.time_ns() - time.monotonic_ns()
        self._first_ns = self.now_ns()
        self._over = asyncio.Event()
        self._wait_began_ns: int | None = None
        self._unread = False
        """The latest look ended before everything that the source has was read."""
        self.cut_short = False
        """Whether the wait was ended by `cut`."""
        self._task: asyncio.Task[None] | None = None
        self.breach: Callable[[Aborted], None] = lambda _: None
        """Called when an objective on the backlog with `abort` cannot be met any more."""

    # -- while the run goes on ----------------------------------------------------------------------------------------

    def add_deliveries(self, packed: bytes) -> None:
        """Take ended deliveries of a frame."""
        with self._counted():
            self._book.add_deliveries(packed)

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Context in which the source is looked at again and again."""
        self._task = asyncio.get_running_loop().create_task(self._look_on())
        try:
            yield
        finally:
            await self._end(self._task)
            await self._source.close()
            if not self._task.cancelled():
                self._task.result()

    async def _end(self, task: asyncio.Task[None]) -> None:
        """Look once more, and end."""
        self._over.set()
        await asyncio.wait([task], timeout=LAST_S)
        if not task.done():
            self._unread = True
            task.cancel()
            await asyncio.wait([task])

    def stop(self) -> None:
        """Wait no longer."""
        self._over.set()

    def cut(self) -> bool:
        """Wait no longer, since the user does not want to; False where that is over."""
        if self._over.is_set():
            return False
        self.cut_short = True
        self._over.set()
        return True

    def counts(self) -> EffectCounts:
        """The counts so far."""
        began_ns = self._wait_began_ns
        waited_s = None if began_ns is None or self._over.is_set() else (self.now_ns() - began_ns) / NS_PER_S
        return EffectCounts(*self._book.counts(), waited_s, self._effects.wait / NS_PER_S)

    def now_ns(self) -> int:
        """This instant."""
        return self._wall_ns + time.monotonic_ns()

    async def _look_on(self) -> None:
        while not self._over.is_set():
            begun = time.monotonic()
            failed = await self._look()
            took = time.monotonic() - begun
            pause_s = max(self._effects.every / NS_PER_S - took, _BREAK * took)
            if failed:
                pause_s = min(_GAP_S, max(1.0, pause_s))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), pause_s)
        await self._look()  # what happened in the last pause

    async def _look(self) -> bool:
        """One look; True where it failed."""
        self._looks += 1
        before_ns, self._asked_ns = self._asked_ns, self.now_ns()
        self._unread = True
        for _ in range(READINGS_AT_ONCE):
            asked_ns = self.now_ns()
            try:
                reading = await self._source.read()
            except GapError as error:
                self._gaps += 1
                self._gap = str(error)
                self._first_gap = self._first_gap or self._gap
                return True
            self._take(reading, asked_ns, self.now_ns())
            self._unread = reading.more
            if not reading.more:
                break
        self._gap = ""
        if self._limits and before_ns:
            self._check(before_ns)
        return False

    def _take(self, reading: Reading, asked_ns: int, answered_ns: int) -> None:
        with self._counted():
            if reading.told_ns is not None:
                self._trips.append(RoundTrip(asked_ns, reading.told_ns, answered_ns))
            if reading.backlog is not None:
                self._said.append((answered_ns, reading.backlog))
            if len(self._trips) > MOST_KEPT:
                self._trips = thinned(self._trips)
            if len(self._said) > MOST_KEPT:
                self._said = self._said[1::2]
            self._rows += len(reading.ids)
            index = self._ids.indexes(reading.ids)
            known = index >= 0
            self._others += int(np.count_nonzero(~known))
            dated = reading.at_ns > 0
            self._undated |= not dated.all()
            at = np.where(dated, reading.at_ns, self._theirs(answered_ns))
            self._book.add_effects(index[known], at[known], reading.times[known])

    def _theirs(self, ours_ns: int) -> int:
        """An instant by the source's clock, by the latest reading."""
        if not self._trips:
            return ours_ns
        trip = self._trips[-1]
        return ours_ns + trip.told_ns - (trip.asked_ns + trip.answered_ns) // 2

    def _check(self, until_ns: int) -> None:
        """Look whether an objective on the backlog can still be met: by what was known at the look before, since
        effects may show a little late."""
        backlog = self._book.backlog_at(until_ns)
        for each in self._limits:
            if each.aggregation == "max" and cannot_hold(each, float(backlog), float("inf")):
                at_s = (until_ns - self._first_ns) / NS_PER_S
                self.breach(Aborted(each.text, at_s, f"{counted(backlog, 'acknowledged event')} were not done"))
                self._limits.clear()
                return

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        begun = time.thread_time()
        try:
            yield
        finally:
            self._cpu_s += time.thread_time() - begun

    # -- afterwards ---------------------------------------------------------------------------------------------------

    async def wait(self, load_end_ns: int) -> None:
        """Wait until every acknowledged event is done, or the time for that is over, or `stop` is called."""
        deadline, empty_ns = load_end_ns + self._effects.wait, None
        self._wait_began_ns = load_end_ns
        while not self._over.is_set() and (left := deadline - self.now_ns()) > 0:
            if self.counts().backlog:
                empty_ns = None
            elif empty_ns is None:
                empty_ns = self.now_ns()
            elif self.now_ns() - empty_ns > _SETTLE_NS:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), min(left, self._effects.every) / NS_PER_S)
        if self._task is not None:
            await self._end(self._task)

    def added_to(self, result: RunResult, began_ns: int, load_end_ns: int) -> RunResult:
        """The result with the effects; to be called when the last look is over."""
        clock = compare_over_time(self._trips) if self._trips else SAME
        found = EffectsFound(
            source=self._effects.source,
            place=self._source.place,
            looks=self._looks,
            gaps=self._gaps,
            first_gap=self._first_gap,
            look_cpu_s=self._cpu_s,
            rows=self._rows,
            others=self._others,
            clock=_shown(clock) if self._trips else None,
            dated=not self._undated,
        )
        self._book.translate(clock)
        problem = self._problem()
        if problem:
            return msgspec.structs.replace(result, effects=msgspec.structs.replace(found, problem=problem))
        observed = Observed(began_ns, load_end_ns, self.now_ns(), clock.residual_ns)
        figures, histograms = with_figures(found, self._book.events(), observed, self._said)
        return msgspec.structs.replace(result, effects=figures, histograms=result.histograms | histograms)

    def _problem(self) -> str:
        """Why the source cannot be used; empty when it can."""
        if self._gap:
            return f"it could not be read: {self._gap}"
        if self._rows and self._others == self._rows:
            return (
                f"none of the {counted(self._rows, 'effect')} that were read has an id of this run; the first: "
                f"{self._ids.example}"
            )
        if self._unread:
            return "it was not read to its end when the wait was over: it is too slow, or has too many effects"
        early = self._book.share_earlier(_APART_NS)
        if early > _FAR_APART:
            why = "although the source says its time" if self._trips else "and the source does not say its time (now)"
            return f"the clocks are more than a minute apart, {why}"
        return ""


def _shown(clock: DriftingClock) -> SourceClock:
    return SourceClock(clock.ahead_ns / NS_PER_MS, clock.drift * 1e6, clock.residual_ns / NS_PER_MS)

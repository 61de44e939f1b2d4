"""A load run as the dashboard shows it: its state, its chart points twice a second, and how it is stopped.

The run itself is `run.run_store_judge`'s, the same as on the command line. Counts come from the shards' frames, which
come as often as the points. Rates are taken over the time between two frames, by the frames' own clock.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec

from loadsim.judge import exit_code
from loadsim.launch.run_lifecycle import Run
from loadsim.measure.progress import Progress
from loadsim.measure.result import RunResult
from loadsim.model import NS_PER_S, LoadsimError
from loadsim.plan import RunSpec
from loadsim.report.diagnosis import diagnosis
from loadsim.report.facts import VERDICTS, headline, objective_lines
from loadsim.report.findings import findings
from loadsim.report.live_view import wait_words
from loadsim.report.report_formats import FORMATS
from loadsim.run.run_store_judge import LoadOutcome, Watch, run_load

State = Literal["starting", "running", "stopping", "waiting", "judging", "done", "failed", "cancelled"]
PERIOD_S = 0.5
MOST_POINTS = 7_200
"""Number of points that are kept: one hour at 2 Hz. Of a longer run, the latest are kept."""
FINAL_STATES = frozenset({"done", "failed", "cancelled"})


@contextlib.asynccontextmanager
async def _unwatched(_run: Run) -> AsyncIterator[None]:
    yield


class LiveRun:
    """A load run that a page shows, until its verdict. `command`: how the command line would start it."""

    def __init__(self, number: int, spec: RunSpec, command: str = "") -> None:
        self.number = number
        self.command = command
        self.spec = msgspec.structs.replace(spec, frame_s=PERIOD_S)
        self.state: State = "starting"
        self.text = ""
        self.notes: list[str] = []
        self.outcome: LoadOutcome | None = None
        self.first = 0
        """The number of the first point in `points`."""
        self.points: deque[dict[str, Any]] = deque(maxlen=MOST_POINTS)
        self.plan = self.spec.shown_plan()
        self._run: Run | None = None
        self._before: Progress | None = None
        self._rates: dict[str, float | None] = dict.fromkeys(("due_rate", "sent_rate", "done_rate", "failed_rate"))
        self._changed = asyncio.Event()
        self.task: asyncio.Task[None]
        """The run, where the page has started it."""

    @property
    def name(self) -> str:
        """The name of the scenario."""
        return self.spec.scenario.name

    @property
    def over(self) -> bool:
        """Whether the run has reached a final state."""
        return self.state in FINAL_STATES

    def start(self) -> None:
        """Run in a task; how the run ended is in `state` and `text`."""
        self.task = asyncio.get_running_loop().create_task(self._execute_quietly())

    def stop(self) -> None:
        """First call: release no more events, let those in flight end, store the result. Second call: end at once.
        After the load: wait no longer for effects."""
        if self.over or self.state == "judging":
            return
        if self._run is None or not self._run.started.is_set():
            self.task.cancel()
            return
        self._run.interrupt()
        if self.state != "waiting":
            self._set_state("stopping")

    async def changed(self, seconds: float) -> bool:
        """Wait for a new point or state. Returns False when there was none within `seconds`."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def document(self) -> dict[str, Any]:
        """The run's state as the page's script reads it."""
        duration = self.plan.duration_ns
        result = None if self.outcome is None else self.outcome.result
        return {
            "number": self.number,
            "name": self.name,
            "state": self.state,
            "text": self.text,
            "notes": self.notes,
            "model": self.plan.model,
            "effects": self.spec.scenario.effects is not None,
            "duration_s": None if duration is None else duration / NS_PER_S,
            "directory": None if self.outcome is None else self.outcome.directory.name,
            "report": None if self.outcome is None else str(self.outcome.directory / FORMATS["html"].filename),
            "lag": None if result is None else result.limits.lag_p99_ms,
            "outcome": None if result is None else result.verdict.outcome,
            "verdict": None if result is None else VERDICTS[result.verdict.outcome],
            "headline": None if result is None else headline(result),
            "reasons": [] if result is None else reasons_of(result),
            "exit_code": None if result is None else exit_code(result, interrupted=result.run.interrupted),
        }

    # -- the run ------------------------------------------------------------------------------------------------------

    async def execute(self, watch: Watch = _unwatched) -> LoadOutcome:
        """`run_load` with the page beside `watch`. Raises what it raises."""

        @contextlib.asynccontextmanager
        async def both(run: Run) -> AsyncIterator[None]:
            async with watch(run), self._follow(run):
                yield

        try:
            self.outcome = await run_load(self.spec, both)
        except LoadsimError as error:
            self._set_state("failed", str(error))
            raise
        except asyncio.CancelledError:
            self._set_state("cancelled", "stopped before the first event: nothing was sent")
            raise
        except Exception as error:
            self._set_state("failed", f"internal error of loadsim: {type(error).__name__}")
            raise
        self._set_state("done")
        return self.outcome

    async def _execute_quietly(self) -> None:
        with contextlib.suppress(LoadsimError, asyncio.CancelledError):
            await self.execute()

    @contextlib.asynccontextmanager
    async def _follow(self, run: Run) -> AsyncIterator[None]:
        self._run = run
        say = run.say

        def note(line: str) -> None:
            self.notes.append(line)
            say(line)

        run.say = note
        sampling = asyncio.get_running_loop().create_task(self._sample(run))
        try:
            yield
        finally:
            if not run.ended.is_set():
                sampling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sampling

    async def _sample(self, run: Run) -> None:
        """Take a point half-way between two frames, so that a late frame is not missed."""
        await run.started.wait()
        self._set_state("running")
        while not run.ended.is_set():
            progress = run.progress()
            self._add_point(progress)
            if run.interrupted and self.state == "running":
                self._set_state("stopping")  # by Ctrl-C
            with contextlib.suppress(TimeoutError):
                rest = PERIOD_S - (progress.elapsed_s + PERIOD_S / 2) % PERIOD_S
                await asyncio.wait_for(run.ended.wait(), rest)
        self._add_point(run.progress())
        await self._wait_for_effects(run)
        self._set_state("judging")

    async def _wait_for_effects(self, run: Run) -> None:
        """Take points until the run waits for effects no longer."""
        if run.effects is None or run.interrupted:
            return
        self._set_state("waiting")
        while not run.settled.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(run.settled.wait(), PERIOD_S)
            self._add_point(run.progress())

    def _add_point(self, progress: Progress) -> None:
        before = self._before
        fresh = before is None or progress.as_of_s > before.as_of_s
        if fresh:
            self._count_rates(before, progress)
            self._before = progress
        if len(self.points) == MOST_POINTS:
            self.first += 1
        self.points.append(self._point(progress, fresh=fresh))
        self._wake()

    def _count_rates(self, before: Progress | None, now: Progress) -> None:
        """Take rates over the time between two frames. Two frames that come close together give no new rates."""
        passed = now.as_of_s - (before.as_of_s if before else 0.0)
        if passed < PERIOD_S / 2:
            return
        counts = {
            "due_rate": (now.planned, before.planned if before else 0),
            "sent_rate": (now.sent, before.sent if before else 0),
            "done_rate": (now.done, before.done if before else 0),
            "failed_rate": (_failed(now), _failed(before) if before else 0),
        }
        self._rates = {name: (later - earlier) / passed for name, (later, earlier) in counts.items()}

    def _point(self, progress: Progress, *, fresh: bool) -> dict[str, Any]:
        last, effects = progress.last_second, progress.effects
        return {
            "at": progress.as_of_s,
            "elapsed": max(0.0, progress.elapsed_s),
            "fresh": fresh,
            "phase": self._phase(progress.elapsed_s),
            "wait": wait_words(progress),
            "planned": progress.planned,
            "sent": progress.sent,
            "done": progress.done,
            "succeeded": progress.succeeded,
            "failed_status": progress.failed_status,
            "errors": progress.errors,
            "in_flight": progress.in_flight,
            "queued": progress.queued,
            "acknowledged": None if effects is None else effects.acknowledged,
            "effects": None if effects is None else effects.done,
            "backlog": None if effects is None else effects.backlog,
            **self._rates,
            "p50": last.p50_ms,
            "p99": last.p99_ms,
            "max": last.max_ms,
            "lag": last.lag_p99_ms,
            "total_lag": progress.total.lag_p99_ms,
            "total_p50": progress.total.p50_ms,
            "total_p99": progress.total.p99_ms,
            "lost": list(progress.lost_shards),
        }

    def _phase(self, elapsed_s: float) -> str:
        now_ns = elapsed_s * NS_PER_S
        return next((p.name for p in self.plan.phases if p.end_ns is None or now_ns < p.end_ns), "draining")

    def _set_state(self, state: State, text: str = "") -> None:
        self.state, self.text = state, text
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def reasons_of(result: RunResult) -> list[str]:
    """The reasons for a verdict other than pass, in sentences."""
    missed = [f"{line.text}: {line.observed}" for line in objective_lines(result) if line.passed is False]
    return [*result.validity.reasons, *missed, *diagnosis(result), *findings(result)]


def _failed(progress: Progress) -> int:
    return progress.failed_status + progress.errors

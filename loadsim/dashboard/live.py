"""One load run at a time, watched while it goes on: what the page is told twice a second, and how it is stopped.

Decides the states of a run on the page and what a point of a chart is. The run itself is `studies.load`'s, the same as
on the command line. Counts come from the shards' frames, asked for as often as the page is told: between two frames
nothing new is known, and a rate is counted on the frames' own clock.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec

from loadsim.judge import exit_code
from loadsim.launch.run import Run
from loadsim.measure.progress import Progress
from loadsim.measure.result import RunResult
from loadsim.model import NS_PER_S, LoadsimError, UsageError
from loadsim.plan import RunSpec
from loadsim.report.diagnosis import diagnosis
from loadsim.report.facts import VERDICTS, headline, objective_lines
from loadsim.report.findings import findings
from loadsim.run.load import LoadOutcome, run_load

State = Literal["starting", "running", "stopping", "judging", "done", "failed", "cancelled"]
PERIOD_S = 0.5
KEPT_POINTS = 7_200
"""An hour at 2 Hz; of a longer run the latest."""
OVER = frozenset({"done", "failed", "cancelled"})


class LiveRun:
    """A run from the button to its verdict."""

    def __init__(self, number: int, spec: RunSpec, command: str) -> None:
        self.number = number
        self.command = command
        self.spec = msgspec.structs.replace(spec, frame_s=PERIOD_S)
        self.state: State = "starting"
        self.text = ""
        self.notes: list[str] = []
        self.outcome: LoadOutcome | None = None
        self.first = 0
        """The number of the first point that is kept."""
        self.points: deque[dict[str, Any]] = deque(maxlen=KEPT_POINTS)
        self.plan = self.spec.shown_plan()
        self._run: Run | None = None
        self._before: Progress | None = None
        self._rates: dict[str, float | None] = dict.fromkeys(("due_rate", "sent_rate", "done_rate", "failed_rate"))
        self._changed = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._execute())

    @property
    def name(self) -> str:
        """The scenario's."""
        return self.spec.scenario.name

    @property
    def over(self) -> bool:
        """Nothing more will happen."""
        return self.state in OVER

    def stop(self) -> None:
        """First: release nothing more, let what is under way end, keep the result. Again: end at once."""
        if self.over or self.state == "judging":
            return
        if self._run is None or not self._run.started.is_set():
            self.task.cancel()
            return
        self._run.interrupt()
        self._tell("stopping")

    async def changed(self, seconds: float) -> bool:
        """Wait until there is news; False when there was none for so long."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def document(self) -> dict[str, Any]:
        """The state, for the page."""
        duration = self.plan.duration_ns
        result = None if self.outcome is None else self.outcome.result
        return {
            "number": self.number,
            "name": self.name,
            "state": self.state,
            "text": self.text,
            "notes": self.notes,
            "model": self.plan.model,
            "duration_s": None if duration is None else duration / NS_PER_S,
            "directory": None if self.outcome is None else self.outcome.directory.name,
            "outcome": None if result is None else result.verdict.outcome,
            "verdict": None if result is None else VERDICTS[result.verdict.outcome],
            "headline": None if result is None else headline(result),
            "reasons": [] if result is None else reasons_of(result),
            "exit_code": None if result is None else exit_code(result, interrupted=result.run.interrupted),
        }

    # -- the run ------------------------------------------------------------------------------------------------------

    async def _execute(self) -> None:
        try:
            self.outcome = await run_load(self.spec, self._watch)
        except LoadsimError as error:
            self._tell("failed", str(error))
        except asyncio.CancelledError:
            self._tell("cancelled", "stopped before the first event: nothing was sent")
        except Exception as error:
            self._tell("failed", f"an error of loadsim's own: {type(error).__name__}")
            raise
        else:
            self._tell("done")

    @contextlib.asynccontextmanager
    async def _watch(self, run: Run) -> AsyncIterator[None]:
        self._run = run
        run.say = self.notes.append
        sampling = asyncio.get_running_loop().create_task(self._sample(run))
        try:
            yield
        finally:
            if not run.ended.is_set():
                sampling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sampling

    async def _sample(self, run: Run) -> None:
        """Half-way between two frames, so that none is missed when one of them is late."""
        await run.started.wait()
        self._tell("running")
        while not run.ended.is_set():
            progress = run.progress()
            self._take(progress)
            with contextlib.suppress(TimeoutError):
                rest = PERIOD_S - (progress.elapsed_s + PERIOD_S / 2) % PERIOD_S
                await asyncio.wait_for(run.ended.wait(), rest)
        self._take(run.progress())
        self._tell("judging")

    def _take(self, progress: Progress) -> None:
        before = self._before
        fresh = before is None or progress.as_of_s > before.as_of_s
        if fresh:
            self._count_rates(before, progress)
            self._before = progress
        if len(self.points) == KEPT_POINTS:
            self.first += 1
        self.points.append(self._point(progress, fresh=fresh))
        self._wake()

    def _count_rates(self, before: Progress | None, now: Progress) -> None:
        """Over the time from frame to frame; a frame that comes right after another is too short a time."""
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
        last = progress.last_second
        return {
            "at": progress.as_of_s,
            "elapsed": max(0.0, progress.elapsed_s),
            "fresh": fresh,
            "phase": self._phase(progress.elapsed_s),
            "planned": progress.planned,
            "sent": progress.sent,
            "done": progress.done,
            "succeeded": progress.succeeded,
            "failed_status": progress.failed_status,
            "errors": progress.errors,
            "in_flight": progress.in_flight,
            "queued": progress.queued,
            **self._rates,
            "p50": last.p50_ms,
            "p99": last.p99_ms,
            "max": last.max_ms,
            "lag": last.lag_p99_ms,
            "total_p50": progress.total.p50_ms,
            "total_p99": progress.total.p99_ms,
            "lost": list(progress.lost_shards),
        }

    def _phase(self, elapsed_s: float) -> str:
        now_ns = elapsed_s * NS_PER_S
        return next((p.name for p in self.plan.phases if p.end_ns is None or now_ns < p.end_ns), "draining")

    def _tell(self, state: State, text: str = "") -> None:
        self.state, self.text = state, text
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def reasons_of(result: RunResult) -> list[str]:
    """What stands behind a verdict that is no pass, in sentences."""
    missed = [f"{line.text}: {line.observed}" for line in objective_lines(result) if line.passed is False]
    return [*result.validity.reasons, *missed, *diagnosis(result), *findings(result)]


def _failed(progress: Progress) -> int:
    return progress.failed_status + progress.errors


class Stand:
    """Where runs are started: one at a time, since two would measure each other."""

    def __init__(self) -> None:
        self.run: LiveRun | None = None
        self._number = 0

    def start(self, spec: RunSpec, command: str) -> LiveRun:
        """Begin. Raises UsageError while another run goes on."""
        self.refuse_second()
        self._number += 1
        self.run = LiveRun(self._number, spec, command)
        return self.run

    def refuse_second(self) -> None:
        """Raise UsageError while a run goes on."""
        if self.run is not None and not self.run.over:
            raise UsageError(f"{self.run.name} is still running, and two runs would measure each other: stop it first")

    async def close(self) -> None:
        """Stop in order what is going on, and wait for its result."""
        if self.run is not None and not self.run.over:
            self.run.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await self.run.task

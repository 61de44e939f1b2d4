"""One load run: checks the endpoint, starts the shards, follows them, and returns the result, not yet judged."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from loadsim.engine.descriptor_limit import RESERVED
from loadsim.launch.collect import NOBODY, Collector, PerEvent
from loadsim.launch.environment import environment, processor_time, steal_share
from loadsim.launch.launcher import Intake, Launcher
from loadsim.launch.local_shards import LocalShards
from loadsim.launch.objective_watch import ObjectiveWatch
from loadsim.launch.result_of_frames import RunFacts, result_of, stopped_ns_of, stratum_names
from loadsim.measure.cells import Cells, Metric
from loadsim.measure.moments import Moments
from loadsim.measure.progress import EffectCounts, Progress, SoFar
from loadsim.measure.result import RunResult
from loadsim.measure.result_verdict import Aborted
from loadsim.model import NS_PER_S, LoadsimError, own_fault
from loadsim.plan import Plan, RunSpec
from loadsim.plan.retry_schedule import profile_of


class BrokenRunError(LoadsimError):
    """An error after the first event. `result` has the measurements until then, not judged."""

    def __init__(self, cause: Exception, result: RunResult) -> None:
        super().__init__(f"the run was ended: {own_fault(cause)}")
        self.exit_code = cause.exit_code if isinstance(cause, LoadsimError) else LoadsimError.exit_code
        self.result = result


class Run:
    """A run that can be watched and interrupted."""

    def __init__(
        self,
        spec: RunSpec,
        launcher: Launcher | None = None,
        *,
        per_event: PerEvent = NOBODY,
        on_cells: Callable[[Cells], None] | None = None,
    ) -> None:
        """`launcher` is used for this run only (default: the one for its cluster). `per_event` gets the packed rows of
        shards where `spec.raw`, `spec.noted`, `spec.watches_effects` and `spec.sends_spans` are set, `on_cells` the
        cells of every frame."""
        self.spec = spec
        self.plan = spec.plan()
        self._launcher = launcher_for(spec) if launcher is None else launcher
        self._per_event, self._on_cells = per_event, on_cells
        self.shards = 0
        """Number of shards; 0 before the run has started."""
        self.interrupted = False
        self.aborted: Aborted | None = None
        """The objective that ended the run, if one did."""
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        """Every shard is done or lost: only the result remains to be made."""
        self.settled = asyncio.Event()
        """Its effects are waited for no longer, where they are watched."""
        self.say: Callable[[str], None] = lambda _: None
        """Called with lines about limits before the first event, and with the reason of an early end."""
        self.tell: Callable[[str], None] = lambda _: None
        """Called with lines about lost hosts, at any time."""
        self.effects: Callable[[], EffectCounts] | None = None
        """The counts of the run's effects by now, where they are watched."""
        self.cut_short: Callable[[], None] = lambda: None
        """Called when the run is interrupted after its load."""
        self._names = stratum_names(self.plan)
        self._watch = ObjectiveWatch(self.plan, self._names, spec.objectives)
        self._collector: Collector
        self._start_ns = self._began_ns = 0
        self._processors = processor_time()
        self._stops: set[asyncio.Task[None]] = set()
        self._failure: Exception | None = None
        """The first error after the start."""

    async def execute(self, on_frame: Callable[[], None] = lambda: None) -> RunResult:
        """Run the whole plan and return its result, not yet judged.

        Raises UnreachableError when nothing answers the first connection, UsageError for settings that turn
        out to be impossible only now. A lost shard raises nothing: it is in the result. Any other error after the first
        event, also of `on_frame`, ends the run in order and becomes a BrokenRunError with the result.
        """
        spec, plan, launcher = self.spec, self.plan, self._launcher
        launcher.say = self.tell
        target = plan.scenario.target

        def heard() -> None:
            try:
                self._look()
                on_frame()
            except Exception as error:  # noqa: BLE001 - after any error the measurements so far are kept
                self._fail(error)

        try:
            self.shards = await launcher.reserve(_most_shards(plan))
            if target.preflight or target.http == "auto":
                http = await launcher.check_endpoint(target, spec.key_password)
                spec = self.spec = msgspec.structs.replace(spec, http=http)
            self._collector = Collector(
                *(plan.strata, self.shards, self._per_event, self._count, spec.frame_s),
                watched=self._names.select(expect="accept"),
            )
            self._watch.count_windows(self._collector.lateness)
            intake = Intake(self._collector, heard)
            self._processors = processor_time()
            self._start_ns, self._began_ns = await launcher.start(spec, self.shards, intake, self._warn)
            self.started.set()
            if self.interrupted:
                self._stop(drain=True)
            await self._to_the_end()
        finally:
            await self._close()
        if self._failure is not None:
            for state in self._collector.states:
                self._collector.lose(state.number, own_fault(self._failure))
        self.ended.set()
        result = await asyncio.to_thread(self._result, self._facts())  # a large run's takes its time
        if self._failure is not None:
            raise BrokenRunError(self._failure, result) from self._failure
        return result

    def _count(self, cells: Cells) -> None:
        self._watch.add(cells)
        if self._on_cells is not None:
            self._on_cells(cells)

    async def _to_the_end(self) -> None:
        try:
            await self._launcher.wait()
        except Exception as error:  # noqa: BLE001 - as above
            self._failure = self._failure or error

    async def _close(self) -> None:
        try:
            await self._launcher.close()
        except Exception as error:
            if not self.started.is_set():
                raise
            self._failure = self._failure or error

    def _fail(self, error: Exception) -> None:
        """End at once, but in order: the shards still send their last frames."""
        if self._failure is None:
            self._failure = error
            self._stop(drain=False)

    def _result(self, facts: RunFacts) -> RunResult:
        result = result_of(self._collector, facts)
        courses = self._watch.courses(stopped_ns_of(self._collector, self.plan), self._collector.merged)
        return msgspec.structs.replace(result, windows=courses)

    def interrupt(self) -> None:
        """First call: release no more events and drain. Second: end at once. After the load: wait no longer for what
        the run still waits for. No effect on a run that has ended.

        A run that has not started yet stops as soon as it has.
        """
        if self.ended.is_set():
            self.cut_short()
            return
        if self.started.is_set():
            self._stop(drain=not self.interrupted)
        self.interrupted = True

    def _look(self) -> None:
        """End the run in order when an objective with `abort` cannot be met any more."""
        if self.aborted is not None or self.interrupted:
            return
        breach = self._watch.check(self._collector)
        if breach is not None:
            self.abort(breach)

    def abort(self, breach: Aborted) -> None:
        """End the run in order, since an objective cannot be met any more."""
        if self.aborted is None and not self.interrupted and not self.ended.is_set():
            self.aborted = breach
            self.say(f"ending the run: {breach.objective}: {breach.why}")
            self._stop(drain=True)

    def _stop(self, *, drain: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._launcher.stop(drain=drain))
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)

    def progress(self) -> Progress:
        """The progress of the run."""
        progress = self._collector.progress(self._elapsed_ns() / NS_PER_S)
        return progress if self.effects is None else replace(progress, effects=self.effects())

    @property
    def began(self) -> tuple[int, int]:
        """The agreed start on the wall clock, ns since 1970, and when releasing ended, by the same clock."""
        return self._start_ns, self._start_ns + stopped_ns_of(self._collector, self.plan)

    @property
    def began_monotonic_ns(self) -> int:
        """The agreed start on this process's monotonic clock."""
        return self._began_ns

    def so_far(self, strata: Sequence[int]) -> SoFar:
        """The counts of some strata by the latest frames."""
        return self._collector.so_far(strata)

    def moments(self, metric: Metric, strata: Sequence[int]) -> Moments | None:
        """The exact moments of a latency over some strata by the latest frames; None without samples."""
        return self._collector.merged.moments(metric, strata)

    def _elapsed_ns(self) -> int:
        """Time since the agreed start; below 0 before it. Measured without the wall clock, which may be changed."""
        return time.monotonic_ns() - self._began_ns if self._began_ns else 0

    def _warn(self) -> None:
        """Once every shard is ready, report what will differ from the scenario, such as fewer connections."""
        plan = self.plan
        for line in self._watch.powerless():
            self.say(line)
        if _one_watch(plan) and self._launcher.offered > 1:
            self.say(
                "one worker is used: this retry profile may switch the endpoint off, which depends on all deliveries "
                "([retry] switch_off = false allows more workers)"
            )
        most = max([plan.scenario.target.connections, *(phase.connections or 0 for phase in plan.phases)])
        wanted = -(-most // self.shards)
        allowed = self._collector.descriptors()
        if allowed is not None and allowed < wanted:
            self.say(
                f"the descriptor limit allows {allowed:,} connections per process, the scenario may open {wanted:,}: "
                f"raise it (ulimit -n {wanted + RESERVED}), use more workers, or ask for fewer connections"
            )

    def _facts(self) -> RunFacts:
        return RunFacts(
            spec=self.spec,
            plan=self.plan,
            started_at=_iso(self._start_ns),
            ended_at=_iso(self._start_ns + max(0, self._elapsed_ns())),
            workers=self.shards,
            interrupted=self.interrupted,
            aborted=self.aborted,
            environment=msgspec.structs.replace(environment(), compiled=self._collector.compiled),
            steal_share=steal_share(self._processors, processor_time()),
        )


def launcher_for(spec: RunSpec) -> Launcher:
    """The launcher for the run's cluster, or for this machine."""
    if spec.cluster is None:
        return LocalShards(spec.workers)
    from loadsim.launch.dask.shards import DaskShards

    return DaskShards(spec.cluster)


def _one_watch(plan: Plan) -> bool:
    """Whether an endpoint is switched off is one provider's view of all its deliveries: one shard must see them."""
    return plan.scenario.retry is not None and profile_of(plan.scenario.retry).switch_off is not None


def _most_shards(plan: Plan) -> int:
    """Each shard needs a connection, and one shard needs all those of a volley."""
    if _one_watch(plan):
        return 1
    connections = min(
        [phase.connections for phase in plan.phases if phase.connections] + [plan.scenario.target.connections]
    )
    copies = max((case.copies or 1 for case in plan.scenario.cases), default=1)
    return max(1, connections // copies)


def _iso(wall_ns: int) -> str:
    moment = datetime.datetime.fromtimestamp(wall_ns / NS_PER_S, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

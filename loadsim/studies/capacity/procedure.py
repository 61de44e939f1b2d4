"""The highest rate that meets the objectives: one run per rate, each with a settle time that is not measured.

`search` chooses the rates, `judgement` judges the steps. The result of each step is stored before the next one starts,
so that nothing is lost when the search ends early (Ctrl-C, an endpoint that stops).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from loadsim import __version__
from loadsim.judge import evaluate
from loadsim.launch.collect import PerEvent
from loadsim.launch.environment import environment
from loadsim.launch.result_files import run_directory, write_whole
from loadsim.launch.run_lifecycle import BrokenRunError, Run
from loadsim.measure.result import RunResult, dump_result
from loadsim.measure.stored_json import stored_json
from loadsim.model import NS_PER_S, Objective, UnreachableError, own_fault
from loadsim.plan import Phase, Plan, RunSpec, Scenario, format_rate, redact_url
from loadsim.plan.arrivals import process_of
from loadsim.plan.event_kinds import event_kinds
from loadsim.report.report_formats import report_files
from loadsim.run.effects.of_run import looking, watch_of, with_effects
from loadsim.run.run_ids import new_id
from loadsim.run.run_store_judge import receiving
from loadsim.studies.capacity.estimate import Look, pooled
from loadsim.studies.capacity.judgement import (
    FALLING,
    StepVerdict,
    cannot_pass,
    events_needed,
    judge_step,
    judged_percentiles,
    look_of,
    share_of,
)
from loadsim.studies.capacity.report import capacity_report, rate_words
from loadsim.studies.capacity.result import SCHEMA, CapacityResult, Ending, StepRow
from loadsim.studies.capacity.search import Outcome, RateSearch, Trial
from loadsim.studies.save import utc_now
from loadsim.studies.steps_left import step_line

if TYPE_CHECKING:
    from loadsim.receiver.embedded import RunningReceiver

SETTLE, STEP = "settle", "step"
MOST_STEPS = 40
"""Largest number of steps, for endpoints whose answers contradict each other."""
_LOOKS = 3
"""Number of attempts at a rate without a clear outcome, and at an endpoint that does not answer."""
_BUSY = 0.9
"""From this share of its core on, a late generator was at its own limit; below, something else delayed it."""
_LOOK_AGAIN_S = 1.0
_LONGEST_REST_S = 30.0


@dataclass(frozen=True)
class CapacityRequest:
    """The settings of a search. Rates in events per second, times in ns."""

    load: RunSpec
    lowest: Fraction
    highest: Fraction | None
    step_ns: int
    settle_ns: int
    precision: Fraction
    by_effects: bool = False
    """A step passes only if the backlog does not grow."""


@dataclass(frozen=True)
class CapacityOutcome:
    """The result of a search, and its directory."""

    result: CapacityResult
    directory: Path


@dataclass
class CapacitySearch:
    """A search that can be interrupted."""

    request: CapacityRequest
    say: Callable[[str], None]
    """Gets what has to stay on a terminal."""
    progress: Callable[[str], None] = lambda _: None
    """Gets a line for each step and how it came out; the next one replaces it on a terminal."""
    interrupted: bool = False
    steps: list[StepRow] = field(default_factory=list)
    _decided: dict[Fraction, str] = field(default_factory=dict)
    """Why a rate failed that took several steps to judge."""
    _run: Run | None = None
    _directory: Path | None = None
    _rest_s: float = 0.0
    _receiver: RunningReceiver | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def interrupt(self) -> None:
        """First call: let events in flight end. Second: end at once."""
        self.interrupted = True
        self._wake.set()
        if self._run is not None:
            self._run.interrupt()

    async def execute(self) -> CapacityOutcome:
        """Search, and store every step. Raises UnreachableError when nothing answers before the first step."""
        request = self.request
        load = request.load
        self._id = new_id(f"capacity-{load.scenario.name}")
        self._started = utc_now()
        self._search = search = RateSearch(request.lowest, request.highest, request.precision)
        lost = ""
        async with receiving(load) as (load, receiver):
            self._receiver = receiver
            while not self.interrupted and len(self.steps) < MOST_STEPS and (trial := search.next()) is not None:
                try:
                    verdict = await self._try(trial, load)
                except Exception as error:
                    if not self.steps:
                        raise
                    lost = _why_lost(error, len(self.steps))
                    break
                if not self.interrupted:
                    search.tell(trial, _outcome(verdict))
        return self._keep(search, lost)

    # -- one step -----------------------------------------------------------------------------------------------------

    async def _try(self, trial: Trial, load: RunSpec) -> StepVerdict:
        """Run one rate; look again, for longer, when that was not clear, and when the generator was only disturbed."""
        longer, second_look = 2 if trial.kind in ("confirming", "refining") else 1, False
        for _ in range(_LOOKS):
            verdict, result = await self._step(trial, load, longer=longer)
            if self.interrupted or verdict.outcome == "fail" or (verdict.outcome == "pass" and not second_look):
                break
            if verdict.outcome in ("pass", "unclear"):
                if trial.kind == "refining":
                    break
                if second_look:
                    return self._together(trial.rate, verdict, result)
                longer, second_look = 2 * longer, True
            elif (result.limits.generator_cpu_share or 0.0) >= _BUSY:
                break  # it was at its limit, and would be again
            else:
                self.progress(f"        {rate_words(float(trial.rate))} is tried again: the generator was disturbed")
        return verdict

    def _together(self, rate: Fraction, last: StepVerdict, result: RunResult) -> StepVerdict:
        """The verdict of all steps of a rate, of which none is clear by itself."""
        excess = pooled(self._search.looks_at(rate))
        others = [row.text for row in result.verdict.objectives if not row.passed and share_of(result, row) is None]
        if last.why.startswith(FALLING):
            verdict = replace(last, outcome="fail")
        elif others:
            verdict = StepVerdict("fail", f"missed: {', '.join(others)}")
        elif excess > 1:
            verdict = StepVerdict("fail", f"both steps together had {excess:.2g} times the bad events that are allowed")
        else:
            verdict = StepVerdict("pass")
        self._decided[rate] = verdict.why
        self.progress(f"        both steps together: {verdict.outcome}{': ' if verdict.why else ''}{verdict.why}")
        return verdict

    async def _step(self, trial: Trial, load: RunSpec, *, longer: int) -> tuple[StepVerdict, RunResult]:
        number = len(self.steps) + 1
        spec = msgspec.structs.replace(
            load,
            run_id=f"{self._id}-{number:02d}",
            scenario=self.scenario_at(trial.rate, longer=longer),
            watches_effects=self.request.by_effects,
            seed=load.seed + number,  # other ids each time: an endpoint may drop what it knows
            # a step is ended early by the search's own rules
            objectives=tuple(replace(objective, abort=False) for objective in load.objectives),
        )
        self.progress(self._step_line(number, trial, longer))
        await self._rest()
        watch = _Watch(spec.plan(), load.objectives, float(trial.rate))
        broken = None
        try:
            result = await self._reached(lambda: self._fire(spec, watch))
        except BrokenRunError as error:
            result, broken = error.result, error
        stopped = watch.cannot_pass
        judged = evaluate(result, load.objectives, load.scenario.validity)
        verdict = judge_step(judged, stopped=stopped)
        if broken is not None:
            verdict = replace(verdict, outcome="invalid", why=str(broken))
        look = look_of(judged, float(trial.rate), planned=watch.events)
        if verdict.outcome != "invalid" and not self.interrupted:
            self._search.look(look)
        self._store(number, trial, judged, verdict, look, stopped_early=bool(stopped))
        if broken is not None:
            raise broken
        left, rate = result.totals.unfinished, result.totals.rate_completed
        self._rest_s = min(left / rate, _LONGEST_REST_S) if left and rate else 0.0
        if result.effects is not None and result.effects.forecast is not None:
            self._rest_s = min(result.effects.forecast.left_s, _LONGEST_REST_S)
        return verdict, judged

    def _step_line(self, number: int, trial: Trial, longer: int) -> str:
        """A repeated step is one more than planned."""
        what = f"{rate_words(float(trial.rate))} ({trial.kind})"
        planned = self._search.planned()
        if planned is None:
            return step_line(number, None, None, what)
        times = [longer, *(2 if kind in ("confirming", "refining") else 1 for kind in planned[1:])]
        step_ns = max(self.request.step_ns, int(self._needed() / trial.rate * NS_PER_S))
        left_ns = sum(step_ns * each + self.request.settle_ns for each in times)
        return step_line(number, number + len(planned) - 1, left_ns / NS_PER_S, what)

    def scenario_at(self, rate: Fraction, *, longer: int = 1) -> Scenario:
        """The request's scenario with its phases replaced by a settle time and one step at this rate."""
        request = self.request
        base = request.load.scenario
        duration = max(request.step_ns, int(self._needed() / rate * NS_PER_S)) * longer
        model = next((p for p in base.phases if p.record and p.model == "open"), None)
        # a recording has a pace of its own: only its bodies can be sent at another
        keeps = model is not None and process_of(model).has_rate
        phases = [Phase(name=STEP, duration=duration, rate=rate)]
        if model is not None and keeps:
            keys = ("arrivals", *process_of(model).keys)
            phases = [msgspec.structs.replace(phases[0], **{key: getattr(model, key) for key in keys})]
        if request.settle_ns:
            phases.insert(0, Phase(name=SETTLE, duration=request.settle_ns, rate=rate, record=False))
        return msgspec.structs.replace(
            base,
            name=f"{base.name} at {rate_words(float(rate))}",
            phases=tuple(phases),
            target=msgspec.structs.replace(base.target, preflight=True),
        )

    def _needed(self) -> float:
        load = self.request.load
        kinds = event_kinds(load.scenario.events, load.recorded)
        whole = sum(kind.weight for kind in kinds)
        return events_needed(load.objectives, {kind.name: kind.weight / whole for kind in kinds})

    async def _fire(self, spec: RunSpec, watch: _Watch) -> RunResult:
        effects = await watch_of(spec, self._receiver) if self.request.by_effects else None
        self._run = run = Run(spec, per_event=PerEvent(deliveries=None if effects is None else effects.add_deliveries))
        try:
            async with looking(effects, run):
                result = await run.execute(lambda: watch.check(run))
                return await with_effects(result, effects, run, wait=not self.interrupted)
        finally:
            self._run = None

    async def _reached(self, fire: Callable[[], Awaitable[RunResult]]) -> RunResult:
        """An endpoint that was overloaded a moment ago may need a second before it takes connections again."""
        for look in range(_LOOKS):
            try:
                return await fire()
            except UnreachableError:
                if not self.steps or look == _LOOKS - 1 or self.interrupted:
                    raise
                await self._pause(_LOOK_AGAIN_S)
        raise AssertionError("unreachable")

    async def _rest(self) -> None:
        """Wait until the endpoint has processed the events that the last step left."""
        if self._rest_s:
            self.progress(f"        pause of {self._rest_s:.1f} s: the endpoint still has events of the last step")
            await self._pause(self._rest_s)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass  # no interrupt came

    # -- keeping ------------------------------------------------------------------------------------------------------

    def _store(
        self, number: int, trial: Trial, result: RunResult, verdict: StepVerdict, look: Look, *, stopped_early: bool
    ) -> None:
        if self._directory is None:
            self._directory = run_directory(self.request.load.out, self._id)
        rate = format_rate(trial.rate).replace("/", "-per-")
        name = f"step-{number:02d}-{rate}.json"
        write_whole(self._directory / name, dump_result(result))
        response = result.totals.latency_ms.get("response")
        outcome = "interrupted" if self.interrupted else verdict.outcome
        row = StepRow(
            number=number,
            kind=trial.kind,
            rate=float(trial.rate),
            outcome=outcome,
            why=verdict.why,
            stopped_early=stopped_early,
            duration_s=result.totals.duration_s,
            events=result.totals.sent,
            rate_completed=result.totals.rate_completed,
            success_rate=result.totals.success_rate,
            p50_ms=response.p50 if response else None,
            p99_ms=response.p99 if response else None,
            p99_ci95=(response.ci95 or {}).get("p99") if response else None,
            lag_p99_ms=result.limits.lag_p99_ms,
            result=name,
            excess=look.excess,
            judged_ms=judged_percentiles(result),
        )
        self.steps.append(row)
        self.progress(f"        {outcome}{': ' if verdict.why else ''}{verdict.why}")

    def _keep(self, search: RateSearch, lost: str) -> CapacityOutcome:
        request = self.request
        ending, reason = self._ending(search, lost)
        rate = search.answer if ending == "found" else search.best
        result = CapacityResult(
            schema=SCHEMA,
            id=self._id,
            name=request.load.scenario.name,
            started_at=self._started,
            ended_at=utc_now(),
            version=__version__,
            seed=request.load.seed,
            workers=request.load.workers,
            target=redact_url(request.load.scenario.target.url),
            objectives=[objective.text for objective in request.load.objectives],
            lowest=float(request.lowest),
            highest=None if request.highest is None else float(request.highest),
            precision=float(request.precision),
            ending=ending,
            rate=None if rate is None else float(rate),
            at_least=ending == "found" and search.bound == "asked",
            reason=reason,
            steps=self.steps,
            environment=environment(),
            rate_ci95=search.interval if ending == "found" else None,
            estimated=ending == "found" and search.estimated,
        )
        directory = self._directory or run_directory(request.load.out, self._id)
        write_whole(directory / "capacity.json", stored_json(result))
        for name, content in report_files(capacity_report(result)).items():
            write_whole(directory / name, content)
        return CapacityOutcome(result, directory)

    def _ending(self, search: RateSearch, lost: str) -> tuple[Ending, str]:
        best = None if search.best is None else float(search.best)
        held = f"the endpoint sustained {rate_words(best)}" if best else "no rate had passed"
        if lost:
            return "lost", f"{lost}; before, {held}"
        if self.interrupted:
            return "interrupted", f"interrupted; so far {held}"
        if search.answer is not None:
            if search.bound == "asked":
                return "found", "it is the highest rate given; the endpoint may sustain more"
            if search.estimated:
                return "found", "estimated from all steps: near this rate a step passes or fails by chance"
            return "found", f"at {rate_words(float(search.ceiling or 0))}: {self._why(search.ceiling)}"
        if search.bound == "generator":
            could = f"up to {rate_words(best)} it kept up and {held}" if best else held
            where = f"{rate_words(float(search.ceiling or 0))}: {self._why(search.ceiling)}"
            return "generator", f"the generator was the limit at {where}; {could}"
        if search.next() is not None:
            return "none", f"no rate was confirmed in {MOST_STEPS} steps: the endpoint's answers contradict each other"
        lowest = self.request.lowest
        return "none", f"even the lowest rate, {rate_words(float(lowest))}, fails: {self._why(lowest)}"

    def _why(self, rate: Fraction | None) -> str:
        """Why a rate did not pass."""
        rows = (row.why for row in reversed(self.steps) if rate is not None and row.rate == float(rate))
        return self._decided.get(rate or Fraction(0)) or next(rows, "")


def _why_lost(error: Exception, steps: int) -> str:
    """Why the search ended, after `steps` stored steps."""
    if isinstance(error, UnreachableError):
        return f"the endpoint stopped answering at step {steps + 1}: {error}"
    return f"after {steps} steps: {own_fault(error)}"


class _Watch:
    """Checks a step at each frame of its shards, and ends it when it cannot pass any more."""

    def __init__(self, plan: Plan, objectives: tuple[Objective, ...], rate: float) -> None:
        number = len(plan.phases) - 1
        refused = {case.kind for case in plan.scenario.cases if case.expect != "accept"}
        self._strata = [
            stratum
            for stratum in range(plan.strata)
            if plan.unpack(stratum)[0] == number and plan.cases[plan.unpack(stratum)[2]] not in refused
        ]
        share = 1 - sum(case.share for case in plan.scenario.cases if case.kind in refused)
        self.events = (plan.expected_events(number) or 0.0) * share
        self._objectives = objectives
        self._rate = rate
        self.cannot_pass = ""

    def check(self, run: Run) -> None:
        """Stop the run if its step cannot pass any more."""
        if self.cannot_pass or run.interrupted:
            return
        seen = run.so_far(self._strata)
        self.cannot_pass = cannot_pass(
            self._objectives, seen.response, seen.codes, events=self.events, backlog_s=seen.in_flight / self._rate
        )
        if self.cannot_pass:
            run.interrupt()


def _outcome(verdict: StepVerdict) -> Outcome:
    """The outcome for the search. A single step that is not clear counts as failed."""
    if verdict.outcome == "invalid":
        return "generator"
    return "pass" if verdict.outcome == "pass" else "fail"

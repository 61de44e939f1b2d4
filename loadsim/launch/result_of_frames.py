"""Makes the RunResult from the collected frames: names, durations and one row per shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from loadsim import __version__
from loadsim.launch.collect import Collector, ShardState
from loadsim.measure.after_pause import after_pause
from loadsim.measure.assemble import LimitInputs, assemble
from loadsim.measure.cells import Metric, layout, unit_ns
from loadsim.measure.hdr import percentile
from loadsim.measure.named_events import Named, Naming, merged
from loadsim.measure.result import Environment, RunInfo, RunResult
from loadsim.measure.result_generator import ShardRow
from loadsim.measure.result_verdict import Aborted
from loadsim.measure.retries import RetryScope
from loadsim.measure.strata import StratumNames
from loadsim.measure.trace_ids import TraceIds
from loadsim.model import NS_PER_MS, NS_PER_S, counted
from loadsim.plan import Plan, RunSpec, redacted
from loadsim.plan.pauses import resumed_phases
from loadsim.plan.providers import DEADLINES_NS
from loadsim.plan.retry_schedule import profile_of

MB = 1_000_000


@dataclass(frozen=True)
class RunFacts:
    """Facts about the run that are not in the frames."""

    spec: RunSpec
    plan: Plan
    started_at: str
    ended_at: str
    workers: int
    interrupted: bool
    aborted: Aborted | None
    environment: Environment
    steal_share: float | None
    """Of this machine's processors, by a hypervisor, while the run went on."""


def stratum_names(plan: Plan, durations_ns: Sequence[int | None] | None = None) -> StratumNames:
    """The names of a plan's strata; `durations_ns` where they are known already."""
    return StratumNames(
        phases=tuple(phase.name for phase in plan.phases),
        types=plan.types,
        cases=plan.cases,
        recorded=tuple(phase.record for phase in plan.phases),
        durations_ns=(None,) * len(plan.phases) if durations_ns is None else tuple(durations_ns),
        expects=("accept", *(case.expect or "refuse" for case in plan.scenario.cases)),
    )


def stopped_ns_of(collector: Collector, plan: Plan) -> int:
    """When releasing ended, ns since the start: by the latest shard."""
    stops = [state.stopped_ns for state in collector.states if state.stopped_ns is not None]
    seen = [state.frame.elapsed_ns for state in collector.states if state.lost and state.frame is not None]
    latest = max([*stops, *seen], default=0)
    return latest if plan.duration_ns is None else min(latest, plan.duration_ns)


def result_of(collector: Collector, facts: RunFacts) -> RunResult:
    """The result, not yet judged."""
    spec, plan = facts.spec, facts.plan
    stopped_ns = stopped_ns_of(collector, plan)
    durations = _durations(plan, stopped_ns)
    recorded_ns = sum(ns for ns, phase in zip(durations, plan.phases, strict=True) if phase.record)
    names = stratum_names(plan, durations)
    result = assemble(
        collector.merged,
        names,
        planned=collector.planned(),
        run=RunInfo(
            id=spec.run_id,
            name=plan.scenario.name,
            started_at=facts.started_at,
            ended_at=facts.ended_at,
            seed=plan.seed,
            version=__version__,
            model=plan.model,
            workers=facts.workers,
            interrupted=facts.interrupted,
            aborted=facts.aborted,
            scenario=redacted(spec.scenario.document()),
            epoch_ms=None if spec.epoch_ns is None else spec.epoch_ns // NS_PER_MS,
            allow_lost=spec.allow_lost,
            tags=spec.tags,
            scale=spec.scale,
            http="2" if spec.fired.target.http == "2" else "1.1",
            captures={name: capture.digest() for name, capture in spec.recorded.items()},
        ),
        environment=facts.environment,
        shards=[_row(collector, state) for state in collector.states],
        samples=collector.samples,
        limits=LimitInputs(
            connections=_allowed_connections(plan),
            connections_peak=collector.peak_connections(),
            saturated_share=_saturated_share(collector, recorded_ns),
            generator_cpu_share=max(
                (share for s in collector.states if (share := _cpu_share(s)) is not None), default=None
            ),
            shortage=_shortage(collector),
            steal_share=facts.steal_share,
        ),
        deadlines=DEADLINES_NS,
        named=_named(collector, facts, names),
        lateness=collector.lateness,
        extra_unfinished=collector.extra_unfinished(),
        retries=[state.frame.retries for state in collector.states if state.frame and state.frame.retries],
        retry_scope=_retry_scope(plan, durations, collector.planned()),
        addresses=[row for state in collector.states if state.frame for row in state.frame.addresses],
        connections=[
            msgspec.structs.replace(row, shard=state.number)
            for state in collector.states
            if state.frame
            for row in state.frame.connection_rows
        ],
        volleys=[state.frame.volleys for state in collector.states if state.frame and state.frame.volleys],
    )
    resumed = [after_pause(result, *each) for each in resumed_phases(plan)]
    return msgspec.structs.replace(result, after_pause=[row for row in resumed if row is not None])


def _named(collector: Collector, facts: RunFacts, names: StratumNames) -> Named:
    scenario = facts.plan.scenario
    trace = scenario.trace
    naming = Naming(names, frozenset(number for number, case in enumerate(scenario.cases, 1) if case.copies))
    if trace is not None:
        naming = replace(naming, traces=TraceIds(facts.spec.run_id, trace.sampled), page_of=trace.page_of)
    return merged((state.frame.named for state in collector.states if state.frame is not None), naming)


def _retry_scope(plan: Plan, durations: list[int], planned: list[int]) -> RetryScope | None:
    """The retries of the result; None without a retry profile."""
    retry = plan.scenario.retry
    if retry is None:
        return None
    profile = profile_of(retry)
    strata = tuple(stratum for stratum in range(plan.strata) if plan.unpack(stratum)[2] == 0)
    busy = {plan.unpack(stratum)[0] for stratum in strata if planned[stratum]}
    return RetryScope(
        profile=profile.name,
        title=profile.title,
        time_scale=retry.time_scale,
        modelled=profile.modelled,
        strata=strata,
        duration_ns=sum(durations[phase] for phase in busy),
    )


def _allowed_connections(plan: Plan) -> int:
    closed = [phase.connections for phase in plan.phases if phase.connections and phase.record]
    return max(closed) if plan.model == "closed" and closed else plan.scenario.target.connections


def _durations(plan: Plan, stopped_ns: int) -> list[int]:
    """The actual duration of each phase."""
    ends = [stopped_ns if phase.end_ns is None else min(phase.end_ns, stopped_ns) for phase in plan.phases]
    return [max(0, end - phase.start_ns) for end, phase in zip(ends, plan.phases, strict=True)]


def _saturated_share(collector: Collector, recorded_ns: int) -> float | None:
    frames = [state.frame for state in collector.states if state.frame is not None]
    if not frames or not recorded_ns:
        return None
    return min(1.0, sum(frame.saturated_ns for frame in frames) / len(frames) / recorded_ns)


def _shortage(collector: Collector) -> str:
    """Why shards could not open all their connections, in words; empty if they could."""
    for state in collector.states:
        if state.frame is not None and state.frame.limit_reached:
            allowed = f"; the descriptor limit allows about {state.ready.descriptors:,}" if state.ready else ""
            return (
                f"shard {state.number} could open only {counted(state.frame.connections_peak, 'connection')}: "
                f"{state.frame.limit_reached}{allowed}"
            )
    return ""


def _cpu_share(state: ShardState) -> float | None:
    """CPU share of one core between the first and the last frame, so without the start-up."""
    first, last = state.first, state.frame
    if first is None or last is None or last.elapsed_ns - first.elapsed_ns < NS_PER_S // 2:
        return None
    return (last.cpu_s - first.cpu_s) / ((last.elapsed_ns - first.elapsed_ns) / NS_PER_S)


def _row(collector: Collector, state: ShardState) -> ShardRow:
    frame, ready = state.frame, state.ready
    merged, number = collector.merged, state.number
    counts = merged.shard_response(number)
    median = percentile(counts, layout(Metric.response), 0.5) if counts.any() else None
    missing = "a frame is missing" if state.frames_missing else ""
    return ShardRow(
        shard=number,
        host=state.place or (ready.host if ready else ""),
        pid=ready.pid if ready else None,
        planned=sum(frame.planned) if frame else 0,
        sent=(sum(frame.planned) if frame else 0) - int(merged.shard_counter(number, "dropped").sum()),
        completed=int(merged.shard_counter(number, "completed").sum()),
        frames=state.frames,
        lost=bool(state.lost),
        reason=state.lost or missing,
        cpu_s=frame.cpu_s if frame else None,
        cpu_share=_cpu_share(state),
        rss_mb=frame.rss_bytes / MB if frame and frame.rss_bytes else None,
        connections_peak=frame.connections_peak if frame else None,
        connections_opened=frame.opened if frame else None,
        away_s=frame.away_ns / NS_PER_S if frame else None,
        queued_s=frame.queued_ns / NS_PER_S if frame and frame.queued_ns is not None else None,
        saturated_s=frame.saturated_ns / NS_PER_S if frame else None,
        start_offset_ms=None if state.start_offset_ns is None else state.start_offset_ns / NS_PER_MS,
        clock_ahead_ms=None if state.clock is None else state.clock.ahead_ns / NS_PER_MS,
        clock_residual_ms=None if state.clock is None else state.clock.residual_ns / NS_PER_MS,
        p50_ms=None if median is None else median * unit_ns(Metric.response) / NS_PER_MS,
    )

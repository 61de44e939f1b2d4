"""Everything about one event of a stored run, made again from its seed: when it was due, what was sent, how it ended.

What cannot be made again is left out, and `notes` say so.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from loadsim import __version__
from loadsim.input_files import read_bytes_file
from loadsim.launch.raw_log_lines import FILE as RAW
from loadsim.measure.event_outcomes import FILE as OUTCOMES
from loadsim.measure.event_outcomes import Ending, load_outcomes
from loadsim.measure.result import RunResult
from loadsim.measure.result_numbers import Count, Figure
from loadsim.measure.trace_ids import TraceIds
from loadsim.model import NS_PER_MS, NS_PER_S, UsageError
from loadsim.plan import Plan, RunSpec, Target
from loadsim.run.chosen_delivery import Delivered, chosen
from loadsim.run.raw_log_search import deliveries_of
from loadsim.run.remade_request import RemadeRequest, remade
from loadsim.run.stored_scenario import stored_run

SCHEMA = "loadsim.event/1"
_UNIX = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class TraceRow(msgspec.Struct, frozen=True):
    """The trace context (W3C) of a delivery."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits: the parent of the endpoint's own span."""
    sampled: bool
    """Whether it asked the endpoint to record the trace."""
    link: str | None = None
    """The page of the trace, by the scenario's `[trace] link`."""


class DeliveryRow(msgspec.Struct, frozen=True):
    """One delivery of the event, by the raw log."""

    attempt: Count
    """From 1; 0: the event ended without a delivery, or between two."""
    copy: Count
    """Number of the copy where the event was sent in several; else 1."""
    kind: str
    """How it ended: the status (`"401"`), the error kind (`"timeout"`), `"unfinished"` or `"dropped"`."""
    outcome: bool
    """Whether the event ended so."""
    due_at: str
    """When it was due, ISO 8601, UTC."""
    sent_at: str | None
    """When its first byte was handed to the kernel; None: nothing was sent."""
    response_ms: Figure
    """From due to done."""
    service_ms: Figure | None
    """From sent to done; None: nothing was sent."""
    first_byte_ms: Figure | None
    """From the first byte sent to the first one received."""
    bytes_out: Count
    """Of the request."""
    bytes_in: Count
    """Of the answer."""
    delivery_id: str | None = None
    """The value of `X-Loadsim-Id`; None where the run did not send it."""
    trace: TraceRow | None = None
    """Of its `traceparent`; None where the run sent none."""


class ExplainedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a run, made again from the seed."""

    schema: str = SCHEMA
    run: str
    """Id of the run."""
    index: Count
    """Of the event."""
    phase: str | None
    """Name of its phase; None where only the raw log could tell."""
    recorded: bool | None
    """Whether the phase counts."""
    type: str
    """Event type."""
    case: str
    """Kind of case."""
    expect: str
    """The answer that is right: `accept` (2xx) or `refuse` (4xx)."""
    shard: Count | None
    """Number of the generator process that sent it."""
    host: str | None
    """The host of that process."""
    due_s: Figure | None
    """When it was due by plan, seconds since the start of the run; None in a closed phase."""
    due_at: str | None
    """The same as a time, ISO 8601, UTC; within a millisecond, since the result has the start in milliseconds."""
    attempt: Count
    """The number of the delivery that is made again, from 1."""
    request: RemadeRequest
    """The delivery that is made again."""
    trace: TraceRow | None
    """Of that delivery; None where the run sent no `traceparent`."""
    ending: str | None
    """How it ended by the stored outcomes (`--outcomes`): `succeeded`, `refused`, `answered`, `unanswered`, `unsent` or
    `none`; None where the run did not keep them."""
    times_sent: Count | None
    """How often it was sent, by the stored outcomes."""
    deliveries: list[DeliveryRow]
    """By the raw log (`--raw`); empty where the run did not keep it."""
    notes: list[str]
    """What could not be made again, and why."""


def explain(result: RunResult, directory: Path, index: int, attempt: int = 1) -> tuple[ExplainedEvent, Target]:
    """The event `index` of a stored run, and the target. `directory`: where its other files are. `attempt`: the number
    of the delivery whose request is made again.

    Raises UsageError where the run has no such event or delivery, or a file that is needed is missing or not the same.
    """
    run = result.run
    spec = stored_run(run, str(directory))
    plan = spec.plan()
    try:
        due_ns = plan.due_of(index)
    except IndexError:
        raise UsageError(f"the run {run.id} has no event {index:,}: {_number_of_events(plan)}") from None
    phase, (type_, case) = plan.phase_of(index), plan.kind_of(index)
    notes: list[str] = []
    rows = _raw_rows(directory, index, plan, case)
    closed = plan.phases[phase].model == "closed"
    known: int | None = phase
    if rows:
        known = phase = _number_of([each.name for each in plan.phases], rows[0]["phase"], phase)
        type_ = _number_of(plan.types, rows[0]["type"], type_)
        case = _number_of(plan.cases, rows[0]["case"], case)
    elif closed and sum(each.model == "closed" for each in plan.phases) > 1:
        known = None
        notes.append("in which of the closed phases it was sent is known by the raw log alone (--raw)")
    shard = (index - plan.phases[phase].first_index if closed else index) % max(1, len(result.shards))
    started_ns = _ns_of(run.started_at)
    retries = spec.scenario.retry is not None and case == 0
    delivery = chosen(spec, Delivered(index, due_ns, started_ns, rows, retries), attempt)
    request = remade(spec, plan, index, plan.stratum(phase, type_, case), delivery)
    notes += [*request.notes, *_run_notes(result, plan, phase, index, rows)]
    ending, times = _ending(directory, run.id, index, notes)
    named = plan.phases[phase]
    event = ExplainedEvent(
        run=run.id,
        index=index,
        phase=None if known is None else named.name,
        recorded=None if known is None else named.record,
        type=plan.types[type_],
        case=plan.cases[case],
        expect="accept" if case == 0 else plan.scenario.cases[case - 1].expect or "refuse",
        shard=shard if result.shards else None,
        host=result.shards[shard].host if result.shards else None,
        due_s=None if due_ns is None else due_ns / NS_PER_S,
        due_at=None if due_ns is None else iso(started_ns + due_ns),
        attempt=attempt,
        request=request.request,
        trace=_trace(spec, index, attempt),
        ending=ending,
        times_sent=times,
        deliveries=[_delivery(row, spec) for row in rows],
        notes=notes,
    )
    return event, spec.scenario.target


def iso(wall_ns: int) -> str:
    """Ns since 1970 as ISO 8601, UTC, with microseconds."""
    moment = _UNIX + datetime.timedelta(microseconds=wall_ns // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _ns_of(moment: str) -> int:
    since = datetime.datetime.fromisoformat(moment) - _UNIX
    return (since // datetime.timedelta(microseconds=1)) * 1000


def _number_of_events(plan: Plan) -> str:
    counts = [plan.count(phase.number) for phase in plan.phases]
    known = [count for count in counts if count is not None]
    return f"its plan has {sum(known):,}, the first is 0" if len(known) == len(counts) else "its plan has fewer"


def _number_of(names: Any, name: str, otherwise: int) -> int:
    return list(names).index(name) if name in names else otherwise


def _raw_rows(directory: Path, index: int, plan: Plan, case: int) -> list[dict[str, Any]]:
    path = directory / RAW
    if not path.is_file():
        return []
    copies = plan.scenario.cases[case - 1].copies if case else None
    return deliveries_of(path, index, copies + 1 if copies else 1)  # see Volleys: one more after them


def _run_notes(result: RunResult, plan: Plan, phase: int, index: int, rows: list[dict[str, Any]]) -> list[str]:
    run, planned = result.run, plan.phases[phase]
    notes = []
    if not rows:
        notes.append("how long it took is in the raw log alone, which this run did not keep or has no line of (--raw)")
    totals = result.by_phase.get(planned.name)
    ended_early = run.interrupted or run.aborted is not None
    if ended_early and not rows and totals is not None and planned.model == "open":
        became_due = totals.planned + (totals.refusals_due or 0)
        if index - planned.first_index >= became_due:
            notes.append("the run was ended before this event was due")
    if len(run.captures) < sum(event.payloads is not None for event in plan.scenario.events):
        notes.append("the result has no hash of its recorded bodies: whether their file is still the same is not known")
    if run.version != __version__:
        notes.append(f"the run was made by loadsim {run.version}, this is {__version__}: bodies may differ")
    return notes


def _ending(directory: Path, run_id: str, index: int, notes: list[str]) -> tuple[str | None, int | None]:
    path = directory / OUTCOMES
    if not path.is_file():
        return None, None
    try:
        outcomes = load_outcomes(read_bytes_file(path), run_id)
    except ValueError as error:
        notes.append(f"{path}: {error}")
        return None, None
    if index >= len(outcomes.endings):
        return Ending.none.name, 0
    return Ending(int(outcomes.ending[index])).name, int(outcomes.deliveries[index])


def _trace(spec: RunSpec, index: int, attempt: int) -> TraceRow | None:
    trace = spec.scenario.trace
    if trace is None or not attempt:
        return None
    context = TraceIds(spec.run_id, trace.sampled).of(index, attempt)
    return TraceRow(*context, trace.page_of(context.trace_id))


def _delivery(row: Mapping[str, Any], spec: RunSpec) -> DeliveryRow:
    sent, done, first = row["sent_ns"], row["done_ns"], row["first_byte_ns"]
    attempt, index = row["attempt"], row["seq"]
    return DeliveryRow(
        attempt=attempt,
        copy=row["copy"],
        kind=str(row["code"]) if row["code"] else row["error"],
        outcome=row["outcome"],
        due_at=iso(row["due_ns"]),
        sent_at=iso(sent) if sent else None,
        response_ms=row["response_ns"] / NS_PER_MS,
        service_ms=(done - sent) / NS_PER_MS if sent else None,
        first_byte_ms=(first - sent) / NS_PER_MS if sent and first else None,
        bytes_out=row["bytes_out"],
        bytes_in=row["bytes_in"],
        delivery_id=f"{spec.run_id}/{index}/{attempt}" if spec.scenario.target.trace_header and attempt else None,
        trace=_trace(spec, index, attempt),
    )

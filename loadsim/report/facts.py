"""Rows and sentences about a run that several outputs need: the report, annotations, JUnit, the dashboard."""

from __future__ import annotations

from typing import NamedTuple

from loadsim.judge.objectives import parse_objective
from loadsim.judge.scaled_runs import SCALED
from loadsim.measure.result import RunResult, target_url
from loadsim.measure.result_events import Stats, Totals
from loadsim.measure.result_verdict import ObjectiveRow
from loadsim.model import UsageError, counted
from loadsim.report import numbers

VERDICTS = {"pass": "PASS", "fail": "FAIL", "invalid": "INVALID", "none": "NOT JUDGED"}


class ObjectiveLine(NamedTuple):
    """One judged objective. `passed` is None when it could not be judged."""

    passed: bool | None
    scaled: bool
    """Not judged because the run was shortened."""
    text: str
    observed: str
    interval: str
    needs: str
    """Without an interval: how long the run would have to be for one."""
    limit: str
    note: str
    open_because: str
    """Why `passed` is None."""
    value: float | None
    """What was observed, in the unit of the objective; `bound`: its limit."""
    bound: float | None
    unit: str


def tested_words(result: RunResult) -> list[str]:
    """What was tested, redacted, and when the run began."""
    target = target_url(result)
    return [*([target] if target else []), f"started {result.run.started_at}"]


def run_words(result: RunResult) -> list[str]:
    """What identifies the run: id, model, workers, seed, recorded time, scale, tags."""
    run = result.run
    duration = result.totals.duration_s
    words = [f"run {run.id}", f"{run.model} model", counted(run.workers, "worker")]
    words += [f"seed {run.seed}", f"{numbers.milliseconds(None if duration is None else 1000 * duration)}"]
    words += [f"scale {run.scale:g}"] if run.scale < 1 else []
    words += [f"ended early at {run.aborted.at_s:.1f} s"] if run.aborted is not None else []
    words += [f"{key}={value}" for key, value in run.tags.items()]
    return [*words, "interrupted"] if run.interrupted else words


def headline(result: RunResult) -> str:
    """The reason for the verdict in a few words."""
    rows = result.verdict.objectives
    failed = sum(row.passed is False for row in rows)
    passed = sum(row.passed is True for row in rows)
    scaled = sum(row.scaled for row in rows)
    judged, left_open = len(rows) - scaled, f", {scaled} {SCALED}" if scaled else ""
    outcome = result.verdict.outcome
    if outcome == "none":
        return "not judged yet"
    if outcome == "invalid":
        return f"invalid measurement: {counted(len(result.validity.reasons), 'reason')}"
    if outcome == "fail":
        early = f"; {result.run.aborted.objective} ended the run early" if result.run.aborted is not None else ""
        return f"{failed} of {judged} objectives failed{early}{left_open}"
    return f"{passed} of {judged} objectives met{left_open}"


def objective_lines(result: RunResult) -> list[ObjectiveLine]:
    """Every objective, in the order given."""
    return [_objective_line(row) for row in result.verdict.objectives]


def _objective_line(row: ObjectiveRow) -> ObjectiveLine:
    notes = [row.note] if row.note else []
    if row.default:
        notes.insert(0, "default")
    try:
        objective = parse_objective(row.text)
    except UsageError:  # stored by a version with other names
        limit, bound = "", None
    else:
        bound = objective.value
        limit = f"{objective.op} {numbers.observed(bound, row.unit)}"
    span = numbers.interval(*row.ci95) if row.ci95 and row.unit == "ms" else ""
    observed = at_least(numbers.observed(row.observed, row.unit, bound), lower_bound=row.at_least)
    doubted = row.passed is None and row.without_generator is not None
    why = row.note if doubted else "could not be judged"
    needs = "" if span or row.needs_s is None else numbers.needed(row.needs_s)
    return ObjectiveLine(
        passed=row.passed,
        scaled=row.scaled,
        text=row.text,
        observed=observed,
        interval=span,
        needs=needs,
        limit=limit,
        note="; ".join(notes),
        open_because=why,
        value=row.observed,
        bound=bound,
        unit=row.unit,
    )


def at_least(figure: str, *, lower_bound: bool) -> str:
    """The figure, marked where it falls on events that were still under way at the end."""
    return f"≥ {figure}" if lower_bound else figure


def latency_text(stats: Stats, name: str) -> str:
    """One figure of a latency, such as `p99`: `12.3 ms`, or `≥ 5.00 s` for a lower bound."""
    value = getattr(stats, name)
    return at_least(numbers.milliseconds(value), lower_bound=value is not None and name in stats.lower_bounds)


def ok_stats(totals: Totals, metric: str = "response") -> Stats:
    """Latencies of the events answered 2xx."""
    return totals.by_status.get("2xx", {}).get(metric, Stats(count=0))


def headline_metric(result: RunResult) -> str:
    """The metric in the latency columns of the smaller tables."""
    return "service time (closed model)" if result.run.model == "closed" else "response time"


def percentile_label(name: str) -> str:
    """`p99_9` → `p99.9`."""
    return name.replace("_", ".")

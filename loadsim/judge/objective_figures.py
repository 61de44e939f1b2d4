"""The figure that an objective is about, taken from a RunResult; or the reason why the result does not hold it.

Percentiles have rank `ceil(q·n)` and are shown as the bucket's highest equivalent value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from loadsim.judge.objectives import counted_status, percentile_of, status_of
from loadsim.judge.vocabulary import (
    CASE_METRICS,
    EFFECT_METRICS,
    LEDGER_METRICS,
    METRICS,
    RETRY_METRICS,
    SERIES_TAG,
    WATCH,
)
from loadsim.measure.hdr import PERCENTILES, highest_of, percentile
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import CUT_OFF, Stats, Totals, histogram_key
from loadsim.measure.sample_sizes import least_count
from loadsim.measure.stored_histograms import Whole, whole_of
from loadsim.model import MS_PER_S, US_PER_MS, Objective, UsageError


@dataclass(frozen=True, slots=True)
class Observation:
    """A figure in the objective's canonical unit, or None and, in words, the reason why there is none."""

    value: float | None
    """A lower bound where `at_most` is greater."""
    ci95: tuple[float, float] | None = None
    needs_s: float | None = None
    missing: str = ""
    few: bool = False
    """It is missing because there were too few events."""
    at_most: float | None = None
    """The greatest value that the figure may have, since events were unfinished (inf: any); None: `value` is exact."""
    unit: str = ""
    """Of a watch: its own unit, where it has one."""


def observe(result: RunResult, objective: Objective) -> Observation:
    """The figure that the objective is about."""
    if objective.metric in LEDGER_METRICS:
        return _ledger(result, objective)
    if objective.metric in RETRY_METRICS:
        return _given_up(result, objective)
    if objective.metric in EFFECT_METRICS:
        return _effects(result, objective)
    if objective.metric == WATCH:
        return _watch(result, objective)
    group = group_of(result, objective)
    if group is None or group.planned == 0:
        return Observation(None, missing=f"no events {_where(objective)}", few=True)
    kind = METRICS[objective.metric]
    if kind == "trend":
        return _trend(result, objective, group)
    if kind == "rate":
        rate = group.success_rate
        return Observation(rate, missing="" if rate is not None else f"nothing was sent {_where(objective)}")
    unconfirmed = _accepted_without_2xx(result) if objective.metric == "forged_accepted" and not objective.tags else 0
    return _counter(objective, group, unconfirmed)


def _accepted_without_2xx(result: RunResult) -> int:
    """Forged events that are in the receiver's ledger although its answer was not 2xx."""
    found = result.reconciliation
    return 0 if found is None else found.forged_unanswered or 0


def group_of(result: RunResult, objective: Objective) -> Totals | None:
    """The group of events that the objective is about; None where the result has none of that name."""
    for tag, value in objective.tags:
        if tag != "status":
            return {"event": result.by_event, "phase": result.by_phase, "case": result.by_case}[tag].get(value)
    return result.totals


def _where(objective: Objective) -> str:
    named = [f"of {tag} {value!r}" for tag, value in objective.tags if tag != "status"]
    return " ".join(named) or "in the recorded phases"


def _trend(result: RunResult, objective: Objective, group: Totals) -> Observation:
    status = status_of(objective)
    if status is not None and not group.by_status and group.completed:
        return Observation(None, missing="the result holds no latencies by status, an earlier version stored it")
    where = _where(objective) if status is None else f"of {status} answers {_where(objective)}"
    latencies = group.latency_ms if status is None else group.by_status.get(status, {})
    return _figure_of(result, objective, latencies.get(objective.metric), where)


def _figure_of(result: RunResult, objective: Objective, stats: Stats | None, where: str) -> Observation:
    """A figure of a latency metric."""
    if stats is None or stats.count == 0:
        return Observation(None, missing=f"no {objective.metric} sample {where}", few=True)
    number = percentile_of(objective.aggregation)
    if number is None:
        name = {"min": "min", "max": "max", "avg": "mean"}[objective.aggregation]
        at_most = math.inf if name in stats.lower_bounds else None
        if name == "min" and stats.unfinished:
            at_most = _least_finished(result, objective)
        return Observation(getattr(stats, name), at_most=at_most)
    quantile = Fraction(number) / 100
    least = least_count(max(quantile, 1 - quantile))
    if stats.count < least:
        short = (
            f"{stats.count:,} {objective.metric} sample{'s' * (stats.count != 1)} {where}, "
            f"{objective.aggregation} needs {least:,}"
        )
        return Observation(None, missing=short, few=True)
    name = "p" + format(number, "f").replace(".", "_")
    stored: float | None = getattr(stats, name) if name in PERCENTILES else None
    value = stored if stored is not None else _from_histogram(result, objective, stats, quantile)
    if value is None:
        return Observation(None, missing=f"the result holds no {objective.metric} histogram {where}")
    at_most = _at_most(result, objective, name, stats, quantile) if stats.unfinished else None
    return Observation(value, (stats.ci95 or {}).get(name), (stats.needs_s or {}).get(name), at_most=at_most)


def _from_histogram(result: RunResult, objective: Objective, stats: Stats, quantile: Fraction) -> float | None:
    whole = _histogram(result, objective)
    if whole is None:
        return None
    value = percentile(whole.counts, whole.config, quantile)
    if value is None:
        return None
    return min(value / US_PER_MS, stats.max if stats.max is not None else math.inf)


def _at_most(result: RunResult, objective: Objective, name: str, stats: Stats, quantile: Fraction) -> float | None:
    """The percentile if unfinished events had gone on for ever; None where it is the same."""
    whole, cut_off = _histogram(result, objective), _histogram(result, objective, status=CUT_OFF)
    if whole is None or cut_off is None:
        return math.inf if name in stats.lower_bounds else None
    return _in_ms(highest_of(whole.counts, cut_off.counts, whole.config, quantile))


def _least_finished(result: RunResult, objective: Objective) -> float | None:
    """The minimum without unfinished events; None where it is the same."""
    whole, cut_off = _histogram(result, objective), _histogram(result, objective, status=CUT_OFF)
    if whole is None or cut_off is None:
        return math.inf
    return _in_ms(highest_of(whole.counts, cut_off.counts, whole.config, 0))


def _in_ms(us: float | None) -> float | None:
    return None if us is None else us / US_PER_MS


def _histogram(result: RunResult, objective: Objective, **more: str) -> Whole | None:
    key = histogram_key(objective.metric, **dict(objective.tags), **more)
    try:
        return whole_of(result, key)
    except ValueError as error:
        raise UsageError(f"the result's histogram {key!r} is damaged: {error}") from None


def _counter(objective: Objective, group: Totals, more: int = 0) -> Observation:
    count = _count(objective, group)
    if count is None:
        return Observation(None, missing=f"{objective.metric} is not known {_where(objective)}")
    count += more
    if objective.aggregation == "count":
        return Observation(float(count))
    if objective.metric == "events":  # an answer after the end of recording is no throughput
        count -= _with_status(objective, group.after_end)
    return _per_second(count, group, f"no recorded time {_where(objective)}")


def _per_second(count: int, group: Totals, missing: str = "no recorded time") -> Observation:
    rate = group.per_second(count)
    return Observation(rate, missing="" if rate is not None else missing)


def _with_status(objective: Objective, counts: dict[str, int]) -> int:
    """Of counts by status, those that the objective's status tag selects; all without one."""
    wanted = status_of(objective)
    return sum(n for code, n in counts.items() if wanted is None or counted_status(code, wanted))


def _count(objective: Objective, group: Totals) -> int | None:
    if objective.metric == "events":
        return group.completed if status_of(objective) is None else _with_status(objective, group.status)
    if objective.metric == "sent":
        return group.sent
    if objective.metric in CASE_METRICS:
        return group.forged_accepted if objective.metric == "forged_accepted" else group.refused_badly
    if objective.metric == "attempts":
        return group.attempts
    return group.failed if objective.metric == "errors" else group.dropped


def _given_up(result: RunResult, objective: Objective) -> Observation:
    found = result.retries
    if found is None:
        return Observation(None, missing="no retry profile was in force")
    count = found.given_up + found.cut_off + found.no_room + found.undelivered
    if objective.aggregation == "count":
        return Observation(float(count))
    return _per_second(count, result.totals)


def _effects(result: RunResult, objective: Objective) -> Observation:
    found = result.effects
    if found is None or found.problem:
        why = f": {found.problem}" if found is not None else ""
        return Observation(None, missing=f"{objective.metric} is not known, the source of effects was of no use{why}")
    metric, aggregation = objective.metric, objective.aggregation
    if metric in ("effect", "ack_to_effect"):
        stats = found.effect_ms if metric == "effect" else found.ack_to_effect_ms
        return _figure_of(result, objective, stats, "of acknowledged events")
    if metric == "drained":
        if found.drained_s is None:
            return Observation(None, missing="how long the backlog lasted is not known")
        return Observation(found.drained_s * MS_PER_S, at_most=None if found.drained else math.inf)
    if metric == "backlog":
        backlog = {"max": found.backlog_max, "last": found.backlog_last, "avg": found.backlog_avg}[aggregation]
        return Observation(backlog, missing="" if backlog is not None else "the backlog is not known")
    counts = {"undone": found.undone, "effects_repeated": found.repeated, "effect_before_ack": found.before_ack}
    count = counts[metric]
    if count is None:
        return Observation(None, missing=f"{metric} is not known")
    return Observation(float(count)) if aggregation == "count" else _per_second(count, result.totals)


def _watch(result: RunResult, objective: Objective) -> Observation:
    name = dict(objective.tags)[SERIES_TAG]
    series = next((series for series in result.watches if series.name == name), None)
    if series is None or not series.samples:
        why = max(series.why_gaps, key=series.why_gaps.__getitem__, default="") if series is not None else ""
        return Observation(None, missing=f"watch {name} could not be read{f': {why}' if why else ''}")
    value: float | None = getattr(series, objective.aggregation)
    return Observation(value, unit="" if series.reading == "rate" and series.unit != "cores" else series.unit)


def _ledger(result: RunResult, objective: Objective) -> Observation:
    found = result.reconciliation
    count: int | None = getattr(found, objective.metric, None)
    if count is None:
        why = f": {found.problem}" if found is not None and found.problem else ""
        return Observation(
            None, missing=f"{objective.metric} is not known, the receiver's ledger could not be read{why}"
        )
    if objective.aggregation == "count":
        return Observation(float(count))
    return _per_second(count, result.totals)

"""The figure that an objective is about, taken from a RunResult; or the reason why the result does not hold it.

Percentiles have rank `ceil(q·n)` and are shown as the bucket's highest equivalent value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from loadsim.judge.objectives import percentile_of
from loadsim.judge.vocabulary import CASE_METRICS, LEDGER_METRICS, METRICS, RETRY_METRICS
from loadsim.measure.codec import decode
from loadsim.measure.hdr import PERCENTILES, least_count, percentile
from loadsim.measure.result import RunResult, Stats, Totals
from loadsim.model import Objective, UsageError

US_PER_MS = 1000


@dataclass(frozen=True, slots=True)
class Observation:
    """A figure in the objective's canonical unit, or None and, in words, the reason why there is none."""

    value: float | None
    ci95: tuple[float, float] | None = None
    missing: str = ""


def observe(result: RunResult, objective: Objective) -> Observation:
    """The figure that the objective is about."""
    if objective.metric in LEDGER_METRICS:
        return _ledger(result, objective)
    if objective.metric in RETRY_METRICS:
        return _given_up(result, objective)
    group = _group(result, objective)
    if group is None or group.planned == 0:
        return Observation(None, missing=f"no events {_where(objective)}")
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


def _group(result: RunResult, objective: Objective) -> Totals | None:
    for tag, value in objective.tags:
        if tag != "status":
            return {"event": result.by_event, "phase": result.by_phase, "case": result.by_case}[tag].get(value)
    return result.totals


def _where(objective: Objective) -> str:
    named = [f"of {tag} {value!r}" for tag, value in objective.tags if tag != "status"]
    return " ".join(named) or "in the recorded phases"


def _trend(result: RunResult, objective: Objective, group: Totals) -> Observation:
    stats = group.latency_ms.get(objective.metric)
    if stats is None or stats.count == 0:
        return Observation(None, missing=f"no {objective.metric} sample {_where(objective)}")
    number = percentile_of(objective.aggregation)
    if number is None:
        return Observation({"min": stats.min, "max": stats.max, "avg": stats.mean}[objective.aggregation])
    quantile = Fraction(number) / 100
    least = least_count(max(quantile, 1 - quantile))
    if stats.count < least:
        short = (
            f"{stats.count:,} {objective.metric} sample{'s' * (stats.count != 1)} {_where(objective)}, "
            f"{objective.aggregation} needs {least:,}"
        )
        return Observation(None, missing=short)
    name = "p" + format(number, "f").replace(".", "_")
    stored: float | None = getattr(stats, name) if name in PERCENTILES else None
    value = stored if stored is not None else _from_histogram(result, objective, stats, quantile)
    if value is None:
        return Observation(None, missing=f"the result holds no {objective.metric} histogram {_where(objective)}")
    return Observation(value, (stats.ci95 or {}).get(name))


def _from_histogram(result: RunResult, objective: Objective, stats: Stats, quantile: Fraction) -> float | None:
    key = objective.metric + "".join(f"{{{tag}:{value}}}" for tag, value in objective.tags)
    blob = result.histograms.get(key)
    if blob is None:
        return None
    try:
        config, counts = decode(blob)
    except ValueError as error:
        raise UsageError(f"the result's histogram {key!r} is damaged: {error}") from None
    value = percentile(counts, config, quantile)
    if value is None:
        return None
    return min(value / US_PER_MS, stats.max if stats.max is not None else math.inf)


def _counter(objective: Objective, group: Totals, more: int = 0) -> Observation:
    count = _count(objective, group)
    if count is None:
        return Observation(None, missing=f"{objective.metric} is not known {_where(objective)}")
    count += more
    if objective.aggregation == "count":
        return Observation(float(count))
    if not group.duration_s:
        return Observation(None, missing=f"no recorded time {_where(objective)}")
    if objective.metric == "events":  # an answer after the end of recording is no throughput
        status = dict(objective.tags).get("status")
        count -= sum(group.after_end.values()) if status is None else group.after_end.get(status, 0)
    return Observation(count / group.duration_s)


def _count(objective: Objective, group: Totals) -> int | None:
    if objective.metric == "events":
        status = dict(objective.tags).get("status")
        return group.completed if status is None else group.status.get(status, 0)
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
    duration = result.totals.duration_s
    return Observation(count / duration) if duration else Observation(None, missing="no recorded time")


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
    duration = result.totals.duration_s
    return Observation(count / duration) if duration else Observation(None, missing="no recorded time")

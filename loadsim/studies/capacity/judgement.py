"""Judges one step of a search for the highest rate: does the endpoint sustain this rate?

Where a figure has a confidence interval, the step passes when the whole interval meets the objective, fails when none
of it does, and is unclear otherwise. Where the step is too short for an interval, the number of bad events decides, and
near the allowed number nothing does. An endpoint that falls behind fails in any case, because its queue would grow for
ever.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np

from loadsim.judge.objectives import parse_objective, percentile_of
from loadsim.judge.validity import invalid_reasons
from loadsim.judge.verdict import OPERATORS
from loadsim.judge.without_generator import disturbed_words
from loadsim.measure.cells import Metric, layout
from loadsim.measure.hdr import Ints
from loadsim.measure.intervals import clustering_above
from loadsim.measure.result import RunResult
from loadsim.measure.result_effects import EffectsFound
from loadsim.measure.result_verdict import ObjectiveRow
from loadsim.measure.sample_sizes import least_count
from loadsim.measure.stored_histograms import slices_of, whole_of
from loadsim.model import NS_PER_MS, NS_PER_US, Objective
from loadsim.outcome_codes import is_success
from loadsim.studies.capacity.estimate import LEAST_EXCESS, MOST_EXCESS, Look

StepOutcome = Literal["pass", "fail", "unclear", "invalid"]

FALLS_BEHIND = 0.01
"""Least growth of the response time, in seconds per second of load, at which a queue may be growing for ever."""
_SURELY = 0.05
"""Least growth at which it certainly is. Below, a short disturbance looks the same; a longer step shows the
difference."""
_LEAST_GROWTH_S = 0.02
_ENDS = 5
"""The growth is taken between the first and the last fifth of a step."""
_LEAST_ROWS = 8
_LEAST_LEFT = 10
"""Least growth of the backlog, in events."""
FALLING = "falls behind"
_BACKLOG_S = 1.0


@dataclass(frozen=True, slots=True)
class StepVerdict:
    """The outcome of a step and the reason in words; `why` is empty for a step that passed."""

    outcome: StepOutcome
    why: str = ""


def judge_step(result: RunResult, *, stopped: str = "") -> StepVerdict:
    """The verdict of a judged run of one rate. `stopped`: why the step was ended early, if it was."""
    reasons = invalid_reasons(result)
    if reasons:
        return StepVerdict("invalid", "; ".join(reasons))
    # an objective that is missed without the generator's pauses too is the endpoint's, whatever they disturbed
    surely = any(row.passed is False for row in result.verdict.objectives)
    if (stopped or not result.validity.valid) and not surely and (doubt := disturbed_words(result)):
        return StepVerdict("invalid", doubt)
    if stopped:
        return StepVerdict("fail", stopped)
    if not result.validity.valid:
        return StepVerdict("invalid", "; ".join(result.validity.reasons))
    growth = growth_of(result) or 0.0
    behind = f"{FALLING}: response times grew by {1000 * growth:.0f} ms in every second"
    if result.effects is not None:
        if result.effects.problem:
            return StepVerdict("invalid", f"the effects could not be read: {result.effects.problem}")
        left = backlog_growth(result.effects, result.totals.duration_s or 0.0)
        if left > growth:
            growth = left
            behind = f"{FALLING}: the backlog grew by {left:.1%} of the events"
    if growth > _SURELY:
        return StepVerdict("fail", behind)
    verdicts = [(_holds(result, row), row.text) for row in result.verdict.objectives]
    missed = [text for found, text in verdicts if found == "fail"]
    if missed:
        return StepVerdict("fail", f"missed: {', '.join(missed)}")
    unclear = [text for found, text in verdicts if found == "unclear"]
    if growth > FALLS_BEHIND:
        return StepVerdict("unclear", behind)
    return StepVerdict("unclear", f"not clear: {', '.join(unclear)}") if unclear else StepVerdict("pass")


def look_of(result: RunResult, rate: float, *, planned: float) -> Look:
    """What a step says of its rate beside its outcome. `planned`: how many events it was to have; of a step that was
    stopped early the rest is unknown, and its bad events are at least those that were seen."""
    events = max(float(result.totals.sent), planned if result.run.interrupted else 0.0, 1.0)
    shares = [share for row in result.verdict.objectives if (share := share_of(result, row)) is not None]
    looks = [
        Look(rate, share.bad / max(share.allowed * events, 1.0), max(share.allowed * events, 1.0), share.inflation)
        for share in shares
    ]
    return max(looks, key=lambda look: look.excess, default=Look(rate, 0.0, 1.0, None))


def most_bad(allowed: float) -> float:
    """The share of bad events from which a step has failed for certain, where `allowed` is the share allowed."""
    return min(MOST_EXCESS * allowed, (1 + allowed) / 2)


class Share(NamedTuple):
    """Bad events under an objective that allows a share of them."""

    bad: int
    allowed: float
    inflation: float | None


def share_of(result: RunResult, row: ObjectiveRow) -> Share | None:
    """The bad events of an upper limit on a percentile, or of a lower one on success; None for other objectives."""
    objective = parse_objective(row.text)
    if objective.tags or objective.window_ns:
        return None
    if objective.metric == "success" and objective.op in (">", ">="):
        return Share(result.totals.failed, 1 - objective.value, None)
    number = percentile_of(objective.aggregation)
    if number is None or objective.op not in ("<", "<=") or objective.metric not in ("response", "service"):
        return None
    whole, slices = whole_of(result, objective.metric), slices_of(result, objective.metric)
    if whole is None:
        return None
    bucket = int(whole.config.index(np.array([round(objective.value * NS_PER_MS / NS_PER_US)]))[0])
    inflation = clustering_above(slices.sliced, bucket)
    return Share(whole.above(objective.value), float(1 - Fraction(number) / 100), inflation)


def growth_of(result: RunResult) -> float | None:
    """Growth of the median response time, in seconds per second of load.

    None when there are too few slices, and 0 when the growth is too small to matter. A server that is offered 1 + e
    times its capacity has a queue that grows by e seconds of work per second, and a new event waits for all of it (the
    fluid limit of a queue).
    """
    medians = [row.p50_ms for row in result.series if row.due and row.p50_ms is not None]
    if len(medians) < _LEAST_ROWS:
        return None
    size = len(medians) // _ENDS
    first, last = float(np.median(medians[:size])), float(np.median(medians[-size:]))
    grown_s = (last - first) / 1000
    return grown_s / ((len(medians) - size) * result.slice_s) if abs(grown_s) > _LEAST_GROWTH_S else 0.0


def backlog_growth(found: EffectsFound, step_s: float) -> float:
    """How many of the events of a step's time were left undone, as a share: between its first and its last fifth.

    The step is the last `step_s` seconds of the load. 0 where the growth is too small to matter: an endpoint that works
    at random has a queue that comes and goes.
    """
    end = found.load_s or 0.0
    rows = [row for row in found.series if end - step_s < row.t_s <= end]
    if len(rows) < _LEAST_ROWS:
        return 0.0
    size = len(rows) // _ENDS
    waiting = [row.acknowledged - row.done for row in rows]
    grown = float(np.median(waiting[-size:]) - np.median(waiting[:size]))
    arrived = float(np.median([row.acknowledged for row in rows[-size:]])) - float(
        np.median([row.acknowledged for row in rows[:size]])
    )
    return grown / arrived if arrived > 0 and grown > _LEAST_LEFT else 0.0


def cannot_pass(
    objectives: Sequence[Objective], response: Ints, codes: dict[int, int], *, events: float, backlog_s: float
) -> str:
    """Why a running step cannot pass any more, in words; empty while it can.

    `response`: dense counts so far of the recorded events that the endpoint has to accept. `codes`: how they ended.
    `events`: their total number. `backlog_s`: events in flight, as seconds of the step's rate. A step is
    not given up for a few bad events too many: they may be a busy period that the rest of the step makes up for.
    """
    failed = sum(count for code, count in codes.items() if not is_success(code))
    limits = []
    for objective in objectives:
        if objective.tags or objective.window_ns or objective.op not in ("<", "<=", ">", ">="):
            continue
        spare = math.floor(most_bad(1 - objective.value) * events + 1e-9)
        if objective.metric == "success" and objective.op in (">", ">=") and failed > spare:
            return f"{failed:,} of {events:,.0f} events failed already: {objective.text} cannot be met"
        quantile = _bounded_percentile(objective)
        if quantile is not None:
            limits.append(objective.value / 1000)
            over = _above(response, objective.value)
            if over > most_bad(1 - quantile) * events + 1:
                return (
                    f"{over:,} of {events:,.0f} events were over {objective.value:g} ms already: "
                    f"{objective.text} cannot be met"
                )
    if limits and backlog_s > max(2 * max(limits), _BACKLOG_S):
        return f"{FALLING}: {backlog_s:.1f} s worth of events are waiting"
    return ""


def events_needed(objectives: Sequence[Objective], shares: dict[str, float]) -> float:
    """How many events a step needs for the percentiles in the objectives; `shares`: of event types (0..1)."""
    needed = 0.0
    for objective in objectives:
        number = percentile_of(objective.aggregation)
        if number is not None:
            quantile = max(float(number) / 100, 1 - float(number) / 100)
            share = shares.get(dict(objective.tags).get("event", ""), 1.0)
            needed = max(needed, least_count(quantile) / share if share else 0.0)
    return needed


def judged_percentiles(result: RunResult) -> dict[str, float | None]:
    """The percentiles of response and service time that untagged objectives name, in ms."""
    found: dict[str, float | None] = {}
    for row in result.verdict.objectives:
        objective = parse_objective(row.text)
        number = percentile_of(objective.aggregation)
        if number is None or objective.tags or objective.window_ns or objective.metric not in ("response", "service"):
            continue
        name = f"p{format(number, 'f')}"
        found[name if objective.metric == "response" else f"{objective.metric} {name}"] = row.observed
    return found


def _holds(result: RunResult, row: ObjectiveRow) -> StepOutcome:
    if row.ci95 is None or row.passed is None:
        return _by_share(result, row)
    objective = parse_objective(row.text)
    ends = {OPERATORS[objective.op](end, objective.value) for end in row.ci95}
    return "unclear" if len(ends) == 2 else "pass" if ends == {True} else "fail"


def _by_share(result: RunResult, row: ObjectiveRow) -> StepOutcome:
    """By the figure itself, unless the number of bad events is near the allowed one."""
    share = share_of(result, row)
    if share is not None and row.passed is not None:
        allowed = share.allowed * result.totals.sent
        certain = most_bad(share.allowed) * result.totals.sent
        near = LEAST_EXCESS * allowed < share.bad if row.passed else share.bad < certain
        if near:
            return "unclear"
    return "pass" if row.passed else "fail"


def _bounded_percentile(objective: Objective) -> float | None:
    """The quantile of an objective with an upper limit on response time; None for other objectives."""
    number = percentile_of(objective.aggregation) if objective.metric == "response" else None
    return float(number) / 100 if number is not None and objective.op in ("<", "<=") else None


def _above(response: Ints, limit_ms: float) -> int:
    """The number of samples in buckets wholly above the limit."""
    if not len(response):
        return 0
    index = layout(Metric.response).index(np.asarray([limit_ms * NS_PER_MS / NS_PER_US], dtype=np.int64))
    return int(response[int(index[0]) + 1 :].sum())

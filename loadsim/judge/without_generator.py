"""A missed objective judged once more, without what the generator's own pauses may have made of it.

Each undisturbed event counts with its own lateness (lag and receipt) taken off, each disturbed one as meeting the
objective; failures of disturbed events that a pause brings about count as met too, and rates over recorded time without
the pauses. What is missed even so was missed by the endpoint.
"""

from __future__ import annotations

from collections.abc import Callable

from loadsim.judge.objective_figures import group_of
from loadsim.judge.validity import LATE_SHARE, REMEDY, not_offered
from loadsim.judge.vocabulary import EFFECT_METRICS, METRICS, WATCH
from loadsim.judge.without_generator_figures import best_between, latency_without
from loadsim.judge.without_generator_windows import worst_window
from loadsim.measure.histogram_codec import decode
from loadsim.measure.result import RunResult
from loadsim.measure.result_generator import SecondLook
from loadsim.measure.result_verdict import ObjectiveRow
from loadsim.measure.share_bounds import surely_above
from loadsim.measure.without_generator_merge import look_key
from loadsim.model import Objective, UsageError

Holds = Callable[[float, float], bool]


def without_generator(result: RunResult, objective: Objective, observed: float, holds: Holds) -> float | None:
    """The figure of a missed objective without the generator's lateness, in the objective's unit; `observed` is the
    one it was judged by, `holds` its comparison. None where it cannot be told."""
    look = result.second_look
    if look is None:
        return None
    if objective.window_ns is not None:
        return worst_window(result, look, objective, holds)
    if objective.metric == "effect":
        lag = result.totals.latency_ms.get("lag")  # no event's effect is later by more than this on our account
        return None if lag is None or lag.max is None else max(0.0, observed - lag.max)
    if objective.metric in (*EFFECT_METRICS, WATCH):
        return None
    if METRICS[objective.metric] == "trend":
        return _latency(look, objective, observed)
    return _counted(result, look, objective, observed)


def pause_words(result: RunResult, row: ObjectiveRow) -> str:
    """What of a figure may be the generator's doing, in words."""
    pause = result.limits.longest_pause_s
    whose = f"pauses of the generator, up to {1000 * pause:,.3g} ms" if pause else "the generator's own lateness"
    if row.unit == "ms" and row.observed is not None and row.without_generator is not None:
        part = f"{row.observed - row.without_generator:,.3g} ms of its {row.observed:,.3g} ms"
    else:
        part = "that it was missed"
    return f"{part} may be {whose}; {REMEDY}"


def disturbed_words(result: RunResult) -> str:
    """How the generator may have changed what was measured, in words: another run may show what is the endpoint's.
    Empty where it did not."""
    doubts = [row for row in result.verdict.objectives if row.passed is None and row.without_generator is not None]
    if doubts:
        return f"{doubts[0].text}: {pause_words(result, doubts[0])}"
    look, response = result.second_look, result.totals.latency_ms.get("response")
    disturbed = 0 if look is None else look.disturbed.get("response", 0)
    if response is not None and surely_above(disturbed, response.count, LATE_SHARE):
        pause = f"{1000 * result.limits.longest_pause_s:,.3g} ms"
        return f"pauses of the generator, up to {pause}, disturbed {disturbed:,} of {response.count:,} events"
    return next(not_offered(result), "")


def _latency(look: SecondLook, objective: Objective, observed: float) -> float | None:
    key = look_key(objective.metric, objective.tags)
    blob, disturbed = look.histograms.get(key), look.disturbed.get(key, 0)
    if blob is None:
        return None
    try:
        config, counts = decode(blob)
    except ValueError as error:
        raise UsageError(f"the result's second look at {key!r} is damaged: {error}") from None
    value = latency_without(config, counts, disturbed, objective)
    return None if value is None else best_between(objective, min(value, observed), max(value, observed))


def _counted(result: RunResult, look: SecondLook, objective: Objective, observed: float) -> float | None:
    """A share or a count: failures that a pause may have brought about count as met, and rates and counts with a lower
    limit over the time without the pauses."""
    tags = [pair for pair in objective.tags if pair[0] != "status"]
    group = group_of(result, objective)
    excused = sum(look.excused.get(look_key("", tags), {}).values())
    if group is None:
        return None
    per = 1.0 if objective.aggregation == "count" else group.duration_s
    if objective.metric == "success":
        more = min(1.0, (group.succeeded + excused) / group.sent) if group.sent else observed
        return best_between(objective, observed, more)
    if objective.metric == "errors" and per:
        return best_between(objective, max(0, group.failed - excused) / per, observed)
    if objective.metric in ("events", "sent", "attempts") and per:
        more = observed + (excused / per if objective.metric == "events" else 0)
        if objective.aggregation == "rate" or result.run.model == "closed":  # else the number of events is planned
            more *= _longer(result, objective, group.duration_s)
        return best_between(objective, observed, more)
    return None


def _longer(result: RunResult, objective: Objective, duration_s: float | None) -> float:
    """How many times longer recorded time is than without the pauses."""
    phase = dict(objective.tags).get("phase")
    away_s = result.limits.away_s if phase is None else result.limits.away_by_phase.get(phase)
    return duration_s / (duration_s - away_s) if away_s and duration_s and duration_s > away_s else 1.0

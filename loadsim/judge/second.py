"""A missed objective judged once more, without what the generator's own pauses may have made of it.

Each undisturbed event counts with its own lateness (lag and receipt) taken off, each disturbed one as meeting the
objective; failures of disturbed events that a pause brings about count as met too, and rates over recorded time without
the pauses. What is missed even so was missed by the endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

import numpy as np

from loadsim.judge.objectives import figure_of, percentile_of
from loadsim.judge.observe import group_of
from loadsim.judge.validity import LATE_SHARE, REMEDY, not_offered
from loadsim.judge.vocabulary import METRICS
from loadsim.judge.windows import course_of
from loadsim.measure.bounds import surely_above
from loadsim.measure.codec import decode
from loadsim.measure.hdr import HdrConfig, Ints, rank
from loadsim.measure.lateness import Kind
from loadsim.measure.result import ObjectiveRow, RunResult, SecondLook
from loadsim.measure.second_look import LatenessMerge, look_key
from loadsim.measure.strata import StratumNames
from loadsim.measure.windows import Grid, stretches_of
from loadsim.model import US_PER_MS, Objective, UsageError
from loadsim.plan.units import format_duration

_JUST = 1e-9
Holds = Callable[[float, float], bool]
Planned = tuple[int, "int | None", bool, str]
_UPPER, _LOWER = ("<", "<="), (">", ">=")


def without_generator(result: RunResult, objective: Objective, observed: float, holds: Holds) -> float | None:
    """The figure of a missed objective without the generator's lateness, in the objective's unit; `observed` is the
    one it was judged by, `holds` its comparison. None where it cannot be told."""
    look = result.second_look
    if look is None:
        return None
    if objective.window_ns is not None:
        return _worst_window(result, look, objective, holds)
    kind = METRICS[objective.metric]
    if kind == "trend":
        return _latency(look, objective, observed)
    return _counted(result, look, objective, observed)


def pause_words(result: RunResult, row: ObjectiveRow) -> str:
    """What of a figure may be the generator's doing, in words."""
    pause = result.limits.longest_pause_s
    whose = f"the generator's own pause of {1000 * pause:,.3g} ms" if pause else "the generator's own lateness"
    if row.unit == "ms" and row.observed is not None and row.without_generator is not None:
        part = f"{row.observed - row.without_generator:,.3g} ms of its {row.observed:,.4g} ms"
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
    if not counts.any():
        return 0.0 if objective.op in _UPPER else observed
    value = _figure(config, counts, disturbed, objective)
    return None if value is None else min(value, observed) if objective.op in _UPPER else max(value, observed)


def window_key(objective: Objective) -> str:
    """The key of an objective's windows in a SecondLook."""
    return f"{figure_of(objective)} over {format_duration(objective.window_ns or 0)}"


def watch_windows(
    lateness: LatenessMerge, objectives: Iterable[Objective], names: StratumNames, phases: Sequence[Planned]
) -> None:
    """Have the windows of all latencies counted that these objectives look at. `phases`: start, end, record, name."""
    for objective in objectives:
        if objective.window_ns is None or objective.metric not in ("response", "service"):
            continue
        tags = dict(objective.tags)
        named = tags.get("phase")
        rows = [(start, end, record if named is None else name == named) for start, end, record, name in phases]
        strata = names.select(
            phase=None if named is None else names.phases.index(named),
            type_=names.types.index(tags["event"]) if "event" in tags else None,
            case=tags.get("case"),
            expect=None if "case" in tags else "accept",
        )
        grid = Grid(stretches_of(rows), objective.window_ns)
        lateness.watch(window_key(objective), grid, Kind[objective.metric], strata, tags.get("status", ""))


def _worst_window(result: RunResult, look: SecondLook, objective: Objective, holds: Holds) -> float | None:
    """The worst figure of any window: a missed one counts without the generator's lateness; where that was not counted
    by windows, one that a pause touches counts as just meeting its limit."""
    course = course_of(result, objective)
    looks = {window.t_s: window for window in look.windows.get(window_key(objective), ())}
    figures: list[float] = []
    for t_s, value in zip(course.t_s, course.values, strict=True):
        if value is None:
            continue
        if holds(value, objective.value):
            figures.append(value)
        elif t_s in looks:
            config, counts = decode(looks[t_s].histogram)
            figure = _figure(config, counts, looks[t_s].disturbed, objective) if counts.any() else 0.0
            figures.append(value if figure is None else min(value, figure))
        elif any(start < t_s + course.width_s and end > t_s for start, end in look.touched_s):
            figures.append(objective.value * (1 + _JUST if objective.op in _LOWER else 1 - _JUST))
        else:
            figures.append(value)
    worst = max if objective.op in _UPPER else min
    return worst(figures) if figures and objective.op in (*_UPPER, *_LOWER) else None


def _figure(config: HdrConfig, counts: Ints, disturbed: int, objective: Objective) -> float | None:
    """The figure in ms; disturbed events lie below all others where the limit is an upper one, above where it is a
    lower one. In a mean they do not count."""
    number = percentile_of(objective.aggregation)
    occupied = np.flatnonzero(counts)
    low, high = config.lowest_equivalent(occupied), config.highest_equivalent(occupied)
    if objective.aggregation == "avg":
        return float(np.sum((low + high) / 2 * counts[occupied])) / int(counts.sum()) / US_PER_MS
    if objective.op not in (*_UPPER, *_LOWER):
        return None
    n = int(counts.sum()) + disturbed
    share = {"min": Fraction(0), "max": Fraction(1)}.get(objective.aggregation)
    place = rank(Fraction(number) / 100 if number is not None else share or Fraction(0), n)
    if objective.op in _UPPER:
        place -= disturbed
    if place <= 0:
        return 0.0
    if place > n - disturbed:  # a disturbed event, as long as it may be
        return None
    return float(high[np.searchsorted(np.cumsum(counts[occupied]), place)]) / US_PER_MS


def _counted(result: RunResult, look: SecondLook, objective: Objective, observed: float) -> float | None:
    tags = [pair for pair in objective.tags if pair[0] != "status"]
    group = group_of(result, objective)
    excused = sum(look.excused.get(look_key("", tags), {}).values())
    if group is None:
        return None
    if objective.metric == "success":
        return min(1.0, (group.succeeded + excused) / group.sent) if group.sent else None
    if objective.metric == "errors" and objective.op not in _LOWER:
        fewer = max(0, group.failed - excused)
        if objective.aggregation == "count":
            return float(fewer)
        return observed * fewer / group.failed if group.failed else observed
    if objective.metric in ("events", "sent") and objective.aggregation == "rate" and objective.op in _LOWER:
        phase = dict(objective.tags).get("phase")
        away = result.limits.away_s if phase is None else result.limits.away_by_phase.get(phase)
        duration = group.duration_s
        if away and duration and duration > away:
            return observed * duration / (duration - away)
    return None

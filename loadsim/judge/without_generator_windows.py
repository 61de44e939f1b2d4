"""Objectives over windows judged once more: the worst figure of any window without the pauses.

A window of latencies has its undisturbed events (see `without_generator`) and the number of disturbed ones. A window of
counts has the disturbed events that may belong to it: a pause moves events from the window in which they would have
ended to a later one. It may have held so many more, or so many fewer; an answer that is a failure stays one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from loadsim.judge.objectives import figure_of, status_of
from loadsim.judge.vocabulary import CASE_METRICS, METRICS
from loadsim.judge.window_objectives import course_of
from loadsim.judge.without_generator_figures import LOWER, UPPER, best_between, just_met, latency_without
from loadsim.measure.histogram_codec import decode
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import WindowCourse
from loadsim.measure.result_generator import SecondLook
from loadsim.measure.without_generator_merge import look_key
from loadsim.model import Objective
from loadsim.plan.units import format_duration

_MS_PER_S = 1000
_WITHOUT_ANSWER = 0
_DIGITS = frozenset(range(6))
_COUNTED = {
    "success": frozenset({2}),
    "forged_accepted": frozenset({2}),
    "sent": _DIGITS,
    "events": _DIGITS - {_WITHOUT_ANSWER},
    "errors": _DIGITS - {2},
    "refused_badly": _DIGITS - {2, 4},
}
"""The first digits of the status (0: no answer) that a metric counts."""


def window_key(objective: Objective) -> str:
    """The key of an objective's windows in a SecondLook."""
    return f"{figure_of(objective)} over {format_duration(objective.window_ns or 0)}"


def counted_digits(objective: Objective) -> frozenset[int]:
    """The first digits of the statuses (0: no answer) that an objective's metric counts."""
    status = status_of(objective)
    return _COUNTED.get(objective.metric, frozenset()) if status is None else frozenset({int(status[0])})


def worst_window(
    result: RunResult, look: SecondLook, objective: Objective, holds: Callable[[float, float], bool]
) -> float | None:
    """The worst figure of any window: a missed one counts without the generator's lateness; where that was not counted
    by windows, one that a pause touches counts as just meeting its limit."""
    course = course_of(result, objective)
    if METRICS[objective.metric] == "trend":
        figures = list(_latencies(look, objective, course, holds))
    else:
        figures = list(_counts(look, objective, course, holds, _longest_s(result)))
    if None in figures or not figures or objective.op == "!=":
        return None
    known = [figure for figure in figures if figure is not None]
    if objective.op == "==":
        return next((figure for figure in known if not holds(figure, objective.value)), known[0])
    return (max if objective.op in UPPER else min)(known)


def _latencies(
    look: SecondLook,
    objective: Objective,
    course: WindowCourse,
    holds: Callable[[float, float], bool],
) -> Iterator[float | None]:
    looks = {window.t_s: window for window in look.windows.get(window_key(objective), ())}
    for t_s, value in zip(course.t_s, course.values, strict=True):
        if value is None:
            continue
        if holds(value, objective.value):
            yield value
        elif t_s in looks:
            config, counts = decode(looks[t_s].histogram)
            figure = latency_without(config, counts, looks[t_s].disturbed, objective)
            yield None if figure is None else best_between(objective, min(value, figure), max(value, figure))
        else:
            yield just_met(objective) if _touched(look, t_s, course.width_s) else value


def _counts(
    look: SecondLook,
    objective: Objective,
    course: WindowCourse,
    holds: Callable[[float, float], bool],
    longest_s: float,
) -> Iterator[float | None]:
    counted = look.windows.get(window_key(objective))
    for t_s, value, n in zip(course.t_s, course.values, course.samples, strict=True):
        if value is None:
            continue
        if holds(value, objective.value) or not _touched(look, t_s, course.width_s):
            yield value
        elif counted is not None:
            # What ended in a window, or would have, was due in it or at most so long before it.
            near = [each for each in counted if t_s - longest_s - course.width_s < each.t_s < t_s + course.width_s]
            away_s = sum(each.away_s for each in near if each.t_s == t_s)
            moved, excused = sum(each.disturbed for each in near), sum(each.excused for each in near)
            yield _without(objective, value, n, course.width_s, (moved, excused, away_s))
        else:
            yield _of_all(look, objective, value, n, course.width_s)


def _of_all(look: SecondLook, objective: Objective, value: float, n: int, width_s: float) -> float | None:
    """A window that a pause touches, and of which only the disturbed events of the whole run are known."""
    if objective.metric in CASE_METRICS or (objective.op in LOWER and objective.metric != "success"):
        return just_met(objective)
    tags = [pair for pair in objective.tags if pair[0] != "status"]
    by_digit = {
        digit: look.disturbed.get(look_key("response", [*tags, ("status", f"{digit}xx")]), 0) for digit in (2, 3, 4, 5)
    }
    by_digit[_WITHOUT_ANSWER] = look.disturbed.get(look_key("response", tags), 0) - sum(by_digit.values())
    moved = sum(by_digit.get(digit, 0) for digit in counted_digits(objective))
    excused = sum(look.excused.get(look_key("", tags), {}).values())
    return _without(objective, value, n, width_s, (moved, excused, 0.0))


def _without(
    objective: Objective, value: float, n: int, width_s: float, pauses: tuple[int, int, float]
) -> float | None:
    """The figure of a window without the pauses: the events that they moved and that the metric counts, the failures
    that they may have brought about, and how long they lasted in the window."""
    moved, excused, away_s = pauses
    if objective.metric == "success":
        succeeded = round(value * n)
        fewer = max(0, succeeded - moved) / n if n else 0.0
        more = min(1.0, (succeeded + excused + moved) / (n + moved)) if n + moved else 1.0
        return best_between(objective, fewer, more)
    per = width_s if objective.aggregation == "rate" else 1.0
    counted = round(value * per)
    fewer = max(0, counted - moved - (excused if _WITHOUT_ANSWER in counted_digits(objective) else 0)) / per
    if away_s >= width_s:
        return just_met(objective) if objective.op in LOWER else best_between(objective, fewer, max(value, fewer))
    more = (counted + moved + excused) / per * width_s / (width_s - away_s)
    return best_between(objective, fewer, more)


def _touched(look: SecondLook, t_s: float, width_s: float) -> bool:
    return any(start < t_s + width_s and end > t_s for start, end in look.touched_s)


def _longest_s(result: RunResult) -> float:
    """The longest response of the run, whatever was sent."""
    groups = (result.totals, *result.by_case.values())
    stats = [group.latency_ms.get("response") for group in groups]
    return max((each.max for each in stats if each is not None and each.max is not None), default=0.0) / _MS_PER_S

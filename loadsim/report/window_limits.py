"""Objectives on each window of a latency, as the chart of latency over time shows them, and the same in words.

The figures of the windows come from `judge`.
"""

from __future__ import annotations

from dataclasses import dataclass

from loadsim.judge.objectives import parse_objective
from loadsim.judge.verdict import OPERATORS
from loadsim.judge.window_objectives import course_of
from loadsim.measure.result import RunResult
from loadsim.measure.result_verdict import ObjectiveRow
from loadsim.model import UsageError, counted
from loadsim.report import numbers

_SHOWN = ("response", "service")


@dataclass(frozen=True, slots=True)
class WindowLimit:
    """An objective over windows, and its complete windows: starts in s, figures and limit in ms."""

    text: str
    ms: float
    width_s: float
    passed: bool | None
    t_s: list[float]
    values: list[float | None]
    """None: too few samples."""
    held: list[bool | None]

    @property
    def spans(self) -> list[tuple[float, float]]:
        """(start, end) of the windows, neighbours joined."""
        return _joined(self.t_s, self.width_s)

    @property
    def missed_spans(self) -> list[tuple[float, float]]:
        """(start, end) of the windows that missed the limit, neighbours joined."""
        return _joined([t for t, _ in self.missed], self.width_s)

    @property
    def missed(self) -> list[tuple[float, float]]:
        """(start, figure) of each window that missed the limit."""
        rows = zip(self.t_s, self.values, self.held, strict=True)
        return [(t, value) for t, value, held in rows if held is False and value is not None]


def window_limits(result: RunResult) -> list[WindowLimit]:
    """Every objective over windows of response or service time, in order, as far as the result has its windows."""
    found = (_limit(result, row) for row in result.verdict.objectives)
    return [limit for limit in found if limit is not None]


def _limit(result: RunResult, row: ObjectiveRow) -> WindowLimit | None:
    try:
        objective = parse_objective(row.text)
        if objective.window_ns is None or objective.metric not in _SHOWN:
            return None
        course = course_of(result, objective)
    except UsageError:  # stored by a version with other names, or without such windows
        return None
    if not course.t_s:
        return None
    holds = OPERATORS[objective.op]
    held = [None if value is None else holds(value, objective.value) for value in course.values]
    return WindowLimit(
        row.text, float(objective.value), course.width_s, row.passed, course.t_s, list(course.values), held
    )


def words(limit: WindowLimit) -> str:
    """A sentence: the number of windows that missed the limit, and the worst of them."""
    whole = counted(len(limit.t_s), "window")
    few = limit.held.count(None)
    unknown = f"; {few:,} had too few samples" if few else ""
    if not limit.missed:
        return f"{limit.text}: held in {'all' if not few else f'{len(limit.t_s) - few:,}'} of {whole}{unknown}"
    t, value = max(limit.missed, key=lambda row: (abs(row[1] - limit.ms), -row[0]))
    return (
        f"{limit.text}: missed in {len(limit.missed):,} of {whole}, by most from {t:g} to {t + limit.width_s:g} s "
        f"({numbers.milliseconds(value)}){unknown}"
    )


def missed_cell(limits: list[WindowLimit], t_s: float, width_s: float) -> str:
    """The limits that were missed in windows which lie in `[t_s, t_s + width_s)`, at least in part; empty: none."""
    return "; ".join(
        limit.text for limit in limits if any(t < t_s + width_s and t_s < t + limit.width_s for t, _ in limit.missed)
    )


def _joined(t_s: list[float], width_s: float) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    for t in t_s:
        if spans and abs(spans[-1][1] - t) < width_s / 1e6:
            spans[-1] = (spans[-1][0], t + width_s)
        else:
            spans.append((t, t + width_s))
    return spans

"""Objectives over windows: every whole window of recorded time must meet them.

A run counts the windows of its own objectives while it runs. From a stored result other windows can be computed only if
their width is a multiple of its slices. Latencies belong to the window in which an event was due, counts and rates to
the window in which it ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadsim.judge.objectives import figure_of, percentile_of, status_of
from loadsim.judge.vocabulary import CASE_METRICS, EFFECT_METRICS, METRICS, unrecorded_phases
from loadsim.measure.cells import EMPTY, STATUS_PARTS, Cells, Metric, Part, compact, layout, succeeded
from loadsim.measure.hdr import Ints, rank
from loadsim.measure.merged_counts import Sliced
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import CUT_OFF, WindowCourse, histogram_key
from loadsim.measure.sample_sizes import least_count
from loadsim.measure.stored_histograms import rows_of, slice_numbers
from loadsim.measure.strata import StratumNames
from loadsim.measure.window_counts import Grid, Stretch, stretches_of
from loadsim.model import NS_PER_S, US_PER_MS, Objective, UsageError
from loadsim.outcome_codes import DROPPED, ERROR_BASE, UNFINISHED
from loadsim.plan.units import format_duration

CUT_OFF_EARLY = "events that were cut off before the limit: drain longer"
_SLICED = ("response", "service")
_COUNTED = ("success", "sent", "events", "errors")
_WIDTHS_NAMED = 3
Where = Callable[[Ints], NDArray[np.bool]]


class Selection(NamedTuple):
    """The cells that an objective needs. `parts`: None for all."""

    metric: Metric
    strata: list[int]
    parts: tuple[Part, ...] | None = None

    @property
    def cut_off(self) -> Selection | None:
        """Those of its values that are lower bounds, of unfinished events; None where there are none."""
        if self.metric is Metric.ended or self.parts is not None:
            return None
        return self._replace(parts=(Part.unfinished,))


def selection_of(objective: Objective, names: StratumNames) -> Selection:
    """The cells that an objective needs."""
    tags = dict(objective.tags)
    phase = names.phases.index(tags["phase"]) if "phase" in tags else None
    type_ = names.types.index(tags["event"]) if "event" in tags else None
    case = tags.get("case")
    expect = None if case is not None else "accept"
    if objective.metric in CASE_METRICS:
        expect = "refuse"
    strata = names.select(phase=phase, type_=type_, case=case, expect=expect)
    if METRICS[objective.metric] != "trend":
        return Selection(Metric.ended, strata)
    parts = (STATUS_PARTS[tags["status"]],) if "status" in tags else None
    metric = Metric.response if objective.metric in EFFECT_METRICS else Metric[objective.metric]
    return Selection(metric, strata, parts)


def value_of(
    objective: Objective, cells: Cells, width_s: float | None, ceiling_ms: float = math.inf
) -> tuple[float | None, int]:
    """The figure of one window (None: too few samples) and the number of its samples.

    `cells`: counts by bucket for a latency, by outcome code for everything else. `width_s` is for rates per second,
    `ceiling_ms` the exact maximum of a latency over the run: a bucket may reach beyond it.
    """
    kind = METRICS[objective.metric]
    if kind == "trend":
        value, n = _latency(objective, cells)
        return (None if value is None else min(value, ceiling_ms)), n
    counted, out_of = counts_of(objective, cells)
    if kind == "rate":
        return (counted / out_of if out_of else None), out_of
    if objective.aggregation == "rate":
        return (counted / width_s if width_s else None), out_of
    return float(counted), out_of


def at_most_of(objective: Objective, cells: Cells, cut_off: Cells) -> float | None:
    """The greatest value that a latency of a window may have if the events of `cut_off`, which `cells` holds too, had
    gone on for ever: inf where it falls on those. None where it is the same."""
    if not len(cut_off.keys):
        return None
    number = percentile_of(objective.aggregation)
    if number is None and objective.aggregation != "min":
        return math.inf
    finished = compact([cells, Cells(cut_off.keys, -cut_off.counts)])
    place = rank(0 if number is None else Fraction(number) / 100, int(cells.counts.sum()))
    low, high = (int(np.searchsorted(np.cumsum(each.counts), place)) for each in (cells, finished))
    if high == len(finished.keys):
        return math.inf
    if finished.keys[high] == cells.keys[low]:
        return None
    return int(layout(Metric[objective.metric]).highest_equivalent(finished.keys[high])) / US_PER_MS


def counts_of(objective: Objective, cells: Cells) -> tuple[int, int]:
    """The outcomes that a rate or a counter counts, and the total of outcomes without dropped ones."""
    where = _COUNTS[objective.metric]
    status = status_of(objective)
    if status is None:
        mine = where(cells.keys)
    else:
        mine = cells.keys // 100 == int(status[0]) if status in STATUS_PARTS else cells.keys == int(status)
    return int(cells.counts[mine].sum()), int(cells.counts[cells.keys != DROPPED].sum())


def course_of(result: RunResult, objective: Objective) -> WindowCourse:
    """The figure by window, as the run counted it, or else from the slices of the stored result.

    Raises UsageError when the slices do not fit into such windows, and names widths that are possible.
    """
    figure, width_ns = figure_of(objective), objective.window_ns or 0
    for course in result.windows:
        if course.figure == figure and round(course.width_s * NS_PER_S) == width_ns:
            return course
    tags = dict(objective.tags)
    kept = _SLICED if "phase" in tags else (*_SLICED, *_COUNTED)
    if objective.metric not in kept or tags.keys() - {"phase"}:
        raise UsageError(
            f"objective {objective.text!r}: that run did not count windows of this figure, and a stored result has "
            f"slices only of {', '.join(kept)}{'' if 'phase' in tags else ', without other tags than phase'}"
        )
    slice_ns = round(result.slice_s * NS_PER_S)
    if width_ns % slice_ns:
        widths = [format_duration(slice_ns * (width_ns // slice_ns + n)) for n in range(_WIDTHS_NAMED + 1)]
        widths = [width for width in widths if width != "0s"][:_WIDTHS_NAMED]
        raise UsageError(
            f"objective {objective.text!r}: the slices of this result are {format_duration(slice_ns)} wide, and a "
            f"window of a stored result is a multiple of that: {', '.join(widths)}, …"
        )
    phase = tags.get("phase")
    return _from_slices(result, objective, Grid(_stretches(result, phase), width_ns, slice_ns), phase)


@dataclass(frozen=True, slots=True)
class JudgedCourse:
    """How a course was judged. `observed` is the figure of the worst window; `missing` says why it cannot be judged. A
    window that was surely missed decides, whatever others leave open."""

    observed: float | None
    passed: bool | None
    note: str
    missing: str
    at_least: bool = False
    """`observed` is a lower bound, as it falls on unfinished events."""
    few: bool = False
    """It cannot be judged because there were too few events, or no whole window."""


def judge_course(objective: Objective, course: WindowCourse, holds: Callable[[float, float], bool]) -> JudgedCourse:
    """Judge whether every whole window meets the objective; the note names the worst window."""
    width = format_duration(objective.window_ns or 0)
    if not course.t_s:
        return JudgedCourse(None, None, "", f"no whole window of {width} was recorded", few=True)
    known = [(value, t) for value, t in zip(course.values, course.t_s, strict=True) if value is not None]
    sides = list(_sides(objective, course, holds))
    missed = [pair for pair, side in zip(known, sides, strict=True) if side is False]
    few = _too_few(objective, course, width)
    missing = few or _left_open(course, width, sides)
    if not known:
        return JudgedCourse(None, None, "", missing, few=bool(few))
    worst, t = _worst(objective, known, missed)
    said = [f"the worst of {_windows(course, width)} begins at {t:g} s"]
    said += [f"{len(missed):,} missed it"] if missed else []
    said += [missing] if missing and missed else []
    said += [f"{course.left_out_s:.3g} s in no whole window left out"] if course.left_out_s > 0 else []
    at = course.t_s.index(t)
    found = JudgedCourse(
        worst,
        None if missing else True,
        "; ".join(said),
        missing,
        at_least=bool(course.at_most) and course.at_most[at] != course.values[at],
        few=bool(few),
    )
    return replace(found, passed=False, missing="", few=False) if missed else found


def _sides(objective: Objective, course: WindowCourse, holds: Callable[[float, float], bool]) -> Iterator[bool | None]:
    """Whether each window with a figure meets the objective; None where unfinished events leave it open."""
    bounds = course.at_most or course.values
    for value, at_most in zip(course.values, bounds, strict=True):
        if value is not None:
            yield holds_between(objective, value, math.inf if at_most is None else at_most, holds)


def holds_between(objective: Objective, low: float, high: float, holds: Callable[[float, float], bool]) -> bool | None:
    """Whether a figure somewhere from `low` to `high` meets the objective; None where that depends on where."""
    at_low, at_high = holds(low, objective.value), holds(high, objective.value)
    if at_low != at_high or (objective.op in ("==", "!=") and low < objective.value < high):
        return None
    return at_low


def _too_few(objective: Objective, course: WindowCourse, width: str) -> str:
    short = [(n, t) for value, n, t in zip(course.values, course.samples, course.t_s, strict=True) if value is None]
    if not short:
        return ""
    n, t = short[0]
    return (
        f"{len(short):,} of {_windows(course, width)} {'has' if len(short) == 1 else 'have'} too few "
        f"{objective.metric} samples: the one at {t:g} s has {n:,}{_needs(objective)}"
    )


def _left_open(course: WindowCourse, width: str, sides: Sequence[bool | None]) -> str:
    left = sum(side is None for side in sides)
    return f"{left:,} of {_windows(course, width)} left open by {CUT_OFF_EARLY}" if left else ""


def _windows(course: WindowCourse, width: str) -> str:
    return f"{len(course.t_s):,} window{'s' * (len(course.t_s) != 1)} of {width}"


def _worst(
    objective: Objective, known: list[tuple[float, float]], missed: list[tuple[float, float]]
) -> tuple[float, float]:
    """(value, start) of the worst window; of equal ones the first."""
    if objective.op in ("<", "<="):
        return max(known, key=lambda pair: (pair[0], -pair[1]))
    if objective.op in (">", ">="):
        return min(known)
    return missed[0] if missed else known[0]


def _needs(objective: Objective) -> str:
    number = percentile_of(objective.aggregation)
    if number is None:
        return ""
    quantile = Fraction(number) / 100
    return f", {objective.aggregation} needs {least_count(max(quantile, 1 - quantile)):,}"


def _latency(objective: Objective, cells: Cells) -> tuple[float | None, int]:
    n = int(cells.counts.sum())
    number = percentile_of(objective.aggregation)
    config = layout(Metric[objective.metric])
    if not n:
        return None, 0
    if number is not None:
        quantile = Fraction(number) / 100
        if n < least_count(max(quantile, 1 - quantile)):
            return None, n
        at = np.searchsorted(np.cumsum(cells.counts), rank(quantile, n))
        return int(config.highest_equivalent(cells.keys[at : at + 1])[0]) / US_PER_MS, n
    low, high = config.lowest_equivalent(cells.keys), config.highest_equivalent(cells.keys)
    if objective.aggregation == "avg":
        return float(np.sum((low + high) / 2 * cells.counts)) / n / US_PER_MS, n
    return float(low[0] if objective.aggregation == "min" else high[-1]) / US_PER_MS, n


def _wrongly_refused(codes: Ints) -> NDArray[np.bool]:
    """Neither 2xx nor 4xx, or an error. Unfinished and dropped events do not count."""
    refused = (codes >= 400) & (codes < 500)
    bad: NDArray[np.bool] = (codes < UNFINISHED) & ~succeeded(codes) & ~refused
    return bad


_COUNTS: dict[str, Where] = {
    "success": succeeded,
    "sent": lambda codes: codes != DROPPED,
    "events": lambda codes: codes < ERROR_BASE,
    "errors": lambda codes: ~succeeded(codes) & (codes != DROPPED),
    "dropped": lambda codes: codes == DROPPED,
    "forged_accepted": succeeded,
    "refused_badly": _wrongly_refused,
}
"""Which outcome codes a metric counts."""


def _stretches(result: RunResult, phase: str | None) -> tuple[Stretch, ...]:
    """The recorded time of a stored run, with the true durations of its phases."""
    skipped = unrecorded_phases(result)
    rows, start = [], 0
    for name, group in result.by_phase.items():
        end = start + round((group.duration_s or 0.0) * NS_PER_S)
        rows.append((start, end, name == phase if phase is not None else name not in skipped))
        start = end
    return stretches_of(rows)


def _from_slices(result: RunResult, objective: Objective, grid: Grid, phase: str | None) -> WindowCourse:
    stopped_ns = max((end for _, end in grid.stretches if end is not None), default=0)
    numbers = grid.numbers(slice_numbers(result))
    whole = grid.whole(stopped_ns)
    if objective.metric in _SLICED:
        parts, cut_off = (
            _by_window(rows_of(result, key).sliced, numbers, whole)
            for key in (objective.metric, histogram_key(objective.metric, status=CUT_OFF))
        )
        greatest = (result.by_phase[phase] if phase else result.totals).latency_ms[objective.metric].max
        return course(objective, grid, parts, stopped_ns, cut_off, math.inf if greatest is None else greatest)
    codes = {number: _codes(result, np.flatnonzero(numbers == number).tolist()) for number in whole}
    return course(objective, grid, codes, stopped_ns)


def _by_window(sliced: Sliced, numbers: Ints, whole: Sequence[int]) -> dict[int, Cells]:
    mine = numbers[sliced.slices] if len(sliced.slices) else sliced.slices
    return {number: _added(Cells(sliced.indexes[mine == number], sliced.counts[mine == number])) for number in whole}


def course(
    objective: Objective,
    grid: Grid,
    parts: Mapping[int, Cells],
    stopped_ns: int,
    cut_off: Mapping[int, Cells] = MappingProxyType({}),
    ceiling_ms: float = math.inf,
) -> WindowCourse:
    """The course of a figure over the whole windows. `parts` holds the counts of each window that has any, `cut_off`
    those of its unfinished events; `ceiling_ms` as for `value_of`."""
    width_s, whole = grid.width_ns / NS_PER_S, grid.whole(stopped_ns)
    found = [value_of(objective, parts.get(number, EMPTY), width_s, ceiling_ms) for number in whole]
    at_most = [
        at_most_of(objective, parts.get(number, EMPTY), cut_off.get(number, EMPTY)) if value is not None else None
        for number, (value, _) in zip(whole, found, strict=True)
    ]
    bounds = [value if most is None else most for (value, _), most in zip(found, at_most, strict=True)]
    return WindowCourse(
        figure=figure_of(objective),
        width_s=width_s,
        t_s=[grid.start_ns(number) / NS_PER_S for number in whole],
        values=[value for value, _ in found],
        samples=[samples for _, samples in found],
        left_out_s=grid.left_out_ns(stopped_ns) / NS_PER_S,
        at_most=[None if bound == math.inf else bound for bound in bounds] if any(at_most) else [],
    )


def _added(cells: Cells) -> Cells:
    keys, place = np.unique(cells.keys, return_inverse=True)
    return Cells(keys, np.bincount(place, weights=cells.counts, minlength=len(keys)).astype(np.int64))


def _codes(result: RunResult, rows: list[int]) -> Cells:
    """Outcomes of some slices, under representative codes: 200 for every 2xx answer, 500 for every other one."""
    chosen = [result.series[row] for row in rows]
    good = sum(row.succeeded for row in chosen)
    refused = sum(row.completed - row.succeeded for row in chosen)
    broken = sum(row.failed for row in chosen) - refused
    codes = {200: good, 500: refused, UNFINISHED: broken}
    return Cells(np.array(list(codes), dtype=np.int64), np.array(list(codes.values()), dtype=np.int64))

"""Objectives over windows: every whole window of recorded time must meet them.

A run counts the windows of its own objectives while it runs. From a stored result other windows can be computed only if
their width is a multiple of its slices. Latencies belong to the window in which an event was due, counts and rates to
the window in which it ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from loadsim.judge.objectives import figure_of, percentile_of
from loadsim.judge.vocabulary import CASE_METRICS, METRICS, unrecorded_phases
from loadsim.measure.cells import Cells, Metric, layout, succeeded
from loadsim.measure.counts import slices_of
from loadsim.measure.hdr import Ints, least_count, rank
from loadsim.measure.result import RunResult, WindowCourse
from loadsim.measure.strata import StratumNames
from loadsim.measure.windows import Grid, Stretch, stretches_of
from loadsim.model import DROPPED, ERROR_BASE, NS_PER_S, UNFINISHED, Objective, UsageError
from loadsim.plan.units import format_duration

US_PER_MS = 1000
_SLICED = ("response", "service")
_COUNTED = ("success", "events", "errors")
_WIDTHS_NAMED = 3
Where = Callable[[Ints], NDArray[np.bool]]


def selection_of(objective: Objective, names: StratumNames) -> tuple[Metric, list[int]]:
    """The metric whose cells an objective needs, and their strata."""
    tags = dict(objective.tags)
    phase = names.phases.index(tags["phase"]) if "phase" in tags else None
    type_ = names.types.index(tags["event"]) if "event" in tags else None
    case = tags.get("case")
    expect = None if case is not None else "accept"
    if objective.metric in CASE_METRICS:
        expect = "refuse"
    metric = Metric[objective.metric] if METRICS[objective.metric] == "trend" else Metric.ended
    return metric, names.select(phase=phase, type_=type_, case=case, expect=expect)


def value_of(objective: Objective, cells: Cells, width_s: float | None) -> tuple[float | None, int]:
    """The figure of one window (None: too few samples) and the number of its samples.

    `cells`: counts by bucket for a latency, by outcome code for everything else. `width_s` is for rates per second.
    """
    kind = METRICS[objective.metric]
    if kind == "trend":
        return _latency(objective, cells)
    counted, out_of = counts_of(objective, cells)
    if kind == "rate":
        return (counted / out_of if out_of else None), out_of
    if objective.aggregation == "rate":
        return (counted / width_s if width_s else None), out_of
    return float(counted), out_of


def counts_of(objective: Objective, cells: Cells) -> tuple[int, int]:
    """The outcomes that a rate or a counter counts, and the total of outcomes without dropped ones."""
    where = _COUNTS[objective.metric]
    status = dict(objective.tags).get("status")
    mine = where(cells.keys) if status is None else cells.keys == int(status)
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
    return _from_slices(result, objective, Grid(_stretches(result, tags.get("phase")), width_ns, slice_ns))


@dataclass(frozen=True, slots=True)
class Judged:
    """How a course was judged. `observed` is the figure of the worst window; `missing` says why it cannot be judged."""

    observed: float | None
    passed: bool | None
    note: str
    missing: str


def judge_course(objective: Objective, course: WindowCourse, holds: Callable[[float, float], bool]) -> Judged:
    """Judge whether every whole window meets the objective; the note names the worst window."""
    width = format_duration(objective.window_ns or 0)
    known = [(value, t) for value, t in zip(course.values, course.t_s, strict=True) if value is not None]
    missed = [pair for pair in known if not holds(pair[0], objective.value)]
    short = [(n, t) for value, n, t in zip(course.values, course.samples, course.t_s, strict=True) if value is None]
    if not course.t_s:
        return Judged(None, None, "", f"no whole window of {width} was recorded")
    missing = ""
    if short:
        n, t = short[0]
        has = "has" if len(short) == 1 else "have"
        missing = (
            f"{len(short):,} of {_windows(course, width)} {has} too few {objective.metric} samples: "
            f"the one at {t:g} s has {n:,}{_needs(objective)}"
        )
    if not known:
        return Judged(None, None, "", missing)
    worst, t = _worst(objective, known, missed)
    said = [f"the worst of {_windows(course, width)} begins at {t:g} s"]
    said += [f"{len(missed):,} missed it"] if missed else []
    said += [f"{course.left_out_s:.3g} s in no whole window left out"] if course.left_out_s > 0 else []
    return Judged(worst, None if missing and not missed else not missed, "; ".join(said), missing)


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


def _from_slices(result: RunResult, objective: Objective, grid: Grid) -> WindowCourse:
    first = round(result.series[0].t_s * NS_PER_S) // grid.slice_ns if result.series else 0
    stopped_ns = max((end for _, end in grid.stretches if end is not None), default=0)
    numbers = grid.numbers(np.arange(first, first + len(result.series)))
    whole = grid.whole(stopped_ns)
    if objective.metric in _SLICED:
        sliced = slices_of(result, objective.metric).sliced
        mine = numbers[sliced.slices] if len(sliced.slices) else sliced.slices
        parts = {number: Cells(sliced.indexes[mine == number], sliced.counts[mine == number]) for number in whole}
        parts = {number: _added(cells) for number, cells in parts.items()}
    else:
        parts = {number: _codes(result, np.flatnonzero(numbers == number).tolist()) for number in whole}
    return course(objective, grid, parts, stopped_ns)


def course(objective: Objective, grid: Grid, parts: dict[int, Cells], stopped_ns: int) -> WindowCourse:
    """The course of a figure over the whole windows; `parts` holds the counts of each window that has any."""
    width_s, whole = grid.width_ns / NS_PER_S, grid.whole(stopped_ns)
    none = Cells(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    found = [value_of(objective, parts.get(number, none), width_s) for number in whole]
    return WindowCourse(
        figure=figure_of(objective),
        width_s=width_s,
        t_s=[grid.start_ns(number) / NS_PER_S for number in whole],
        values=[value for value, _ in found],
        samples=[samples for _, samples in found],
        left_out_s=grid.left_out_ns(stopped_ns) / NS_PER_S,
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

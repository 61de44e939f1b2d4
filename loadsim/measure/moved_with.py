"""Which watched figures changed when latency or failures did: a correlation, with the figures of both sides.

Latency is that of the events due in each second, failures are counted by the second in which events ended. Nothing is
said of a run that pauses of the generator disturbed, since they change latencies too, and of one too short to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from loadsim.measure.change_points import HALF_THRESHOLD, MOST_POINTS, Change, Floats, changes
from loadsim.measure.hdr import PERCENTILES, percentiles, rank
from loadsim.measure.result import RunResult
from loadsim.measure.result_watches import Moved, MovedWith, WatchSeries
from loadsim.measure.stored_histograms import SlicedCounts, rows_of
from loadsim.model import US_PER_MS, counted

LEAST_S = 30.0
"""Of a shorter run nothing is said."""
TOGETHER_S = 2.0
"""Changes that are at most so far apart coincide."""
MOST_MOVED = 12
Figure = Literal["p50", "p99", "errors"]


class _Bins(NamedTuple):
    """Stretches of rows of the series, of about one length: `first[i]` is the first row of stretch i."""

    first: list[int]
    edges_s: Floats


class _Side(NamedTuple):
    """A figure of latency or of failures by stretch, with its changes."""

    figure: Figure
    changes: list[Change]


def moved_with(result: RunResult) -> MovedWith:
    """What moved together in a run with watches."""
    why_not = _why_not(result)
    if why_not:
        return MovedWith(why_not=why_not)
    bins = _bins_of(result)
    response = rows_of(result, "response")
    sides = list(_sides(result, response, bins))
    found: list[Moved] = []
    for series in result.watches:
        values = _in_bins(series, bins)
        for change in changes(values):
            found += _together(result, response, bins, series.name, change, sides)
    found.sort(key=lambda row: row.at_s)
    return MovedWith(rows=found[:MOST_MOVED])


def _why_not(result: RunResult) -> str:
    """Why nothing can be said; empty where something can."""
    disturbed = 0 if result.second_look is None else max(result.second_look.disturbed.values(), default=0)
    if disturbed:
        return f"{counted(disturbed, 'event')} were disturbed by pauses of the generator, which change latencies too"
    if not result.series or _last_due_s(result) - result.series[0].t_s < LEAST_S:
        return f"the run is shorter than {LEAST_S:g} s"
    return ""


def _end_s(result: RunResult) -> float:
    last = result.series[-1]
    return last.t_s + (result.slice_s if last.width_s is None else last.width_s)


def _bins_of(result: RunResult) -> _Bins:
    """Stretches of a second, or of more in a long run."""
    starts = [row.t_s for row in result.series]
    end = max(_last_due_s(result), starts[0])
    width = max(1.0, result.slice_s, (end - starts[0]) / MOST_POINTS)
    first, edges = [0], [starts[0]]
    for number, start in enumerate(starts):
        if start >= end:
            break
        if start >= edges[-1] + width - 1e-9:
            first.append(number)
            edges.append(start)
    return _Bins(first, np.array([*edges, end]))


def _last_due_s(result: RunResult) -> float:
    """The end of the last row in which an event was due: what ended later did so without load."""
    rows = result.series
    number = max((number for number, row in enumerate(rows) if row.due), default=len(rows) - 1)
    return rows[number + 1].t_s if number + 1 < len(rows) else _end_s(result)


def _sides(result: RunResult, response: SlicedCounts, bins: _Bins) -> Iterator[_Side]:
    """Latencies first: where both percentiles changed, p99 is named."""
    if response.parts:
        p50, p99 = _latencies(response, bins)
        yield _Side("p99", _of_logarithms(p99))
        yield _Side("p50", _of_logarithms(p50))
    failed, ended = _failures(result, bins)
    with np.errstate(invalid="ignore"):
        yield _Side("errors", changes(failed / ended, HALF_THRESHOLD))


def _of_logarithms(latencies: Floats) -> list[Change]:
    """The changes of the logarithms: latencies scatter by factors."""
    return changes(np.log(latencies), logarithms=True)


def _latencies(response: SlicedCounts, bins: _Bins) -> tuple[Floats, Floats]:
    """p50 and p99 of each stretch, us, also of few events; NaN where there are none."""
    values = np.full((2, len(bins.first)), np.nan)
    for number, counts in enumerate(response.stretches(bins.first)[: len(bins.first)]):
        running = np.cumsum(counts)
        if running[-1]:
            ranks = [rank(PERCENTILES[name], int(running[-1])) for name in ("p50", "p99")]
            values[:, number] = np.maximum(1, response.config.highest_equivalent(np.searchsorted(running, ranks)))
    return values[0], values[1]


def _failures(result: RunResult, bins: _Bins) -> tuple[Floats, Floats]:
    """How many events failed and how many ended in each stretch."""
    failed = np.array([row.failed for row in result.series], dtype=np.float64)
    ended = failed + np.array([row.succeeded for row in result.series], dtype=np.float64)
    first = np.array(bins.first)
    return np.add.reduceat(failed, first), np.add.reduceat(ended, first)


def _in_bins(series: WatchSeries, bins: _Bins) -> Floats:
    """The mean of a series in each stretch. What a rate or a percentile is about lies before its reading."""
    back_s = 0.0 if series.reading == "gauge" else series.every_s / 2
    known = [(t - back_s, value) for t, value in zip(series.t_s, series.values, strict=True) if value is not None]
    times, values = np.array(known, dtype=np.float64).reshape(-1, 2).T
    place = np.searchsorted(bins.edges_s, times, side="right") - 1
    inside = (place >= 0) & (place < len(bins.first))
    n = len(bins.first)
    sums = np.bincount(place[inside], values[inside], n)
    with np.errstate(invalid="ignore"):
        mean: Floats = sums / np.bincount(place[inside], minlength=n)
    return mean


def _together(
    result: RunResult, response: SlicedCounts, bins: _Bins, name: str, change: Change, sides: list[_Side]
) -> Iterator[Moved]:
    """What coincides with one change of a watched series: latency by one percentile, and failures."""
    at_s = float(bins.edges_s[change.at])
    within_s = max(TOGETHER_S, float(np.median(np.diff(bins.edges_s))))
    said: set[bool] = set()
    for side in sides:
        of_latency = side.figure != "errors"
        near = [other for other in side.changes if abs(bins.edges_s[other.at] - at_s) <= within_s + 1e-9]
        if not near or of_latency in said:
            continue
        other = min(near, key=lambda each: abs(each.at - change.at))
        before, after = (
            _level(result, response, bins, side.figure, begin, end)
            for begin, end in ((other.begin, other.at), (other.at, other.end))
        )
        if before is None or after is None or before == after:
            continue
        said.add(of_latency)
        yield Moved(
            name=name,
            at_s=at_s,
            before=change.before,
            after=change.after,
            figure=side.figure,
            figure_at_s=float(bins.edges_s[other.at]),
            figure_before=before,
            figure_after=after,
        )


def _level(
    result: RunResult, response: SlicedCounts, bins: _Bins, figure: Figure, begin: int, end: int
) -> float | None:
    """A figure of all events of some stretches: ms, or a share; None where there are too few events for it."""
    rows = [*bins.first, len(result.series)]
    if figure == "errors":
        failed, ended = _failures(result, bins)
        whole = ended[begin:end].sum()
        return float(failed[begin:end].sum() / whole) if whole else None
    counts = response.stretches([0, rows[begin], rows[end]])[1]
    (us,) = percentiles(counts, response.config, [PERCENTILES[figure]])
    return None if us is None else us / US_PER_MS

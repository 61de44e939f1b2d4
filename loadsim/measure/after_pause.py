"""The first events after a pause against those that follow: what an endpoint that had nothing to do takes to be ready.

All is taken from the rows of the series, which begin where a phase begins: no event is looked at twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loadsim.measure.hdr import PERCENTILES, Ints, rank
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import NOT_OK, AfterPause, FirstOrRest, SeriesRow, histogram_key
from loadsim.measure.stored_histograms import SlicedCounts, rows_of
from loadsim.model import NS_PER_S, US_PER_MS

FIRST_S = 1.0
"""The first events are those due within this time,"""
LEAST_EVENTS = 10
"""or until there are so many of them."""
_EPSILON = 1e-6


def after_pause(result: RunResult, phase: str, pause_ns: int, begin_ns: int, end_ns: int | None) -> AfterPause | None:
    """The first events of a phase after a pause, and its others; None where none was due. Instants since the start."""
    begin_s, end_s = begin_ns / NS_PER_S, float("inf") if end_ns is None else end_ns / NS_PER_S
    rows = [n for n, row in enumerate(result.series) if begin_s - _EPSILON <= row.t_s < end_s - _EPSILON]
    response = rows_of(result, "response")
    if not rows or not response.parts:
        return None
    failed = rows_of(result, histogram_key("response", status=NOT_OK))
    border = _border(result, rows, begin_s)
    parts = [
        _figures(result.series, response, failed, begin, end)
        for begin, end in ((rows[0], border), (border, rows[-1] + 1))
    ]
    if not parts[0].count:
        return None
    until_s = result.series[border - 1].t_s + _width_s(result, border - 1)
    return AfterPause(
        phase=phase,
        pause_s=pause_ns / NS_PER_S,
        t_s=begin_s,
        first_s=round(until_s - begin_s, 6),
        first=parts[0],
        rest=parts[1],
    )


def _width_s(result: RunResult, number: int) -> float:
    width = result.series[number].width_s
    return result.slice_s if width is None else width


def _border(result: RunResult, rows: Sequence[int], begin_s: float) -> int:
    """The number of the first row that is not of the first events."""
    count = 0
    for number in rows:
        if result.series[number].t_s >= begin_s + FIRST_S - _EPSILON and count >= LEAST_EVENTS:
            return number
        count += result.series[number].due
    return rows[-1] + 1


def _figures(
    series: Sequence[SeriesRow], response: SlicedCounts, failed: SlicedCounts, begin: int, end: int
) -> FirstOrRest:
    counts = _counts(response, begin, end)
    n = int(counts.sum())
    if not n:
        return FirstOrRest(count=0, succeeded=0)
    place = int(np.searchsorted(np.cumsum(counts), rank(PERCENTILES["p50"], n)))
    tops = [row.max_ms for row in series[begin:end] if row.max_ms is not None]
    median = float(response.config.highest_equivalent(np.array([place]))[0]) / US_PER_MS
    top = max(tops, default=median)
    return FirstOrRest(
        count=n, succeeded=n - int(_counts(failed, begin, end).sum()), p50_ms=min(median, top), max_ms=top
    )


def _counts(rows: SlicedCounts, begin: int, end: int) -> Ints:
    """The counts of some rows by bucket."""
    inside = (rows.sliced.slices >= begin) & (rows.sliced.slices < end)
    return np.bincount(rows.sliced.indexes[inside], rows.sliced.counts[inside], rows.config.counts_len).astype(np.int64)

"""The time series of a run: one row per slice of time, or part of a slice in one phase, and its histograms.

An event's latencies are counted in the row in which it was due, rates in the rows in which it was sent and ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.cells import Metric, Part, layout, succeeded, unit_ns
from loadsim.measure.hdr import PERCENTILES, Ints, rank
from loadsim.measure.histogram_codec import encode_sparse
from loadsim.measure.merged_counts import Merged, Sliced
from loadsim.measure.result_events import CUT_OFF, NOT_OK, SeriesRow, histogram_key
from loadsim.measure.sample_sizes import least_count
from loadsim.measure.series_rows import SeriesRows
from loadsim.measure.strata import StratumNames
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.outcome_codes import DROPPED, ERROR_BASE

_SHOWN = {**PERCENTILES, "max": Fraction(1)}
_Predicate = Callable[[Ints], NDArray[np.bool]]


class Series(NamedTuple):
    """`rows[i]` and `histograms[metric][i]` belong together; there are no gaps between rows."""

    rows: list[SeriesRow]
    slice_s: float
    histograms: dict[str, list[str | None]]


class _Row(NamedTuple):
    """Ascending buckets of one row and their counts."""

    indexes: Ints
    counts: Ints


def series_of(merged: Merged, names: StratumNames, *, retried: bool = False) -> Series:
    """The series over the recorded events that the endpoint should accept, see `SeriesRows`.

    `in_flight` is how many events were due and had not ended at the end of the row, queued ones included. With
    `retried`, attempts that were followed by another attempt are counted too.
    """
    grid = SeriesRows(merged, names)
    n = len(grid)
    if not n:
        return Series([], merged.slice_ns / NS_PER_S, {"response": [], "service": []})
    due, sent, ended, again = map(grid.counts, (Metric.due, Metric.sent, Metric.ended, Metric.retried))

    def per_row(found: Sliced, where: _Predicate | None = None) -> Ints:
        rows, indexes, counts = found
        weights = counts if where is None else counts * where(indexes)
        return np.bincount(rows, weights=weights, minlength=n).astype(np.int64)

    due_n, sent_n, ended_n = per_row(due), per_row(sent), per_row(ended)
    completed = per_row(ended, lambda code: code < ERROR_BASE)
    well = per_row(ended, succeeded)
    failed = per_row(ended, lambda code: ~succeeded(code) & (code != DROPPED))
    attempts = sent_n + per_row(again)
    in_flight = np.cumsum(due_n) - np.cumsum(ended_n)
    by_row = {metric: _cut(grid.counts(metric), n) for metric in (Metric.response, Metric.service, Metric.lag)}
    ceilings = {metric: _ceiling(merged, metric, names.select(expect="accept")) for metric in by_row}

    def at(metric: Metric, i: int, name: str) -> float | None:
        return _percentile_ms(by_row[metric][i], metric, _SHOWN[name], ceilings[metric])

    rows = [
        SeriesRow(
            t_s=start / NS_PER_S,
            due=int(due_n[i]),
            sent=int(sent_n[i]),
            completed=int(completed[i]),
            succeeded=int(well[i]),
            failed=int(failed[i]),
            in_flight=int(in_flight[i]),
            p50_ms=at(Metric.response, i, "p50"),
            p90_ms=at(Metric.response, i, "p90"),
            p99_ms=at(Metric.response, i, "p99"),
            max_ms=at(Metric.response, i, "max"),
            lag_p99_ms=at(Metric.lag, i, "p99"),
            attempts=int(attempts[i]) if retried else None,
            width_s=width / NS_PER_S,
        )
        for i, (start, width) in enumerate(zip(grid.starts_ns, grid.widths_ns, strict=True))
    ]
    return Series(rows, merged.slice_ns / NS_PER_S, _histograms(grid, by_row))


def _histograms(grid: SeriesRows, by_row: dict[Metric, list[_Row]]) -> dict[str, list[str | None]]:
    shown = (Metric.response, Metric.service)
    found = {metric.name: [_encoded(part, metric) for part in by_row[metric]] for metric in shown}
    for metric in shown:
        for status, parts in ((NOT_OK, [part for part in Part if part is not Part.ok]), (CUT_OFF, [Part.unfinished])):
            cut = _cut(grid.counts(metric, parts), len(grid))
            if any(len(part.indexes) for part in cut):
                found[histogram_key(metric.name, status=status)] = [_encoded(part, metric) for part in cut]
    return found


def _cut(found: Sliced, n: int) -> list[_Row]:
    """The cells of each row; cells are in order, so those of a row lie side by side."""
    edges = np.searchsorted(found.slices, np.arange(n + 1))
    return [_Row(found.indexes[start:end], found.counts[start:end]) for start, end in pairwise(edges.tolist())]


def _ceiling(merged: Merged, metric: Metric, strata: Sequence[int]) -> int | None:
    moments = merged.moments(metric, strata)
    return None if moments is None else moments.max


def _percentile_ms(part: _Row, metric: Metric, q: Fraction, ceiling_ns: int | None) -> float | None:
    n = int(part.counts.sum())
    if n < least_count(q) or ceiling_ns is None:
        return None
    running = np.cumsum(part.counts)
    at = np.searchsorted(running, rank(q, n))
    highest = int(layout(metric).highest_equivalent(part.indexes[at : at + 1])[0]) * unit_ns(metric)
    return min(highest, ceiling_ns) / NS_PER_MS


def _encoded(part: _Row, metric: Metric) -> str | None:
    return encode_sparse(part.indexes, part.counts, layout(metric)) if len(part.indexes) else None

"""The time series of a run: one row per slice of time, and its histograms.

An event's latencies are counted in the slice in which it was due, rates in the slices in which it was sent and ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.cells import Metric, Part, layout, succeeded, unit_ns
from loadsim.measure.hdr import PERCENTILES, Ints, rank
from loadsim.measure.histogram_codec import encode_sparse
from loadsim.measure.merged_counts import Merged, Sliced
from loadsim.measure.result_events import CUT_OFF, NOT_OK, SeriesRow, histogram_key
from loadsim.measure.sample_sizes import least_count
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.outcome_codes import DROPPED, ERROR_BASE

_SHOWN = {**PERCENTILES, "max": Fraction(1)}
_Predicate = Callable[[Ints], NDArray[np.bool]]


class Series(NamedTuple):
    """`rows[i]` and `histograms[metric][i]` belong to the same slice; there are no gaps between slices."""

    rows: list[SeriesRow]
    slice_s: float
    histograms: dict[str, list[str | None]]


class _Slice(NamedTuple):
    """Ascending buckets of one slice and their counts."""

    indexes: Ints
    counts: Ints


def series_of(merged: Merged, strata: Sequence[int], *, retried: bool = False) -> Series:
    """The series over `strata`, from the first slice in which an event was due to the last in which one ended.

    `in_flight` is how many events were due and had not ended at the end of the slice, queued ones included. With
    `retried`, attempts that were followed by another attempt are counted too.
    """
    width = merged.slice_ns
    due, sent, ended, again = (
        merged.sliced(metric, strata) for metric in (Metric.due, Metric.sent, Metric.ended, Metric.retried)
    )
    if not len(due.slices):
        return Series([], width / NS_PER_S, {"response": [], "service": []})
    first = min(int(found.slices[0]) for found in (due, again) if len(found.slices))
    n = max(int(found.slices.max(initial=0)) for found in (due, sent, ended, again)) + 1 - first

    def per_slice(found: Sliced, where: _Predicate | None = None) -> Ints:
        slices, indexes, counts = found
        weights = counts if where is None else counts * where(indexes)
        return np.bincount(slices - first, weights=weights, minlength=n).astype(np.int64)

    due_n, sent_n, ended_n = per_slice(due), per_slice(sent), per_slice(ended)
    completed = per_slice(ended, lambda code: code < ERROR_BASE)
    well = per_slice(ended, succeeded)
    failed = per_slice(ended, lambda code: ~succeeded(code) & (code != DROPPED))
    attempts = sent_n + per_slice(again)
    in_flight = np.cumsum(due_n) - np.cumsum(ended_n)
    by_slice = {
        metric: _cut(merged.sliced(metric, strata), first, n)
        for metric in (Metric.response, Metric.service, Metric.lag)
    }
    ceilings = {metric: _ceiling(merged, metric, strata) for metric in by_slice}

    def at(metric: Metric, i: int, name: str) -> float | None:
        return _percentile_ms(by_slice[metric][i], metric, _SHOWN[name], ceilings[metric])

    rows = [
        SeriesRow(
            t_s=(first + i) * width / NS_PER_S,
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
        )
        for i in range(n)
    ]
    histograms = {
        metric.name: [_encoded(part, metric) for part in by_slice[metric]]
        for metric in (Metric.response, Metric.service)
    }
    for metric in (Metric.response, Metric.service):
        for status, parts in ((NOT_OK, [part for part in Part if part is not Part.ok]), (CUT_OFF, [Part.unfinished])):
            found = _cut(merged.sliced(metric, strata, parts), first, n)
            if any(len(part.indexes) for part in found):
                histograms[histogram_key(metric.name, status=status)] = [_encoded(part, metric) for part in found]
    return Series(rows, width / NS_PER_S, histograms)


def _cut(sliced: Sliced, first: int, n: int) -> list[_Slice]:
    """The cells of each slice; cells are in order, so those of a slice lie side by side."""
    edges = np.searchsorted(sliced.slices, np.arange(first, first + n + 1))
    return [
        _Slice(sliced.indexes[start:end], sliced.counts[start:end])
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]


def _ceiling(merged: Merged, metric: Metric, strata: Sequence[int]) -> int | None:
    moments = merged.moments(metric, strata)
    return None if moments is None else moments.max


def _percentile_ms(part: _Slice, metric: Metric, q: Fraction, ceiling_ns: int | None) -> float | None:
    n = int(part.counts.sum())
    if n < least_count(q) or ceiling_ns is None:
        return None
    running = np.cumsum(part.counts)
    at = np.searchsorted(running, rank(q, n))
    highest = int(layout(metric).highest_equivalent(part.indexes[at : at + 1])[0]) * unit_ns(metric)
    return min(highest, ceiling_ns) / NS_PER_MS


def _encoded(part: _Slice, metric: Metric) -> str | None:
    return encode_sparse(part.indexes, part.counts, layout(metric)) if len(part.indexes) else None

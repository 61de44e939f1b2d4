"""The percentile distribution of response time in HdrHistogram's text form (`.hgrm`), in milliseconds.

The rows always have the same quantiles, because HdrHistogram's plotter overlays files row by row. Fields are separated
by single spaces, because it skips other rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from loadsim.measure.hdr import MICROSECONDS, rank
from loadsim.measure.histogram_codec import decode
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Stats
from loadsim.model import US_PER_MS

HALVINGS = 20
"""The last row before 100 % is that with 2^-20 of the samples above it: 99.9999 %."""
TICKS = 5
"""Rows per halving of the distance to 100 %, HdrHistogram's own default."""
METRIC = "response"


def quantiles() -> Iterator[Fraction]:
    """The quantiles of the rows, from 0 to 1."""
    for halving in range(HALVINGS):
        rest = Fraction(1, 2**halving)
        for tick in range(TICKS):
            yield 1 - rest + rest / 2 * Fraction(tick, TICKS)
    yield Fraction(1)


def render_hgrm(result: RunResult) -> str:
    """Header, one row per quantile, footer with mean, standard deviation, maximum and layout."""
    stats = result.totals.latency_ms.get(METRIC, Stats(count=0))
    lines = ["Value Percentile TotalCount 1/(1-Percentile)", ""]
    blob = result.histograms.get(METRIC)
    if blob is not None:
        lines += _rows(blob, stats)
    sub_buckets = 2 * MICROSECONDS.half_count
    buckets = MICROSECONDS.counts_len // MICROSECONDS.half_count - 1
    lines += [
        f"#[Mean    = {_figure(stats.mean)}, StdDeviation   = {_figure(stats.stdev)}]",
        f"#[Max     = {_figure(stats.max)}, Total count    = {stats.count:12d}]",
        f"#[Buckets = {buckets:12d}, SubBuckets     = {sub_buckets:12d}]",
    ]
    return "\n".join(lines) + "\n"


def _rows(blob: str, stats: Stats) -> Iterator[str]:
    config, counts = decode(blob)
    running = np.cumsum(counts)
    n = int(running[-1])
    if n == 0:
        return
    for quantile in quantiles():
        index = np.searchsorted(running, rank(quantile, n))
        value = int(config.highest_equivalent(np.asarray(index))) / US_PER_MS
        if stats.max is not None:
            value = min(value, stats.max)
        inverse = "inf" if quantile == 1 else f"{float(1 / (1 - quantile)):.2f}"
        yield f"{value:.3f} {float(quantile):.12f} {int(running[index])} {inverse}"


def _figure(value: float | None) -> str:
    return f"{'nan' if value is None else format(value, '.3f'):>12}"

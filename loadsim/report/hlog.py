"""Latencies over time as a tagged histogram log (`.hlog`, format 1.3): one HDR histogram per row and metric, in µs.

The format is HdrHistogram's (HistogramLogWriter, HistogramLogReader). Adding the histograms of neighbouring intervals
gives the histogram of any longer interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from loadsim.measure.result import RunResult
from loadsim.measure.stored_histograms import rows_of
from loadsim.model import US_PER_MS
from loadsim.report.numbers import printable

METRICS = ("response", "service")


def render_hlog(result: RunResult) -> str:
    """Header comments, the legend, then `Tag=metric,start_s,length_s,max_ms,histogram`, ascending in time."""
    scale = f", scale {result.run.scale:g}" if result.run.scale < 1 else ""
    which = printable(f"loadsim {result.run.version}, run {result.run.id}{scale}")
    lines = [
        "#[Histogram log format version 1.3]",
        f"#[{which}; values in us: a unit ratio of 1000 shows ms]",
        *_started(result.run.started_at),
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
        *_intervals(result),
    ]
    return "\n".join(lines) + "\n"


def _started(at: str) -> list[str]:
    """The start of the run; empty where the stored time cannot be read."""
    try:
        started = datetime.fromisoformat(at)
    except ValueError:
        return []
    return [
        f"#[StartTime: {started.timestamp():.3f} (seconds since epoch), {started.isoformat()}]",
        f"#[BaseTime: {started.timestamp():.3f} (seconds since epoch)]",
    ]


def _intervals(result: RunResult) -> Iterator[str]:
    rows = {metric: rows_of(result, metric) for metric in METRICS}
    stats = {metric: result.totals.latency_ms.get(metric) for metric in METRICS}
    most = {metric: math.inf if each is None or each.max is None else each.max for metric, each in stats.items()}
    for number, row in enumerate(result.series):
        for metric, counted in rows.items():
            blob = (result.series_histograms.get(metric) or [])[number : number + 1]
            if not blob or blob[0] is None:
                continue
            greatest = min(counted.highest_us(number) / US_PER_MS, most[metric])
            width_s = result.slice_s if row.width_s is None else row.width_s
            yield f"Tag={metric},{row.t_s:.3f},{width_s:.3f},{greatest:.3f},{blob[0]}"

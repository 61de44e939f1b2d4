"""The time series as CSV (RFC 4180): one row per slice, with the fields of `series`. An unknown figure is empty."""

from __future__ import annotations

import csv
import io

import msgspec

from loadsim.measure.result import RunResult
from loadsim.measure.result_events import SeriesRow


def render_series(result: RunResult) -> str:
    """Header and rows, lines ending in CRLF."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(SeriesRow.__struct_fields__)
    writer.writerows(msgspec.structs.astuple(row) for row in result.series)
    return text.getvalue()

"""The course of a run as a table, read back."""

from __future__ import annotations

import csv
import io

from loadsim.report.series_csv import render_series
from tests.builders import run_result, with_histograms

RESULT = with_histograms(run_result())


def test_series_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(render_series(RESULT), newline="")))
    assert [float(row["t_s"]) for row in rows] == [row.t_s for row in RESULT.series]
    assert rows[0]["p99_ms"] == "44.0"
    assert rows[-1]["p99_ms"] == "", "an unknown figure is empty, not 0"

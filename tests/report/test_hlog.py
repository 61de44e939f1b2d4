"""The histogram log, read by HdrHistogram's own reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]
from hdrh.log import HistogramLogReader  # type: ignore[import-untyped]

from loadsim.measure.result import RunResult
from loadsim.report.hlog import render_hlog
from tests.builders import run_info, run_result, with_course


def intervals(result: RunResult, path: Path) -> list[HdrHistogram]:
    path.write_text(render_hlog(result), encoding="utf-8")
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000, 3))
    found = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found.append(histogram)
    reader.close()
    return found


def test_a_histogram_log_adds_up_to_the_run(tmp_path: Path) -> None:
    result = with_course(run_result())
    found = intervals(result, tmp_path / "a.hlog")
    assert {histogram.get_tag() for histogram in found} == {"response", "service"}
    response = [histogram for histogram in found if histogram.get_tag() == "response"]
    assert len(response) == 39, "the empty slice has no line"
    assert sum(histogram.get_total_count() for histogram in response) == result.totals.sent
    whole = HdrHistogram(1, 3_600_000_000, 3)
    for histogram in response:
        whole.add(histogram)
    assert whole.get_value_at_percentile(99) == HdrHistogram.decode(
        result.histograms["response"]
    ).get_value_at_percentile(99)
    # 2026-05-04T09:10:00Z, and the series begins one second into the run
    assert response[0].get_start_time_stamp() == 1777885801_000
    assert response[0].get_end_time_stamp() == 1777885801_250


def test_the_greatest_value_of_an_interval_is_in_ms(tmp_path: Path) -> None:
    result = with_course(run_result())
    most = result.totals.latency_ms["response"].max or 0.0
    histograms = intervals(result, tmp_path / "a.hlog")
    lines = [line.split(",") for line in render_hlog(result).splitlines() if line.startswith("Tag=")]
    assert len(lines) == len(histograms)
    for (_, _, _, greatest, _), histogram in zip(lines, histograms, strict=True):
        top = histogram.get_highest_equivalent_value(histogram.get_max_value())
        assert float(greatest) == pytest.approx(min(top / 1000, most), abs=0.0006)
        assert float(greatest) <= most + 0.0005


def test_a_run_id_cannot_end_a_line_of_the_log(tmp_path: Path) -> None:
    result = with_course(run_result(run=run_info(id="x\nTag=evil,0,1,1,HISTF")))
    assert len(intervals(result, tmp_path / "a.hlog")) == 78

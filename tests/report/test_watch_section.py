"""What reports say of watches: their figures with units, gaps, what moved together, and charts on one time axis."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from loadsim.measure.result import RunResult
from loadsim.measure.result_events import AfterPause, FirstOrRest
from loadsim.measure.result_watches import Moved, MovedWith, WatchSeries
from loadsim.report.blocks import Chart, Lines, Section
from loadsim.report.group_sections import after_pause_section
from loadsim.report.markdown import render as render_markdown
from loadsim.report.run_report import run_report
from loadsim.report.watch_section import in_unit, moved_words, watch_section
from tests.builders import run_result, with_histograms

HOSTILE = "<b>&\x1b[2J::error::"


def series(**more: Any) -> WatchSeries:
    known = {
        "name": "queue_depth",
        "kind": "url",
        "place": "http://127.0.0.1:8080/metrics",
        "metric": 'jobs{queue="mail"}',
        "reading": "gauge",
        "unit": "",
        "every_s": 1.0,
        "t_s": [0.0, 1.0, 2.0, 40.0],
        "values": [3.0, None, 180.0, 12.0],
        "samples": 3,
        "gaps": 1,
        "why_gaps": {"answered 503": 1},
        "min": 3.0,
        "avg": 65.0,
        "max": 180.0,
        "last": 12.0,
    }
    return WatchSeries(**{**known, **more})


def result(*watches: WatchSeries, **more: Any) -> RunResult:
    return msgspec.structs.replace(with_histograms(run_result()), watches=list(watches), **more)


def section_of(run: RunResult) -> Section:
    found = watch_section(run)
    assert found is not None
    return found


def lines_of(section: Section) -> list[str]:
    return [text for block in section.blocks if isinstance(block, Lines) for text in block.lines]


@pytest.mark.parametrize(
    ("unit", "reading", "value", "shown"),
    [
        ("", "gauge", 180.0, "180"),
        ("", "gauge", 65.25, "65.2"),
        ("", "gauge", 12_345.0, "12,345"),
        ("", "rate", 150.0, "150/s"),
        ("s", "p99", 0.35, "350 ms"),
        ("s", "gauge", -2.0, "-2 s"),
        ("bytes", "gauge", 45_260_800.0, "45.3 MB"),
        ("bytes", "rate", 2_000.0, "2.00 kB/s"),
        ("cores", "rate", 1.5, "1.50 cores"),
        ("", "gauge", None, "n/a"),
        ("", "gauge", -5e300, "-5e+300"),
        ("bytes", "gauge", 1e200, "1e+200 bytes"),
        ("s", "gauge", 1e-200, "1e-200 s"),
        ("", "gauge", 1e14, "100,000,000,000,000"),
    ],
)
def test_values_have_their_unit(unit: str, reading: Any, value: float | None, shown: str) -> None:
    assert in_unit(value, series(unit=unit, reading=reading)) == shown


def test_min_avg_max_and_last_of_each_and_why_there_are_gaps() -> None:
    text = render_markdown(run_report(result(series(), series(name="gone", samples=0, gaps=4, t_s=[], values=[]))))
    assert '| queue\\_depth | 3 | 65 | 180 | 12 | jobs{queue="mail"} |' in text
    assert "from http\\://127.0.0.1:8080/metrics" in text
    assert "queue\\_depth: 1 of 4 readings gave no value: 1 × answered 503" in text
    assert watch_section(run_result()) is None


def test_charts_of_watches_and_of_latency_have_one_time_axis() -> None:
    run = result(series(), series(name="other", t_s=[0.5, 30.0], values=[1.0, 2.0]))
    charts = {
        chart.name: chart for part in run_report(run).sections for chart in part.blocks if isinstance(chart, Chart)
    }
    axes = [charts[name].figure["layout"]["xaxis"]["range"] for name in ("latency", "watch-1", "watch-2")]
    assert axes[0] == axes[1] == axes[2]
    assert axes[0][1] >= 40
    assert charts["watch-1"].figure["data"][0]["y"] == [3.0, None, 180.0, 12.0]
    assert charts["watch-1"].figure["data"][0]["connectgaps"] is False


def test_what_moved_together_is_said_with_both_figures() -> None:
    moved = Moved(
        name="queue_depth",
        at_s=12.5,
        before=3.0,
        after=180.0,
        figure="p99",
        figure_at_s=12.5,
        figure_before=20.0,
        figure_after=400.0,
    )
    failed = msgspec.structs.replace(moved, figure="errors", figure_at_s=13.0, figure_before=0.0, figure_after=0.25)
    run = result(series(), moved_with=MovedWith(rows=[moved, failed]))
    assert moved_words(run) == [
        "queue_depth moved with latency: from 3 to 180 at 12.5 s, while p99 went from 20.0 ms to 400 ms",
        (
            "queue_depth moved with failures: from 3 to 180 at 12.5 s, while the share of failed events went from "
            "0 % to 25 % at 13 s"
        ),
    ]
    assert all("(correlation)" in line for line in lines_of(section_of(run))[:2])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (MovedWith(why_not="3 events were disturbed"), "not compared with latency and failures: 3 events were"),
        (MovedWith(), "none of them changed when latency or failures did"),
    ],
)
def test_that_nothing_moved_or_that_nothing_can_be_said(found: MovedWith, said: str) -> None:
    assert lines_of(section_of(result(series(gaps=0, why_gaps={}), moved_with=found)))[0].startswith(said)


def test_what_a_page_says_is_harmless() -> None:
    hostile = series(name=HOSTILE, metric=HOSTILE, place=HOSTILE, why_gaps={HOSTILE: 1})
    text = render_markdown(run_report(result(hostile)))
    assert "\x1b" not in text
    chart = next(block for block in section_of(result(hostile)).blocks if isinstance(block, Chart))
    assert "<b>" not in str(chart.figure)


def test_first_events_after_a_pause_stand_beside_the_others() -> None:
    row = AfterPause("again", 60.0, 90.0, 1.0, FirstOrRest(20, 19, 800.0, 1200.0), FirstOrRest(80, 80, 10.0, 12.0))
    text = render_markdown(run_report(result(after_pause=[row])))
    assert "| first 1.00 s of again, after 60.0 s of pause | 20 | 95 % | 800 ms | 1.20 s |" in text
    assert "| the rest of again | 80 | 100 % | 10.0 ms | 12.0 ms |" in text
    rest = msgspec.structs.replace(row, rest=FirstOrRest(0, 0))
    (table,) = after_pause_section(result(after_pause=[rest])).blocks
    assert "n/a" in str(table)
    assert "After a pause" not in render_markdown(run_report(result()))

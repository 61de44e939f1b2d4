"""Limits over windows: what the chart of latency over time draws, what its words and its table say."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import WindowCourse
from loadsim.plan.scenario import ValidityRules
from loadsim.report import time_charts
from loadsim.report.chart_course import latency_course
from loadsim.report.html_page import charts_of
from loadsim.report.window_limits import missed_cell, window_limits, words
from tests.builders import run_result, with_course
from tests.report.rendering import report_of

RUN = with_course(run_result(), slices=33, per_slice=40)
WIDTH = 2.0


def judged(values: list[float | None], *objectives: str, starts: list[float] | None = None) -> RunResult:
    """A run with these figures of p90 by window, judged."""
    t_s = [1 + WIDTH * number for number in range(len(values))] if starts is None else starts
    course = WindowCourse("response: p(90)", WIDTH, t_s, values, [300] * len(values), 0.0)
    result = msgspec.structs.replace(RUN, windows=[course])
    return evaluate(result, objectives_of(objectives, vocabulary_of(result)), ValidityRules())


@given(st.lists(st.none() | st.floats(0.1, 100.0), min_size=1, max_size=40), st.sampled_from(["<", "<=", ">", ">="]))
def test_the_verdict_and_the_drawing_agree(values: list[float | None], op: str) -> None:
    (limit,) = window_limits(judged(values, f"p(90) {op} 20ms over 2s"))
    if limit.passed is not None:
        assert limit.passed is (not limit.missed)
    inside = sum(end - start for start, end in limit.missed_spans)
    assert inside == pytest.approx(WIDTH * len(limit.missed)), "spans cover every missed window, once"
    assert all(one[1] < other[0] for one, other in zip(limit.missed_spans, limit.missed_spans[1:], strict=False))
    marked = sum(bool(missed_cell([limit], t, WIDTH)) for t in limit.t_s)
    assert marked == len(limit.missed), "a row per window says so of those alone"


def test_neighbours_are_one_stretch_and_gaps_stay() -> None:
    (limit,) = window_limits(judged([30.0, 31.0, 10.0, 44.0], "p(90) < 20ms over 2s", starts=[1, 3, 5, 9]))
    assert limit.spans == [(1, 7), (9, 11)]
    assert limit.missed_spans == [(1, 5), (9, 11)]
    assert words(limit) == "p(90) < 20ms over 2s: missed in 3 of 4 windows, by most from 9 to 11 s (44.0 ms)"
    assert missed_cell([limit], 4.5, 0.5) == limit.text
    assert missed_cell([limit], 5.0, 4.0) == ""


def test_what_held_and_what_nobody_knows_is_told_apart() -> None:
    (limit,) = window_limits(judged([3.0, None, 4.0], "p(90) < 20ms over 2s"))
    assert words(limit) == "p(90) < 20ms over 2s: held in 2 of 3 windows; 1 had too few samples"


def test_the_chart_draws_line_bands_and_marks() -> None:
    result = judged([30.0, 10.0, 44.0], "p(90) < 20ms over 2s", "success: rate > 1% over 5s", "p(99) < 1s")
    limits = window_limits(result)
    assert [limit.text for limit in limits] == ["p(90) < 20ms over 2s"], (
        "rates and whole-run limits are not of this chart"
    )
    figure = time_charts.latency_figure(latency_course(result), [], limits)
    line, missed = figure["data"][-2:]
    assert (line["x"], line["y"]) == ([1, 7, None], [20, 20, None])
    assert missed["y"] == [30, 30, 30, None, 44, 44, 44, None]
    assert [(band["x0"], band["x1"]) for band in figure["layout"]["shapes"]] == [(1, 3), (5, 7)]
    low, high = figure["layout"]["yaxis"]["range"]
    assert 10**low < 20 < 44 < 10**high
    section = next(chart for chart in charts_of(report_of(result)) if chart.name == "latency")
    assert "missed in 2 of 3 windows" in section.words
    assert sum("p(90) < 20ms over 2s" in row for row in section.points.rows) == 8

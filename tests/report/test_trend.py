"""How a scenario's runs went: oldest first, each with its verdict, and no trend of too few."""

from __future__ import annotations

import itertools

from loadsim.report.trend import run_line, trend
from tests.report.results import closed, failed, invalid

LINES = [
    run_line(result)._replace(id=f"run-{day}", started_at=f"2026-05-0{day}T09:10:00Z", p50=p50)
    for day, (result, p50) in enumerate(((closed(), 1.0), (failed(), None), (invalid(), 3.0)), 1)
]


def test_a_line_has_the_figures_of_its_result() -> None:
    line, result = run_line(failed()), failed()
    assert (line.outcome, line.verdict, line.sent) == ("fail", "FAIL", result.totals.sent)
    assert line.p99 == result.totals.latency_ms["response"].p99
    assert line.cells()[2] == "98.9 %"


def test_a_trend_is_in_order_whatever_the_order_given() -> None:
    section = trend(LINES)
    assert section is not None
    assert all(trend(order) == section for order in itertools.permutations(LINES))
    p50 = next(trace for trace in section.figure["data"] if trace["name"] == "p50")
    assert p50["y"] == [1.0, None, 3.0], "what is not known is a gap"
    assert section.figure["layout"]["xaxis"]["ticktext"] == ["05-01 09:10", "05-02 09:10", "05-03 09:10"]


def test_a_trend_is_read_without_colours() -> None:
    section = trend([*LINES, LINES[0]._replace(id="later", started_at="2026-05-09T09:10:00Z")])
    assert section is not None
    drawn = [trace for trace in section.figure["data"] if not trace.get("showlegend", True)]
    legend = {trace["name"]: trace for trace in section.figure["data"] if trace.get("showlegend", True)}
    assert list(legend) == ["p50", "p99", "max", "PASS", "FAIL", "INVALID"]
    assert len({trace["line"]["dash"] for trace in drawn}) == len(drawn) == 3
    for trace in drawn:
        assert trace["line"]["dash"] == legend[trace["name"]]["line"]["dash"]
        symbols = [legend[name]["marker"]["symbol"] for name in ("PASS", "FAIL", "INVALID", "PASS")]
        assert trace["marker"]["symbol"] == symbols
        assert len(set(symbols)) == 3


def test_two_targets_are_not_one_line() -> None:
    elsewhere = [LINES[0]._replace(id="other", target="http://other.example.test/"), *LINES]
    section = trend(elsewhere)
    assert section is not None
    alone = trend(LINES)
    assert alone is not None
    assert section.figure == alone.figure
    assert f"3 runs of {LINES[-1].name} against {LINES[-1].target}" in section.words
    assert "1 run against other targets is not drawn" in section.words
    assert "not drawn" not in alone.words


def test_a_shortened_run_is_not_in_the_line_of_whole_ones() -> None:
    section = trend([LINES[0]._replace(id="short", scale=0.1), *LINES])
    alone = trend(LINES)
    assert section is not None
    assert alone is not None
    assert section.figure == alone.figure
    assert "1 run of another scale is not drawn" in section.words
    short = trend([line._replace(scale=0.1) for line in LINES])
    assert short is not None
    assert f"3 runs of {LINES[-1].name} at scale 0.1 against" in short.words


def test_one_run_is_no_trend_and_neither_is_what_nobody_measured() -> None:
    assert trend(LINES[:1]) is None
    assert trend([line._replace(p50=None) for line in LINES]) is None

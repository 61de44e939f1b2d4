"""One model, three forms: what one says, the others say."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from loadsim.measure.result import RunResult
from loadsim.report import html_page, markdown, terminal
from loadsim.report.blocks import Column, Report, Section, Table, cell, tables
from loadsim.report.reconciliation import reconcile_report
from tests.builders import run_result, shard
from tests.report.rendering import report_of
from tests.report.results import aborted, closed, compared, failed, invalid, pairs, probed, retried, searched
from tests.report.test_reconciliation import BAD, CLEAN


def made(result: Callable[[], Any]) -> Report:
    return report_of(result())


def two_hosts() -> RunResult:
    ahead = shard(0, host="a", clock_ahead_ms=1.0, clock_residual_ms=0.1)
    return run_result(shards=[ahead, shard(1, host="b")])


REPORTS: Mapping[str, Callable[[], Report]] = {
    **{
        make.__name__: functools.partial(made, make)
        for make in (failed, closed, invalid, aborted, retried, searched, compared, probed)
    },
    "pairs alike": lambda: report_of(pairs(same=True)),
    "pairs apart": lambda: report_of(pairs(slower=1.2)),
    "two hosts": lambda: report_of(two_hosts()),
    "reconciled": lambda: reconcile_report(run_result(), CLEAN),
    "reconciled, bad": lambda: reconcile_report(run_result(), BAD),
}


@pytest.fixture(params=REPORTS)
def report(request: pytest.FixtureRequest) -> Report:
    """One report of every kind, made when a test asks for it."""
    return REPORTS[request.param]()


def forms(report: Report) -> dict[str, str]:
    """What each renderer makes of a report, as words with one blank between them."""
    body = html_page.render(report, None).decode().partition("<body>")[2]
    drawn = {
        "terminal": terminal.render(report, width=2_000),
        "markdown": markdown.render(report).replace("\\", "").replace("\u2060", ""),
        "page": re.sub(r"<[^>]+>", " ", body.replace("<wbr>", "")),
    }
    return {name: " ".join(html.unescape(text).split()) for name, text in drawn.items()}


def test_every_table_of_one_form_is_in_the_others(report: Report) -> None:
    for name, text in forms(report).items():
        for table in tables(report):
            assert table.caption in text, (name, table.caption)
            if table.short and name != "page":
                assert table.short in text, (name, table.caption)
                continue
            rows = table.rows[: table.top] if name == "terminal" else table.rows
            for content in (cell(content) for row in rows for content in row):
                if not (content.sign and name == "terminal"):
                    assert " ".join(content.text.split()) in text, (name, table.caption, content)
                assert content.note in text, (name, table.caption, content)
                assert content.under in text, (name, table.caption, content)


def test_every_form_has_the_verdict_and_every_section(report: Report) -> None:
    charts = {chart.name for chart in html_page.charts_of(report)}
    for name, text in forms(report).items():
        for words in (report.outcome, report.name, report.headline, *report.about):
            assert " ".join(words.split()) in text, (name, words)
        for section in report.sections:
            if name == "page" or not charts & {getattr(block, "name", None) for block in section.blocks}:
                assert section.title in text, (name, section.title)


def test_a_table_that_one_form_left_out_would_be_seen() -> None:
    report = report_of(failed())
    lost = forms(report)["terminal"].replace("Generator processes", "")
    assert any(table.caption not in lost for table in tables(report))


def test_a_terminal_shows_details_when_asked() -> None:
    report = report_of(failed())
    assert "Run and host" in terminal.render(report)
    assert "Run and host" not in terminal.render(report, details=False)


def test_a_line_in_place_of_rows_has_its_caption_unless_the_title_says_it() -> None:
    blocks = [Table(caption, (Column("A"),), [("1",)], short) for caption, short in (("B", "all met"), ("C", "none"))]
    report = Report("PASS", "good", "name", "met", (), [Section("b", "B", blocks)])
    for text in (terminal.render(report), markdown.render(report)):
        assert "B: " not in text
        assert "all met" in text
        assert "C: none" in text

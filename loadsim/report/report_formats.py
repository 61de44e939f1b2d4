"""The formats that a report can be written in: name, file name and renderer of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from loadsim.measure.result import RESULT_FILE, RunResult, dump_result
from loadsim.report import html_page, markdown, plotly_script, terminal
from loadsim.report.blocks import Report
from loadsim.report.hgrm import render_hgrm
from loadsim.report.hlog import render_hlog
from loadsim.report.junit import render_junit
from loadsim.report.k6_summary import render_k6_summary
from loadsim.report.openmetrics import render_openmetrics
from loadsim.report.run_report import run_report
from loadsim.report.series_csv import render_series


class Format(NamedTuple):
    """One format: its file name in a result directory, and its renderer."""

    filename: str
    render: Callable[[RunResult], bytes]
    run: bool
    """Written beside `result.json` by every run."""


REPORT_FORMATS: dict[str, Callable[[Report], bytes]] = {
    "text": lambda report: terminal.render(report).encode(),
    "html": lambda report: html_page.render(report, plotly_script.library()),
    "md": lambda report: markdown.render(report).encode(),
}
"""The formats for any kind of report."""

FORMATS: dict[str, Format] = {
    "text": Format("report.txt", lambda result: REPORT_FORMATS["text"](run_report(result)), run=False),
    "html": Format("report.html", lambda result: REPORT_FORMATS["html"](run_report(result)), run=True),
    "md": Format("summary.md", lambda result: REPORT_FORMATS["md"](run_report(result)), run=True),
    "hgrm": Format("percentiles.hgrm", lambda result: render_hgrm(result).encode(), run=True),
    "csv": Format("series.csv", lambda result: render_series(result).encode(), run=True),
    "junit": Format("junit.xml", render_junit, run=True),
    "hlog": Format("intervals.hlog", lambda result: render_hlog(result).encode(), run=False),
    "k6": Format("k6-summary.json", render_k6_summary, run=False),
    "openmetrics": Format("metrics.txt", lambda result: render_openmetrics(result).encode(), run=False),
    "json": Format(RESULT_FILE, dump_result, run=False),
}


def report_files(report: Report) -> dict[str, bytes]:
    """File name → content of the files beside every stored result: the page and the Markdown summary."""
    return {FORMATS[form].filename: REPORT_FORMATS[form](report) for form in ("html", "md")}


def run_files(result: RunResult, report: Report | None = None) -> dict[str, bytes]:
    """File name → content of all files that a run writes beside its `result.json`. `report`: that of the result, where
    the caller has made it."""
    report = report or run_report(result)
    return {
        form.filename: REPORT_FORMATS[name](report) if name in REPORT_FORMATS else form.render(result)
        for name, form in FORMATS.items()
        if form.run
    }

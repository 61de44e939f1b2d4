"""Every renderer against a file that somebody has looked at.

`python -m tests.report.test_golden` writes the files again; look at the difference before keeping it.
"""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec
import pytest

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import RunResult
from loadsim.plan.scenario import ValidityRules
from loadsim.report.hgrm import render_hgrm
from loadsim.report.junit import render_junit
from loadsim.report.k6_summary import render_k6_summary
from loadsim.report.openmetrics import render_openmetrics
from loadsim.report.page import render_page
from loadsim.report.series_csv import render_series
from loadsim.report.summary import render_summary
from loadsim.report.text import render_text
from tests.builders import TYPES, refused, run_info, run_result, with_course, with_histograms

GOLDEN = Path(__file__).parent / "golden"
OBJECTIVES = ("p(99) < 250ms", "http_req_duration: p(95)<4", f"response{{event:{TYPES[1]}}}: p(99.9) < 100ms")


def failed() -> RunResult:
    """An open run that misses objectives."""
    result = with_histograms(run_result())
    return evaluate(result, objectives_of(OBJECTIVES, vocabulary_of(result)), ValidityRules())


def invalid() -> RunResult:
    """A run that came late, against an endpoint with another secret, interrupted."""
    limits = msgspec.structs.replace(run_result().limits, lag_p99_ms=14.2)
    result = run_result(totals=refused(300), limits=limits, run=run_info(interrupted=True), samples=[])
    return evaluate(result, objectives_of(["p(99) < 250ms"], vocabulary_of(result)), ValidityRules())


def closed() -> RunResult:
    """A closed run that passes."""
    result = run_result(run=run_info(model="closed"))
    return evaluate(result, objectives_of(["success: rate > 98%"], vocabulary_of(result)), ValidityRules())


def course() -> RunResult:
    """An open run with its course over a few slices, and objectives of both kinds."""
    result = with_course(run_result(), slices=24, per_slice=40)
    return evaluate(result, objectives_of(OBJECTIVES, vocabulary_of(result)), ValidityRules())


@functools.cache
def rendered() -> dict[str, str]:
    """File name → what the renderers make of it now."""
    return {
        "failed-80.txt": render_text(failed(), width=80),
        "failed-120.txt": render_text(failed(), width=120),
        "failed-80-colour.txt": render_text(failed(), width=80, colour=True),
        "invalid-100.txt": render_text(invalid(), width=100),
        "closed-80.txt": render_text(closed(), width=80),
        "failed.md": render_summary(failed()),
        "invalid.md": render_summary(invalid()),
        "failed.hgrm": render_hgrm(failed()),
        "failed.csv": render_series(failed()),
        "failed.xml": render_junit(failed()).decode(),
        "invalid.xml": render_junit(invalid()).decode(),
        "failed.json": render_k6_summary(failed()).decode(),
        "failed.openmetrics": render_openmetrics(failed()),
        "failed.html": render_page(course(), None).decode(),
        "closed.html": render_page(closed(), None).decode(),
    }


@pytest.mark.parametrize("name", list(rendered()))
def test_golden(name: str) -> None:
    assert rendered()[name].encode() == (GOLDEN / name).read_bytes()


if __name__ == "__main__":
    for filename, text in rendered().items():
        (GOLDEN / filename).write_bytes(text.encode())

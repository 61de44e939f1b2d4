"""Every form of a result says what was tested (without secrets), when, under which name, and what limited it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping

import msgspec
import pytest

from loadsim.judge.compare import compare_results
from loadsim.measure.result import RunResult, dump_result, target_url
from loadsim.measure.result_deliveries import Reconciliation
from loadsim.measure.stored_json import stored_json
from loadsim.report import terminal
from loadsim.report.compare_document import compare_document
from loadsim.report.github import step_summary, workflow_commands
from loadsim.report.reconciliation import reconcile_report
from loadsim.report.report_formats import FORMATS
from loadsim.report.what_limited import limit_lines
from loadsim.studies.ab.result import AbResult
from loadsim.studies.capacity.result import CapacityResult
from tests.report import results
from tests.report.rendering import render_page, render_summary, render_text, render_verdict

WIDE = 2_000
"""Columns, so that no line is broken."""
FORMS: Mapping[str, Callable[[RunResult], str]] = {
    "terminal": lambda result: render_text(result, width=WIDE),
    "terminal, narrow": lambda result: render_text(result, width=80),
    "judge": lambda result: render_verdict(result, width=WIDE),
    "summary.md": render_summary,
    "page": lambda result: html.unescape(render_page(result, None).decode()),
    "step summary": lambda result: step_summary(result).decode(),
    "annotations": lambda result: "\n".join(workflow_commands(result)).replace("%25", "%"),
    "JUnit": lambda result: html.unescape(FORMATS["junit"].render(result).decode()),
    "compare": lambda result: render_text(compare_results(result, result), width=WIDE),
    "compare, Markdown": lambda result: render_summary(compare_results(result, result)),
    "compare --json": lambda result: stored_json(compare_document(compare_results(result, result))).decode(),
    "reconcile": lambda result: terminal.render(reconcile_report(result, Reconciliation(source="a file")), width=WIDE),
}


def plain(text: str) -> str:
    """The words of a text, without Markdown's escapes and the ends of lines."""
    return re.sub(r"\s+", " ", html.unescape(text).replace("\\", ""))


def failed() -> RunResult:
    """A failed run whose limits are known."""
    result = results.failed()
    return msgspec.structs.replace(result, run=msgspec.structs.replace(result.run, name="black-friday"))


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_a_run_says_what_when_and_how_far(form: str) -> None:
    result = failed()
    target = target_url(result)
    assert target.startswith("http")
    said = plain(FORMS[form](result))
    for word in (target, result.run.started_at, result.run.name, limit_lines(result)[0]):
        assert plain(word) in said, word


def test_the_stored_form_has_the_same_as_keys() -> None:
    result = failed()
    document = json.loads(dump_result(result))
    assert document["run"]["scenario"]["target"]["url"] == target_url(result)
    assert (document["run"]["name"], document["run"]["started_at"]) == (result.run.name, result.run.started_at)
    assert document["limits"]["connections"] == result.limits.connections


@pytest.mark.parametrize("study", [results.searched(), results.pairs()])
def test_a_study_says_what_and_when(study: AbResult | CapacityResult) -> None:
    targets = [study.a, study.b] if isinstance(study, AbResult) else [study.target]
    for text in (render_text(study, width=WIDE), render_summary(study)):
        assert all(plain(word) in plain(text) for word in (*targets, study.started_at, study.name))

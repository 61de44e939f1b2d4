"""Where a run is too short for an interval, every report says how long it would have to be."""

from __future__ import annotations

import msgspec
import pytest

from loadsim.judge import evaluate
from loadsim.judge.objectives import parse_objective
from loadsim.measure.result import RunResult
from loadsim.plan.scenario import ValidityRules
from loadsim.report import facts, numbers
from loadsim.report.github import workflow_commands
from loadsim.report.junit import render_junit
from tests.builders import run_result
from tests.report.rendering import render_page, render_summary, render_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.61, "needs 0.61 s"),
        (5.0, "needs 5 s"),
        (5.01, "needs 5.1 s"),
        (44.2, "needs 45 s"),
        (199.9, "needs 200 s"),
        (201, "needs 3.4 min"),
        (3_600, "needs 60 min"),
        (86_000, "needs 24 h"),
    ],
)
def test_a_length_is_rounded_up(seconds: float, text: str) -> None:
    assert numbers.needed(seconds) == text


def short() -> RunResult:
    """A judged run with an interval for p50 only."""
    result = run_result()
    response = result.totals.latency_ms["response"]
    assert response.ci95 is not None
    response = msgspec.structs.replace(response, ci95={"p50": response.ci95["p50"]}, needs_s={"p99": 44.2})
    latency = result.totals.latency_ms | {"response": response}
    result = msgspec.structs.replace(result, totals=msgspec.structs.replace(result.totals, latency_ms=latency))
    return evaluate(result, [parse_objective("p(99) < 1ms")], ValidityRules())


def test_every_report_of_a_run_says_it() -> None:
    result = short()
    assert result.verdict.objectives[0].needs_s == 44.2
    line = facts.objective_lines(result)[0]
    assert (line.interval, line.needs) == ("", "needs 45 s")
    for text in (render_text(result), render_summary(result), render_page(result, "").decode()):
        assert text.count("needs 45 s") == 2, "below the percentile, and beside its objective"
        assert "how long it needs to be" in text


def test_it_does_not_stand_for_an_interval_elsewhere() -> None:
    result = short()
    assert b"needs 45 s" not in render_junit(result)
    assert "needs 45 s" not in " ".join(workflow_commands(result))

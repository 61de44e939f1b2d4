"""A shortened run leaves open what only its length keeps it from judging, says so, and judges all else."""

from __future__ import annotations

import msgspec
import pytest

from loadsim.judge import evaluate, exit_code, objectives_of, vocabulary_of
from loadsim.judge.objectives import parse_objective
from loadsim.judge.scaled_runs import SCALED, asks_for_many
from loadsim.judge.verdict import NOTHING_JUDGED
from loadsim.measure.result import RunResult
from loadsim.measure.result_verdict import ObjectiveRow
from loadsim.plan.scenario import ValidityRules
from tests.builders import run_info, run_result, totals
from tests.report.rendering import render_summary, render_text


def judged(*texts: str, scale: float = 0.1, planned: int = 600) -> RunResult:
    result = run_result(run=msgspec.structs.replace(run_info(), scale=scale), totals=totals(planned))
    return evaluate(result, objectives_of(texts, vocabulary_of(result), defaults=False), ValidityRules())


def row(text: str, **more: float) -> ObjectiveRow:
    (found,) = judged(text, **more).verdict.objectives  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("text", "passed", "scaled"),
    [
        ("p(99.9) < 1s", None, True),  # 600 samples, it needs 3,688
        ("p(90) < 1s", True, False),
        ("p(90) < 1ms", False, False),
        ("sent: count >= 5000", None, True),
        ("sent: count >= 600", True, False),
        ("sent: count == 6000", None, True),
        ("sent: count == 599", False, False),  # more events make it worse
        ("errors: count == 0", False, False),
        ("errors: count < 5", False, False),
        ("errors: count < 50", True, False),
        ("success: rate >= 99.9%", False, False),
        ("events: rate >= 1000/s", False, False),  # a rate is the same in a shorter run
    ],
)
def test_what_is_judged(text: str, *, passed: bool | None, scaled: bool) -> None:
    found = row(text)
    assert (found.passed, found.scaled) == (passed, scaled)
    assert found.note.startswith(SCALED) is scaled


def test_a_whole_run_judges_all() -> None:
    assert judged("p(99.9) < 1s", scale=1.0).verdict.outcome == "invalid"
    assert judged("sent: count >= 5000", scale=1.0).verdict.outcome == "fail"


def test_what_is_left_open_does_not_decide() -> None:
    passed = judged("p(90) < 1s", "p(99.9) < 1s", "sent: count >= 5000")
    assert (passed.verdict.outcome, exit_code(passed, interrupted=False)) == ("pass", 0)
    assert passed.validity.valid
    failed = judged("p(90) < 1ms", "p(99.9) < 1s", "sent: count >= 5000")
    assert (failed.verdict.outcome, exit_code(failed, interrupted=False)) == ("fail", 99)


def test_reports_say_the_scale_and_what_was_not_judged() -> None:
    result = judged("p(90) < 1s", "p(99.9) < 1s")
    for text in (render_text(result, width=200), render_summary(result)):
        flat = " ".join(text.split())
        assert "scale 0.1" in flat
        assert f"1 of 1 objectives met, 1 {SCALED}" in flat
        assert f"{SCALED}: 600 response samples in the recorded phases, p(99.9) needs 3,688" in flat.replace("\\", "")


@pytest.mark.parametrize(
    ("text", "many"),
    [
        ("sent: count >= 1", True),
        ("sent: count > 1", True),
        ("sent: count == 5", True),
        ("lost: count == 0", False),
        ("lost: count != 0", True),
        ("sent: count <= 5", False),
        ("sent: count >= 1 over 10s", False),
        ("sent: rate >= 1/s", False),
        ("success: rate >= 1%", False),
    ],
)
def test_which_objectives_more_events_can_meet(text: str, *, many: bool) -> None:
    assert asks_for_many(parse_objective(text)) is many


def test_a_gate_does_not_pass_on_nothing() -> None:
    empty = judged("p(99.9) < 1s", "sent: count >= 5000")
    assert (empty.verdict.outcome, exit_code(empty, interrupted=False)) == ("invalid", 3)
    assert empty.validity.reasons == [NOTHING_JUDGED]

"""The verdict: PASS, FAIL or INVALID, and the exit code that says so.

Objectives are judged and stored even when the run is INVALID.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import msgspec

from loadsim.exit_codes import VERDICTS, Exit
from loadsim.judge.objective_figures import observe
from loadsim.judge.objectives import percentile_of, status_of, unit_of
from loadsim.judge.scaled_runs import SCALED, why_left_open
from loadsim.judge.validity import invalid_reasons, often_late, short_of_load, warnings_of
from loadsim.judge.vocabulary import EFFECT_METRICS, K6_DIFFERENCE, LEDGER_METRICS, METRICS, WATCH
from loadsim.judge.window_objectives import CUT_OFF_EARLY, course_of, holds_between, judge_course
from loadsim.judge.without_generator import pause_words, without_generator
from loadsim.measure.result import RunResult
from loadsim.measure.result_verdict import Aborted, ObjectiveRow, Validity, VerdictRow
from loadsim.model import Objective
from loadsim.plan.run_spec import GateMode
from loadsim.plan.scenario import ValidityRules

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

NOTHING_JUDGED = "no objective can be judged at this scale: take a greater --scale, or add one for a short run"
"""A gate does not pass on nothing."""
ORDERED = ("<", "<=", ">", ">=")


def evaluate(
    result: RunResult,
    objectives: Sequence[Objective],
    rules: ValidityRules,
    *,
    gate: GateMode = "point",
    defaults: bool = True,
) -> RunResult:
    """The same result with `validity` and `verdict` filled.

    `gate`: `point` judges the figure itself, as k6 does. `confident` fails an objective only when the whole 95 %
    interval of its figure is beyond the limit; a figure without an interval is judged as with `point`, and the row of a
    percentile says so. It is stored, as is `defaults`, whether default objectives were asked for, so that a later
    judgement can follow it. The objective that ended a run early has failed; objectives for which such a run has too
    few samples are left open. So are those of a shortened run, which then do not decide the verdict; where all are, the
    run is INVALID. Raises UsageError for an objective over windows that cannot be made from this result.
    """
    reasons, doubts = invalid_reasons(result), []
    rows = []
    for objective in objectives:
        found = _judge(result, objective, gate)
        row, missing = _of_scaled(found, objective) if result.run.scale < 1 else (found.row, found.missing)
        missing = missing or short_of_load(result, objective)
        if result.run.aborted is not None:
            row, missing = _of_aborted(row, missing, objective, result.run.aborted)
        if row.passed is False:
            row, doubt = _once_more(result, row, objective, rules)
            doubts += [f"objective {objective.text!r} cannot be judged: {doubt}"] if doubt else []
        rows.append(row)
        if missing:
            reasons.append(f"objective {objective.text!r} cannot be judged: {missing}")
    if rows and all(row.scaled for row in rows):
        reasons.append(NOTHING_JUDGED)
    warnings = warnings_of(result, rules)
    if any(row.passed is False for row in rows):
        warnings += doubts  # the endpoint fails whatever our part in the others was
    else:
        reasons += doubts
    outcome: Literal["pass", "fail", "invalid"] = "pass"
    if reasons:
        outcome = "invalid"
    elif not all(row.passed for row in rows if not row.scaled):
        outcome = "fail"
    return msgspec.structs.replace(
        result,
        validity=Validity(valid=not reasons, reasons=reasons, warnings=warnings),
        verdict=VerdictRow(outcome=outcome, objectives=rows, reading=gate, defaults=defaults),
    )


def exit_code(result: RunResult, *, interrupted: bool) -> int:
    """130 when interrupted, else 3 for INVALID, 99 for FAIL, 0 for PASS. Raises ValueError for a result not judged
    yet."""
    if interrupted:
        return Exit.interrupted
    outcome = result.verdict.outcome
    if outcome not in VERDICTS:
        raise ValueError("the result has not been judged")
    return VERDICTS[outcome]


class _Judged(NamedTuple):
    """An objective as judged; `missing`: why it could not be, and `few` whether for want of events."""

    row: ObjectiveRow
    missing: str
    few: bool


def _judge(result: RunResult, objective: Objective, gate: GateMode) -> _Judged:
    holds = OPERATORS[objective.op]
    if objective.window_ns is not None:
        found = judge_course(objective, course_of(result, objective), holds)
        note = "; ".join(filter(None, (_note(objective, spared=False), found.note)))
        row = _row(objective, found.observed, found.passed, note=note, at_least=found.at_least)
        return _Judged(row, found.missing, found.few)
    seen = observe(result, objective)
    passed, missing = None, seen.missing
    if seen.value is not None:
        high = seen.value if seen.at_most is None else seen.at_most
        passed = holds_between(objective, seen.value, high, holds)
        missing = missing if passed is not None else f"it is left open by {_cut_off(objective)}"
    doubted = gate == "confident" and passed is False and seen.ci95 is not None and objective.op in ORDERED
    if doubted and seen.ci95 is not None:
        passed = any(holds(end, objective.value) for end in seen.ci95)
    note = _note(objective, spared=doubted and passed is True)
    if gate == "confident" and passed is not None and seen.ci95 is None and percentile_of(objective.aggregation):
        note = "; ".join(filter(None, (note, "no 95 % interval: the figure itself was judged (--gate confident)")))
    row = _row(objective, seen.value, passed, seen.ci95, note, at_least=seen.at_most is not None)
    row = msgspec.structs.replace(row, needs_s=seen.needs_s, unit=seen.unit or row.unit)
    return _Judged(row, missing, seen.few)


def _of_scaled(found: _Judged, objective: Objective) -> tuple[ObjectiveRow, str]:
    """The row in a shortened run, and what the objective lacks beside length."""
    why = why_left_open(objective, found.row, found.missing, few=found.few)
    if not why:
        return found.row, found.missing
    note = "; ".join(filter(None, (f"{SCALED}: {why}", found.row.note)))
    return msgspec.structs.replace(found.row, passed=None, note=note, scaled=True), ""


def _cut_off(objective: Objective) -> str:
    """What left an objective open, and what would help."""
    if objective.metric in EFFECT_METRICS:
        return "events that were not done when the wait ended: wait longer ([effects] wait)"
    return CUT_OFF_EARLY


def _once_more(
    result: RunResult, row: ObjectiveRow, objective: Objective, rules: ValidityRules
) -> tuple[ObjectiveRow, str]:
    """A missed objective, judged without the generator's lateness: missed still, or open, and then why."""
    if row.observed is None:
        return row, ""
    if result.second_look is None and METRICS[objective.metric] == "trend" and often_late(result, rules):
        doubt = (
            "the generator was late, and the result, which an earlier version stored, does not hold for which events"
        )
        return msgspec.structs.replace(row, passed=None, note="; ".join(filter(None, (row.note, doubt)))), doubt
    holds = OPERATORS[objective.op]
    figure = without_generator(result, objective, row.observed, holds)
    if figure is None:
        return row, ""
    row = msgspec.structs.replace(row, without_generator=figure)
    if not holds(figure, objective.value):
        return row, ""
    doubt = pause_words(result, row)
    return msgspec.structs.replace(row, passed=None, note="; ".join(filter(None, (row.note, doubt)))), doubt


def _row(
    objective: Objective,
    observed: float | None,
    passed: bool | None,
    ci95: tuple[float, float] | None = None,
    note: str = "",
    *,
    at_least: bool = False,
) -> ObjectiveRow:
    return ObjectiveRow(
        text=objective.text,
        default=objective.default,
        observed=observed,
        passed=passed,
        ci95=ci95,
        unit=unit_of(objective.metric, objective.aggregation),
        note=note,
        at_least=at_least,
    )


def _of_aborted(row: ObjectiveRow, missing: str, objective: Objective, aborted: Aborted) -> tuple[ObjectiveRow, str]:
    """The row in a run that an objective ended: that objective failed; others may have too few samples."""
    if objective.text == aborted.objective:
        note = "; ".join(filter(None, (row.note, f"ended the run at {aborted.at_s:.1f} s: {aborted.why}")))
        return msgspec.structs.replace(row, passed=False, note=note), ""
    if missing and objective.metric not in (*LEDGER_METRICS, *EFFECT_METRICS, WATCH):
        note = "; ".join(filter(None, (row.note, f"not judged, the run was ended early: {missing}")))
        return msgspec.structs.replace(row, note=note), ""
    return row, missing


def _note(objective: Objective, *, spared: bool) -> str:
    if spared:
        return "beyond the limit, but its interval is not (--gate confident)"
    if objective.translated:
        expected = objective.metric == "success" or status_of(objective) == "2xx"
        return f"read as {objective.translated}{f'; {K6_DIFFERENCE}' if expected else ''}"
    return "errors: events without a 2xx answer" if objective.metric == "errors" else ""

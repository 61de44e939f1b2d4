"""The report of `loadsim doctor`: one row for each check."""

from __future__ import annotations

from loadsim.model import counted
from loadsim.report.blocks import Cell, Column, Report, Row, Section, Table, Tone
from loadsim.studies.doctor.result import Check, Diagnosis, State

_TONES: dict[State, Tone] = {"good": "good", "note": "dim", "limit": "bad"}
_COLUMNS = (
    Column(""),
    Column("What", words=True),
    Column("Found", words=True, long=True),
    Column("What it means; what to do", words=True, long=True),
)


def doctor_report(diagnosis: Diagnosis) -> Report:
    """The whole report."""
    limits = [check.name for check in diagnosis.checks if check.state == "limit"]
    where = diagnosis.environment
    table = Table("Checks", _COLUMNS, [_row(check) for check in diagnosis.checks])
    return Report(
        outcome="LIMITED" if limits else "READY",
        tone="warn" if limits else "good",
        name="this machine",
        headline=f"{counted(len(limits), 'limit')}: {', '.join(limits)}"
        if limits
        else "nothing here limits a usual load",
        about=[f"loadsim {diagnosis.version}, Python {where.python}, {where.platform}", where.cpu_model],
        sections=[Section("checks", table.caption, [table])],
    )


def _row(check: Check) -> Row:
    text = f"{check.meaning}. To do: {check.advice}" if check.advice else check.meaning
    return (Cell(check.state, _TONES[check.state], sign=True), check.name, check.found, text)

"""Reports on a run that was compared with a receiver's ledger: every figure with its meaning, and the findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from loadsim.measure.result import RunResult
from loadsim.measure.result_deliveries import Reconciliation
from loadsim.model import counted
from loadsim.report import numbers
from loadsim.report.blocks import Cell, Column, Item, Items, Lines, Report, Section, Table, sections
from loadsim.report.facts import tested_words
from loadsim.report.what_limited import limit_lines

FINDINGS = {
    "acknowledged_not_received": "answered 2xx, but not in the receiver's ledger",
    "unanswered": "sent and never answered, and not in the receiver's ledger",
    "duplicated": "in the receiver's ledger more often than expected",
    "forged_unanswered": "forged and not answered 2xx, but in the receiver's ledger",
    "never_sent": "in the receiver's ledger for this run, but never sent by it",
}
GRAVE = ("lost", "duplicated", "forged_accepted", "forged_unanswered")
"""The figures that make `loadsim reconcile` fail when they are not 0."""


class ReconciliationRow(NamedTuple):
    """One figure of a reconciliation. `bad`: it should be 0 and is not."""

    name: str
    events: int | None
    meaning: str
    bad: bool


def has_findings(found: Reconciliation) -> bool:
    """Whether any event was lost or duplicated, or any forged event was accepted."""
    return any(getattr(found, name) for name in GRAVE)


def reconciliation_rows(found: Reconciliation | None) -> list[ReconciliationRow]:
    """Every figure; none without a ledger, or where it could not be read."""
    return [] if found is None or found.problem else list(_rows(found))


def _rows(found: Reconciliation) -> Iterator[ReconciliationRow]:
    more = "more often than they were sent" if found.of == "deliveries" else "more than once"
    yield ReconciliationRow("joined", found.sent, "sent, to be accepted; warm-up included", bad=False)
    yield ReconciliationRow("delivered", found.delivered, "answered 2xx, and in the receiver's ledger", bad=False)
    yield ReconciliationRow("unacknowledged", found.unacknowledged, "in the ledger, but not answered 2xx", bad=False)
    yield ReconciliationRow("refused", found.refused, "not answered 2xx, and not in the ledger", bad=False)
    yield ReconciliationRow("lost", found.lost, "not in the ledger, although no answer said so", bad=bool(found.lost))
    false_2xx = found.acknowledged_not_received
    yield ReconciliationRow("of the lost 2xx", false_2xx, "acknowledged, but never received", bad=bool(false_2xx))
    yield ReconciliationRow("duplicated", found.duplicated, f"in the ledger {more}", bad=bool(found.duplicated))
    if found.reordered is not None:
        places = found.reorder_extent or 0
        extent = f", by at most {counted(places, 'place')}" if places else ""
        yield ReconciliationRow("reordered", found.reordered, f"came after an event that was due later{extent}", False)
    if found.forged_sent:
        yield ReconciliationRow("joined forged", found.forged_sent, "sent, to be refused; warm-up included", bad=False)
        accepted, silent = found.forged_accepted, found.forged_unanswered
        meaning = "of the joined forged ones, answered 2xx and in the ledger"
        yield ReconciliationRow("delivered forged", accepted, meaning, bad=bool(accepted))
        meaning = "of the joined forged ones, in the ledger, but not answered 2xx"
        yield ReconciliationRow("unacknowledged forged", silent, meaning, bad=bool(silent))
    if found.never_sent:
        yield ReconciliationRow("never sent", found.never_sent, "in the ledger under this run's id", bad=True)


def reconciliation_findings(found: Reconciliation | None) -> Iterator[str]:
    """One sentence for each figure that should be 0 and is not, with the indexes of the first such events.

    Forged events that were answered 2xx are not among them: `report.findings` reports those from the answers.
    """
    if found is None or found.problem:
        return
    unanswered = (found.lost or 0) - (found.acknowledged_not_received or 0)
    for name, words in FINDINGS.items():
        count = getattr(found, name, unanswered)
        if count:
            yield f"{counted(count, 'event')} {words}{_examples(found, name)}"


def _examples(found: Reconciliation, name: str) -> str:
    indexes = found.examples.get(name, [])
    return f" (first: index {', '.join(map(str, indexes))})" if indexes else ""


def source_words(found: Reconciliation) -> str:
    """Which ledger it was, or why it could not be read."""
    if found.problem:
        return f"the ledger of {found.source} could not be read: {found.problem}"
    kind = "counts deliveries" if found.of == "deliveries" else "counts effects"
    return f"{found.source} ({kind})"


def reconciliation_section(found: Reconciliation | None) -> Section | None:
    """The section of a run's report; None for a run without a ledger."""
    if found is None:
        return None
    rows = [
        (Cell(row.name, "bad" if row.bad else ""), numbers.count(row.events), row.meaning)
        for row in reconciliation_rows(found)
    ]
    columns = (Column("Events", words=True), Column("Count"), Column("Meaning", words=True, long=True))
    lines = Lines([source_words(found)] if found.problem else [], bullets=False)
    note = "" if found.problem else f"joined with {source_words(found)}"
    return Section("reconciled", "Reconciled", [lines, Table("Reconciled", columns, rows)], note)


def reconcile_report(result: RunResult, found: Reconciliation) -> Report:
    """The report of `loadsim reconcile`: a stored run joined with a file of the endpoint's own."""
    findings = list(reconciliation_findings(found))
    grave = has_findings(found)
    headline = counted(len(findings), "finding") if findings else "no event was lost or duplicated"
    return Report(
        outcome="FAIL" if grave else "PASS",
        tone="bad" if grave else "good",
        name=result.run.name,
        headline=headline,
        about=[" · ".join([*tested_words(result), f"run {result.run.id}", f"joined with {source_words(found)}"])],
        sections=sections(
            Section("findings", "Findings", [Items([Item(text) for text in findings], "bad" if grave else "warn")]),
            reconciliation_section(found),
            Section("limits", "What limited the run", [Lines(limit_lines(result))]),
        ),
        footer=f"loadsim {result.run.version} · run {result.run.id}",
    )

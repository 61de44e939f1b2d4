"""The report of a probe: the forms of a body that an endpoint verifies, or its window of time."""

from __future__ import annotations

from dataclasses import replace

from loadsim.model import counted
from loadsim.plan.redact import redact_url
from loadsim.report.blocks import Cell, Column, Item, Items, Lines, Report, Section, Table, Tone, sections
from loadsim.studies.probe.judgement import Meaning
from loadsim.studies.probe.result import ClockResult, Finding, ProbeResult, Row, StoredProbe, loaded, time_words
from loadsim.studies.probe.window import Offset

_TONES: dict[str, Tone] = {"ok": "good", "finding": "bad", "note": "warn", "skipped": "dim"}
_MEANINGS: dict[Meaning, str] = {
    "accepted": "accepted",
    "signature": "the signature fails",
    "refused": "refused, not for its signature",
    "broken": "breaks the endpoint",
    "unclear": "refused like a forged event",
}


def probe_report(result: ProbeResult) -> Report:
    """The report on the forms of a body."""
    stopped = [result.stopped] if result.stopped is not None else []
    return _report(
        result,
        Section("forms", "Forms of a body", [Table("Forms of a body", _FORMS, [_form(row) for row in result.rows])]),
        _findings(result.findings),
        Section("notes", "Notes", [Lines(result.notes)]),
        Section("stopped", "Stopped early", [Lines(stopped, tone="warn", bullets=False)]),
    )


def clock_report(result: ClockResult) -> Report:
    """The report on the window of time."""
    wanted = time_words(result.tolerance_s) if result.tolerance_s is not None else "no window"
    rows = []
    for edge, side in result.widths():
        expected = side in ("equal", "measured")
        outcome = Cell("as expected" if expected else "finding", "good" if expected else "bad", sign=True)
        rows.append((outcome, edge.direction, result.limit_words(edge), side, wanted))
    clock = [_clock_words(result.offset)] if result.edges and result.offset is not None else []
    table = Table("Window of time", _SIDES_OF_WINDOW, rows)
    return _report(
        result,
        Section("window", "Window of time", [table, Lines(clock, "dim", bullets=False)]),
        _findings(result.findings),
    )


def probe_any_report(result: ProbeResult | ClockResult) -> Report:
    """The report of either kind of probe."""
    return clock_report(result) if isinstance(result, ClockResult) else probe_report(result)


def stored_report(stored: StoredProbe) -> Report:
    """The report of a stored probe. Raises ValueError where it has no result."""
    report = probe_any_report(loaded(stored))
    return replace(report, about=[*report.about, f"started {stored.started_at} · {stored.id}"])


_FORMS = (
    Column("Result", words=True),
    Column("Form", words=True),
    Column("Bytes", words=True, long=True),
    Column("Outcome", words=True, long=True),
)
_SIDES_OF_WINDOW = (
    Column("Result", words=True),
    Column("Side", words=True),
    Column("Found", words=True),
    Column("Width", words=True),
    Column("Expected", words=True),
)


def _report(result: ProbeResult | ClockResult, *found: Section) -> Report:
    count, subject = len(result.findings), result.subject
    name = f"{subject.endpoint}  " if subject.endpoint else ""
    return Report(
        outcome=counted(count, "finding").upper() if count else "NOTHING FOUND",
        tone="bad" if count else "good",
        name=f"{name}{redact_url(subject.url)}",
        headline="",
        about=[f"scheme {subject.scheme} · event {subject.event} · {counted(result.requests, 'request')}"],
        sections=sections(*found),
    )


def _form(row: Row) -> tuple[Cell | str, ...]:
    tone = _TONES[row.outcome]
    outcome = _MEANINGS[row.meaning] if row.meaning is not None else f"not sent: {row.why}"
    answer = row.answer if row.meaning not in (None, "accepted") else ""
    return Cell(row.outcome, tone, sign=True), row.name, row.bytes_class, Cell(outcome, note=answer)


def _findings(findings: tuple[Finding, ...]) -> Section:
    items = []
    for finding in findings:
        sure = "proven" if finding.proven else "likely"
        seen = [f"{sure}; seen in: {', '.join(finding.classes)}"] if finding.classes else []
        items.append(Item(finding.text, [*seen, *([f"mend: {finding.mend}"] if finding.mend else [])]))
    return Section("findings", "Findings", [Items(items)])


def _clock_words(offset: Offset) -> str:
    if offset.source == "assumed":
        return "the endpoint's clock is not known (no usable Date header): assumed to be the same as ours"
    middle = (offset.span.low + offset.span.high) / 2
    if abs(middle) < 1:
        words = "less than 1 s from ours"
    else:
        words = f"{time_words(abs(middle))} {'ahead of' if middle > 0 else 'behind'} ours"
    source = "by its Date headers" if offset.source == "date" else "by the centre of the window"
    return f"the endpoint's clock is {words}, {source}"

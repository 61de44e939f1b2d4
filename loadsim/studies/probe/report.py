"""What is said of a probe of an endpoint, and its JSON: rawness of its verification, or its window of time.

Decides rows, order and words. Refuses to know how anything was sent, and what an answer means: that comes told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loadsim.plan.redact import redact_url
from loadsim.report.blocks import Cell, Column, Item, Items, Lines, Report, Section, Table, Tone, sections
from loadsim.studies.probe.judgement import Meaning
from loadsim.studies.probe.window import Direction, Edge, Offset, Span, Width, width_of, window_of

_TONES: dict[str, Tone] = {"ok": "good", "finding": "bad", "note": "warn", "skipped": "dim"}
_WORDS: dict[Meaning, str] = {
    "accepted": "accepted",
    "signature": "the signature fails",
    "refused": "refused, not for its signature",
    "broken": "breaks the endpoint",
    "unclear": "refused like a forged event",
}
SHOWN_ANSWER = 60


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom was asked, with what."""

    url: str
    scheme: str
    event: str
    endpoint: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "url": redact_url(self.url),
            "endpoint": self.endpoint,
            "scheme": self.scheme,
            "event": self.event,
        }


@dataclass(frozen=True, slots=True)
class Row:
    """One form of the corpus and what came of it. `told` None: it was not sent, and `why` says the reason."""

    name: str
    bytes_class: str
    told: Meaning | None
    answer: str = ""
    """The status and the beginning of what was said, or why there was no answer."""
    is_finding: bool = False
    why: str = ""

    @property
    def mark(self) -> str:
        """`ok`, `finding`, `note` or `skipped`."""
        if self.told is None:
            return "skipped"
        return "ok" if self.told == "accepted" else "finding" if self.is_finding else "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend. `proven`: the endpoint accepted what only such a verifier can accept."""

    text: str
    mend: str
    classes: tuple[str, ...] = ()
    """Names of the forms that it explains."""
    proven: bool = False


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """Everything that a probe found. `stopped`: why nothing more was sent, in one line."""

    subject: Subject
    requests: int
    findings: tuple[Finding, ...]
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class ClockReport:
    """The window that was found. `limit_s`: how far was tried."""

    subject: Subject
    requests: int
    tolerance_s: float | None
    limit_s: int
    edges: tuple[Edge, ...] = ()
    offset: Offset | None = None
    stopped: Finding | None = None
    """Why there is no window to be found."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What differs from the scheme."""
        if self.stopped is not None:
            return (self.stopped,)
        found = (self._finding(edge, width) for edge, width in self.widths())
        return tuple(finding for finding in found if finding is not None)

    def widths(self) -> Iterator[tuple[Edge, Width]]:
        """Each side with what it is beside the expected one."""
        for edge in self.edges:
            assert self.offset is not None  # noqa: S101 - where there are edges there is one
            yield edge, width_of(edge, self.offset.span, self.tolerance_s)

    def window(self, edge: Edge) -> Span | None:
        """Where the limit lies on the endpoint's clock."""
        return window_of(edge, self.offset.span if self.offset else Span(0.0, 0.0))

    def _finding(self, edge: Edge, width: Width) -> Finding | None:
        if width in ("equal", "measured"):
            return None
        side, found = edge.direction, self.limit_words(edge)
        if width == "unbounded":
            text = f"accepts any {_SIDES[side]} timestamp, up to {_time(self.limit_s)} (no more was tried)"
            return Finding(f"{text}: {_OPEN[side]}", f"{_MENDS[side]} {_at(self.tolerance_s)}", proven=True)
        wanted = f"{found} where {_time(self.tolerance_s or 0)} is due"
        if width == "wider":
            text = f"the {side} side of the window is too wide, {wanted}: {_OPEN[side]}"
            return Finding(text, f"{_MENDS[side]} {_at(self.tolerance_s)}", proven=True)
        text = f"the {side} side of the window is too narrow, {wanted}: {_TIGHT[side]}"
        return Finding(text, f"accept timestamps {_at(self.tolerance_s, 'up to')}", proven=True)

    def limit_words(self, edge: Edge) -> str:
        """Where the limit lies, in words."""
        window = self.window(edge)
        return f"more than {_time(self.limit_s)}" if window is None else _seconds(window, self.tolerance_s)


_SIDES: dict[Direction, str] = {"stale": "old", "future": "future"}
_OPEN: dict[Direction, str] = {
    "stale": "a captured delivery can be replayed for so long",
    "future": "a delivery signed ahead can be used, and replayed, until its time has come and gone",
}
_TIGHT: dict[Direction, str] = {
    "stale": "genuine deliveries that waited in a queue are refused, and sent again",
    "future": "genuine deliveries are refused when the sender's clock is a little ahead",
}
_MENDS: dict[Direction, str] = {
    "stale": "refuse timestamps that are older than",
    "future": "check the time both ways, abs(now - timestamp): refuse timestamps that are ahead by more than",
}


# -- JSON -----------------------------------------------------------------------------------------------------------


def probe_document(report: ProbeReport) -> dict[str, Any]:
    """The report as one JSON-able object."""
    return {
        "target": report.subject.document(),
        "requests": report.requests,
        "stopped": report.stopped,
        "findings": [_finding_document(finding) for finding in report.findings],
        "notes": list(report.notes),
        "forms": [
            {"name": row.name, "bytes": row.bytes_class, "result": row.told or "not sent", "answer": row.answer}
            | {"finding": row.is_finding, "why": row.why or None}
            for row in report.rows
        ],
    }


def clock_document(report: ClockReport) -> dict[str, Any]:
    """The report as one JSON-able object; seconds on the endpoint's clock."""
    offset = report.offset
    sides = {}
    for edge, width in report.widths():
        window = report.window(edge)
        sides[edge.direction] = {
            "result": width,
            "window_s": [round(figure, 3) for figure in window] if window is not None else None,
        }
    return {
        "target": report.subject.document(),
        "requests": report.requests,
        "tolerance_s": report.tolerance_s,
        "limit_s": report.limit_s,
        "sides": sides,
        "clock_offset_s": [round(figure, 3) for figure in offset.span] if offset else None,
        "clock_offset_source": offset.source if offset else None,
        "findings": [_finding_document(finding) for finding in report.findings],
    }


def _finding_document(finding: Finding) -> dict[str, Any]:
    return {
        "text": finding.text,
        "mend": finding.mend,
        "classes": list(finding.classes),
        "proven": finding.proven,
    }


# -- report ---------------------------------------------------------------------------------------------------------


def probe_report(result: ProbeReport) -> Report:
    """What there is to say of the forms of a body."""
    stopped = [result.stopped] if result.stopped is not None else []
    return _report(
        result,
        Section("forms", "Forms of a body", [Table("Forms of a body", _FORMS, [_form(row) for row in result.rows])]),
        _findings(result.findings),
        Section("notes", "Notes", [Lines(result.notes)]),
        Section("stopped", "Stopped early", [Lines(stopped, tone="warn", bullets=False)]),
    )


def clock_report(result: ClockReport) -> Report:
    """What there is to say of the window of time."""
    wanted = _time(result.tolerance_s) if result.tolerance_s is not None else "no window"
    rows = []
    for edge, side in result.widths():
        due = side in ("equal", "measured")
        mark = Cell("as due" if due else "finding", "good" if due else "bad", sign=True)
        rows.append((mark, edge.direction, result.limit_words(edge), side, wanted))
    clock = [_clock_words(result.offset)] if result.edges and result.offset is not None else []
    table = Table("Window of time", _SIDES_OF_WINDOW, rows)
    return _report(
        result,
        Section("window", "Window of time", [table, Lines(clock, "dim", bullets=False)]),
        _findings(result.findings),
    )


def probe_any_report(result: ProbeReport | ClockReport) -> Report:
    """The report of either."""
    return clock_report(result) if isinstance(result, ClockReport) else probe_report(result)


_FORMS = (
    Column("Result", words=True),
    Column("Form", words=True),
    Column("Bytes", words=True, long=True),
    Column("What came of it", words=True, long=True),
)
_SIDES_OF_WINDOW = (
    Column("Result", words=True),
    Column("Side", words=True),
    Column("Found", words=True),
    Column("Width", words=True),
    Column("Due", words=True),
)


def _report(result: ProbeReport | ClockReport, *found: Section) -> Report:
    count, subject = len(result.findings), result.subject
    name = f"{subject.endpoint}  " if subject.endpoint else ""
    return Report(
        outcome=f"{count} FINDING{'S' * (count > 1)}" if count else "NOTHING FOUND",
        tone="bad" if count else "good",
        name=f"{name}{redact_url(subject.url)}",
        headline="",
        about=[f"scheme {subject.scheme} · event {subject.event} · {result.requests} requests"],
        sections=sections(*found),
    )


def _form(row: Row) -> tuple[Cell | str, ...]:
    tone = _TONES[row.mark]
    outcome = _WORDS[row.told] if row.told is not None else f"not sent: {row.why}"
    answer = row.answer if row.told not in (None, "accepted") else ""
    return Cell(row.mark, tone, sign=True), row.name, row.bytes_class, Cell(outcome, note=answer)


def _findings(findings: tuple[Finding, ...]) -> Section:
    items = []
    for finding in findings:
        sure = "proven" if finding.proven else "likely"
        seen = [f"{sure}; seen in: {', '.join(finding.classes)}"] if finding.classes else []
        items.append(Item(finding.text, [*seen, *([f"mend: {finding.mend}"] if finding.mend else [])]))
    return Section("findings", "Findings", [Items(items)])


def _clock_words(offset: Offset) -> str:
    if offset.source == "assumed":
        return "the endpoint's clock is not known (no usable Date header): taken to be ours"
    middle = (offset.span.low + offset.span.high) / 2
    if abs(middle) < 1:
        words = "less than 1 s from ours"
    else:
        words = f"{_time(abs(middle))} {'ahead of' if middle > 0 else 'behind'} ours"
    source = "by its Date headers" if offset.source == "date" else "by the centre of the window"
    return f"the endpoint's clock is {words}, {source}"


def _seconds(window: Span, tolerance_s: float | None) -> str:
    """The limit to the second: the expected one where that is inside what was found."""
    if tolerance_s is not None and window.low - 1 <= tolerance_s <= window.high:
        return _time(tolerance_s)
    return _time(max(0, round((window.low + window.high) / 2)))


def _time(seconds: float) -> str:
    rounded = round(seconds)
    if rounded % 3600 == 0 and rounded >= 7200:
        return f"{rounded // 3600:,} h"
    return f"{rounded:,} s"


def _at(tolerance_s: float | None, before: str = "") -> str:
    words = _time(tolerance_s) if tolerance_s is not None else "some minutes"
    return f"{before} {words}".strip()

"""What a probe of an endpoint found, as text and as JSON: rawness of its verification, or its window of time.

Decides rows, order and words. Refuses to know how anything was sent, and what an answer means: that comes told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from loadsim.judge.clock_window import Direction, Edge, Offset, Span, Width, width_of, window_of
from loadsim.judge.rawness import Meaning
from loadsim.plan.redact import redact_url
from loadsim.report.figures import printable
from loadsim.report.text import drawn

_MARKS = {"ok": ("✓", "green"), "finding": ("✗", "bold red"), "note": ("·", "yellow"), "skipped": (" ", "dim")}
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
        side, found = edge.direction, self._limit_words(edge)
        if width == "unbounded":
            text = f"accepts any {_SIDES[side]} timestamp, up to {_time(self.limit_s)} (no more was tried)"
            return Finding(f"{text}: {_OPEN[side]}", f"{_MENDS[side]} {_at(self.tolerance_s)}", proven=True)
        wanted = f"{found} where {_time(self.tolerance_s or 0)} is due"
        if width == "wider":
            text = f"the {side} side of the window is too wide, {wanted}: {_OPEN[side]}"
            return Finding(text, f"{_MENDS[side]} {_at(self.tolerance_s)}", proven=True)
        text = f"the {side} side of the window is too narrow, {wanted}: {_TIGHT[side]}"
        return Finding(text, f"accept timestamps {_at(self.tolerance_s, 'up to')}", proven=True)

    def _limit_words(self, edge: Edge) -> str:
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


# -- text -----------------------------------------------------------------------------------------------------------


def render_probe(result: ProbeReport, *, width: int = 100, colour: bool = False) -> str:
    """The report as text of this width. Ends in a newline."""
    parts = [_head(result.subject, result.findings, result.requests)]
    if result.rows:
        parts.append(Padding(_rows(result.rows), (1, 0, 0, 0)))
    parts += _findings(result.findings)
    if result.notes:
        parts.append(Text("\nNotes", style="bold"))
        parts += [Padding(Text(f"· {printable(note)}"), (0, 0, 0, 0)) for note in result.notes]
    if result.stopped is not None:
        parts.append(Text(f"\nStopped: {printable(result.stopped)}", style="yellow"))
    return drawn(Group(*parts), width, colour=colour)


def render_clock(result: ClockReport, *, width: int = 100, colour: bool = False) -> str:
    """The report as text of this width. Ends in a newline."""
    parts = [_head(result.subject, result.findings, result.requests)]
    if result.edges and result.offset is not None:
        table = _table()
        wanted = _time(result.tolerance_s) if result.tolerance_s is not None else "no window"
        for edge, side in result.widths():
            mark, style = _MARKS["ok" if side in ("equal", "measured") else "finding"]
            table.add_row(Text(mark, style=style), edge.direction, result._limit_words(edge), side, f"due: {wanted}")  # noqa: SLF001
        parts.append(Padding(table, (1, 0, 0, 0)))
        parts.append(Text(_clock_words(result.offset), style="dim"))
    parts += _findings(result.findings)
    return drawn(Group(*parts), width, colour=colour)


def _head(subject: Subject, findings: tuple[Finding, ...], requests: int) -> RenderableType:
    count = len(findings)
    style = "bold white on red" if count else "bold black on green"
    verdict = f" {count} FINDING{'S' if count > 1 else ''} " if count else " NOTHING FOUND "
    line = Text(verdict, style=style)
    name = f"{subject.endpoint}  " if subject.endpoint else ""
    line.append(f"  {printable(name + redact_url(subject.url))}", style="not bold not reverse default on default")
    facts = Text(f"scheme {subject.scheme} · event {subject.event} · {requests} requests", style="dim")
    return Group(line, facts)


def _rows(rows: tuple[Row, ...]) -> Table:
    table = _table()
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for row in rows:
        mark, style = _MARKS[row.mark]
        words = _WORDS[row.told] if row.told is not None else f"not sent: {row.why}"
        what = Text(words, style=style)
        if row.told not in (None, "accepted"):
            what.append(f": {printable(row.answer)}", style="dim")
        table.add_row(Text(mark, style=style), row.name, row.bytes_class, what)
    return table


def _findings(findings: tuple[Finding, ...]) -> Iterator[RenderableType]:
    if not findings:
        return
    yield Text("\nFindings", style="bold")
    for finding in findings:
        yield Text.assemble(("✗ ", "bold red"), printable(finding.text))
        if finding.classes:
            told = "proven" if finding.proven else "likely"
            yield Padding(Text(f"{told}; seen in: {', '.join(finding.classes)}", style="dim"), (0, 0, 0, 2))
        if finding.mend:
            yield Padding(Text(f"mend: {finding.mend}"), (0, 0, 0, 2))


def _table() -> Table:
    return Table(box=None, show_header=False, padding=(0, 2, 0, 0))


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

"""What `loadsim probe --json` prints, made from a stored probe: all that its report says, for programs."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from loadsim.plan.redact import redact_url
from loadsim.studies.probe.result import ClockResult, ProbedEndpoint, ProbeResult, StoredProbe, loaded
from loadsim.studies.probe.result import Finding as FoundFault
from loadsim.studies.probe.window import Range, Width

FORMS_SCHEMA, CLOCK_SCHEMA = "loadsim.probe.forms/1", "loadsim.probe.clock/1"
Span = tuple[float, float]


class ProbedTarget(msgspec.Struct, frozen=True):
    """The probed endpoint."""

    url: str
    """Redacted."""
    endpoint: str | None
    """Its name in loadsim.toml; None: it was given by URL."""
    scheme: str
    event: str
    """Type of the events sent."""


class FindingRow(msgspec.Struct, frozen=True):
    """One fault of the endpoint."""

    text: str
    """What it is, in words."""
    mend: str
    """How to mend it, in words."""
    classes: tuple[str, ...]
    """Names of the forms whose failure it explains."""
    proven: bool
    """The endpoint accepted what only such a verifier can accept."""


class FormRow(msgspec.Struct, frozen=True):
    """One form of a body and what became of it."""

    name: str
    """Of the form."""
    bytes: str
    """What is unusual in its bytes, in words."""
    result: Literal["accepted", "signature", "refused", "broken", "unclear", "not sent"]
    """`signature`: refused like a forged event. `refused`: for another reason. `broken`: the endpoint failed."""
    answer: str
    """The status and the beginning of the answer, or why there was none."""
    finding: bool
    """Whether it counts as a fault."""
    why: str | None
    """Why it was not sent."""


class _Probe(msgspec.Struct, frozen=True, kw_only=True):
    schema: str
    id: str
    started_at: str
    ended_at: str
    version: str
    target: ProbedTarget
    """What was probed."""
    requests: int
    """Events sent."""
    findings: tuple[FindingRow, ...]
    """Every fault; the exit code is 99 where there is one."""


class FormsDocument(_Probe, frozen=True, kw_only=True):
    """A probe of the forms of a body."""

    stopped: str | None
    """Why nothing more was sent, in words."""
    notes: tuple[str, ...]
    """What else was seen, in words."""
    forms: tuple[FormRow, ...]
    """In the order in which they were sent."""


class WindowSide(msgspec.Struct, frozen=True):
    """One side of the window of time, on the endpoint's clock."""

    result: Width
    """`unbounded`: everything was accepted up to `limit_s`. `measured`: there is no tolerance to compare with."""
    window_s: Span | None
    """The limit lies between these; None: there was none."""


class ClockDocument(_Probe, frozen=True, kw_only=True):
    """A probe of the window of time (`--clock`)."""

    tolerance_s: float | None
    """The expected limit; None: the scheme has none."""
    limit_s: int
    """How far the search went."""
    sides: dict[str, WindowSide]
    """`stale`: older and older events. `future`: newer and newer ones."""
    clock_offset_s: Span | None
    """The endpoint's clock minus ours lies between these."""
    clock_offset_source: Literal["date", "centre", "assumed"] | None
    """By Date headers, by the middle of the window, or assumed to be 0."""


def probe_document(stored: StoredProbe) -> FormsDocument | ClockDocument:
    """The document of a stored probe. Raises ValueError where it has no result."""
    result = loaded(stored)
    return _forms(stored, result) if isinstance(result, ProbeResult) else _clock(stored, result)


def _shared(schema: str, stored: StoredProbe, result: ProbeResult | ClockResult) -> dict[str, Any]:
    """The keys of `_Probe`."""
    return {
        "schema": schema,
        "id": stored.id,
        "started_at": stored.started_at,
        "ended_at": stored.ended_at,
        "version": stored.version,
        "target": _target(result.subject),
        "requests": result.requests,
        "findings": tuple(map(_finding, result.findings)),
    }


def _forms(stored: StoredProbe, result: ProbeResult) -> FormsDocument:
    return FormsDocument(
        **_shared(FORMS_SCHEMA, stored, result),
        stopped=result.stopped,
        notes=result.notes,
        forms=tuple(
            FormRow(row.name, row.bytes_class, row.meaning or "not sent", row.answer, row.is_finding, row.why or None)
            for row in result.rows
        ),
    )


def _clock(stored: StoredProbe, result: ClockResult) -> ClockDocument:
    offset = result.offset
    return ClockDocument(
        **_shared(CLOCK_SCHEMA, stored, result),
        tolerance_s=result.tolerance_s,
        limit_s=result.limit_s,
        sides={edge.direction: WindowSide(width, _span(result.window(edge))) for edge, width in result.widths()},
        clock_offset_s=_span(offset.span) if offset else None,
        clock_offset_source=offset.source if offset else None,
    )


def _target(subject: ProbedEndpoint) -> ProbedTarget:
    return ProbedTarget(redact_url(subject.url), subject.endpoint, subject.scheme, subject.event)


def _finding(finding: FoundFault) -> FindingRow:
    return FindingRow(finding.text, finding.mend, finding.classes, finding.proven)


def _span(window: Range | None) -> Span | None:
    return None if window is None else (round(window.low, 3), round(window.high, 3))

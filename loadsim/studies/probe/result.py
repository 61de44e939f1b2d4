"""The result of a probe: what an endpoint's verification did to each form of a body, or its window of time.

Stored as `probe.json` (`"schema": "loadsim.probe/1"`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec

from loadsim.plan.redact import redact_url
from loadsim.studies.probe.judgement import Meaning
from loadsim.studies.probe.window import Direction, Edge, Offset, Range, Width, width_of, window_of

SCHEMA = "loadsim.probe/1"


@dataclass(frozen=True, slots=True)
class ProbedEndpoint:
    """The probed endpoint, the signature scheme and the event type."""

    url: str
    scheme: str
    event: str
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One form of the corpus and its outcome. `meaning` None: it was not sent, and `why` gives the reason."""

    name: str
    bytes_class: str
    meaning: Meaning | None
    answer: str = ""
    """The status and the beginning of the answer, or why there was none."""
    is_finding: bool = False
    why: str = ""

    @property
    def outcome(self) -> str:
        """`ok`, `finding`, `note` or `skipped`."""
        if self.meaning is None:
            return "skipped"
        return "ok" if self.meaning == "accepted" else "finding" if self.is_finding else "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault and how to mend it. `proven`: the endpoint accepted what only such a verifier can accept."""

    text: str
    mend: str
    classes: tuple[str, ...] = ()
    """Names of the forms whose failure it explains."""
    proven: bool = False


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of a probe of the forms of a body. `stopped`: why nothing more was sent, in one line."""

    subject: ProbedEndpoint
    requests: int
    findings: tuple[Finding, ...]
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class ClockResult:
    """The window of time that an endpoint accepts. `limit_s`: how far the search went."""

    subject: ProbedEndpoint
    requests: int
    tolerance_s: float | None
    limit_s: int
    edges: tuple[Edge, ...] = ()
    offset: Offset | None = None
    stopped: Finding | None = None
    """Why no window could be found."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The differences from the scheme."""
        if self.stopped is not None:
            return (self.stopped,)
        found = (self._finding(edge, width) for edge, width in self.widths())
        return tuple(finding for finding in found if finding is not None)

    def widths(self) -> Iterator[tuple[Edge, Width]]:
        """Each side, compared with the expected tolerance."""
        for edge in self.edges:
            assert self.offset is not None  # noqa: S101 - edges come with an offset
            yield edge, width_of(edge, self.offset.span, self.tolerance_s)

    def window(self, edge: Edge) -> Range | None:
        """The limit on the endpoint's clock; None: there was none up to `limit_s`."""
        return window_of(edge, self.offset.span if self.offset else Range(0.0, 0.0))

    def _finding(self, edge: Edge, width: Width) -> Finding | None:
        if width in ("equal", "measured"):
            return None
        side, found = edge.direction, self.limit_words(edge)
        if width == "unbounded":
            text = f"accepts any {_SIDES[side]} timestamp, up to {time_words(self.limit_s)} (no more was tried)"
            return Finding(f"{text}: {_OPEN[side]}", f"{_MENDS[side]} {_at(self.tolerance_s)}", proven=True)
        wanted = f"{found} where {time_words(self.tolerance_s or 0)} is expected"
        if width == "wider":
            text = f"the {side} side of the window is too wide, {wanted}: {_OPEN[side]}"
            return Finding(text, f"{_MENDS[side]} {_at(self.tolerance_s)}", proven=True)
        text = f"the {side} side of the window is too narrow, {wanted}: {_TIGHT[side]}"
        return Finding(text, f"accept timestamps {_at(self.tolerance_s, 'up to')}", proven=True)

    def limit_words(self, edge: Edge) -> str:
        """The limit, in words."""
        window = self.window(edge)
        return f"more than {time_words(self.limit_s)}" if window is None else _seconds(window, self.tolerance_s)


_SIDES: dict[Direction, str] = {"stale": "old", "future": "future"}
_OPEN: dict[Direction, str] = {
    "stale": "a captured delivery can be replayed for that time",
    "future": "a delivery signed ahead can be used, and replayed, until its timestamp is too old",
}
_TIGHT: dict[Direction, str] = {
    "stale": "genuine deliveries that waited in a queue are refused, and then retried",
    "future": "genuine deliveries are refused when the sender's clock is a little ahead",
}
_MENDS: dict[Direction, str] = {
    "stale": "refuse timestamps that are older than",
    "future": "check the time both ways, abs(now - timestamp): refuse timestamps that are ahead by more than",
}


class StoredProbe(msgspec.Struct, frozen=True, kw_only=True):
    """The stored form of a probe. Exactly one of `forms` and `window` is set."""

    schema: str
    id: str
    started_at: str
    ended_at: str
    version: str
    forms: ProbeResult | None = None
    window: ClockResult | None = None


def stored_probe(
    result: ProbeResult | ClockResult, *, probe_id: str, started_at: str, ended_at: str, version: str
) -> StoredProbe:
    """The stored form of a result. The URL is stored without its secrets."""
    subject = replace(result.subject, url=redact_url(result.subject.url))
    shown = replace(result, subject=subject)
    return StoredProbe(
        schema=SCHEMA,
        id=probe_id,
        started_at=started_at,
        ended_at=ended_at,
        version=version,
        forms=shown if isinstance(shown, ProbeResult) else None,
        window=shown if isinstance(shown, ClockResult) else None,
    )


def loaded(stored: StoredProbe) -> ProbeResult | ClockResult:
    """The result in its stored form. Raises ValueError where it has none, or two."""
    results = [result for result in (stored.forms, stored.window) if result is not None]
    if len(results) != 1:
        raise ValueError("it has no result, or two")
    return results[0]


def _seconds(window: Range, tolerance_s: float | None) -> str:
    """The limit in whole seconds; the expected one where it lies inside the interval."""
    if tolerance_s is not None and window.low - 1 <= tolerance_s <= window.high:
        return time_words(tolerance_s)
    return time_words(max(0, round((window.low + window.high) / 2)))


def time_words(seconds: float) -> str:
    rounded = round(seconds)
    if rounded % 3600 == 0 and rounded >= 7200:
        return f"{rounded // 3600:,} h"
    return f"{rounded:,} s"


def _at(tolerance_s: float | None, before: str = "") -> str:
    words = time_words(tolerance_s) if tolerance_s is not None else "some minutes"
    return f"{before} {words}".strip()

"""The window of time that an endpoint accepts, beside the one that its scheme has.

Decides what measured edges and clocks allow to be said: all figures are intervals, and an edge is called wider or
narrower only where the whole interval says so. Knows no network; times are seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

Direction = Literal["stale", "future"]
Width = Literal["equal", "wider", "narrower", "unbounded", "measured"]
"""`unbounded`: everything was accepted up to the limit; `measured`: there is nothing to compare it with."""
WHOLE_SECOND = 1.0
"""A verifier that reads its clock in whole seconds finds deliveries up to so much younger."""


class Span(NamedTuple):
    """An interval, seconds."""

    low: float
    high: float


class Offset(NamedTuple):
    """The endpoint's clock less ours, and how it is known."""

    span: Span
    source: Literal["date", "centre", "assumed"]
    """By Date headers; from the middle of the window, if it is symmetric; or taken to be 0."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One side of the window on our clock, in seconds: `within` was accepted, `beyond` refused; None: nothing was."""

    direction: Direction
    within: float
    beyond: float | None


class Clocks:
    """What Date headers say of the endpoint's clock: each is cut to its second, many together narrow it down."""

    def __init__(self) -> None:
        self._low, self._high = -math.inf, math.inf

    def add(self, begin_s: float, end_s: float, date_s: float) -> None:
        """An answer dated `date_s` to an exchange that lasted from `begin_s` to `end_s` on our clock."""
        self._low = max(self._low, date_s - end_s)
        self._high = min(self._high, date_s + WHOLE_SECOND - begin_s)

    @property
    def offset(self) -> Span | None:
        """Where the offset lies; None without a Date, or where Dates contradict each other (several machines)."""
        return Span(self._low, self._high) if -math.inf < self._low <= self._high else None


def offset_of(clocks: Clocks, stale: Edge, future: Edge) -> Offset:
    """The best that is known of the clocks."""
    if clocks.offset is not None:
        return Offset(clocks.offset, "date")
    if stale.beyond is None or future.beyond is None:
        return Offset(Span(0.0, 0.0), "assumed")
    return Offset(Span((future.within - stale.beyond) / 2, (future.beyond - stale.within) / 2), "centre")


def window_of(edge: Edge, offset: Span) -> Span | None:
    """Where the endpoint's own limit lies, on its clock; None where there is none."""
    if edge.beyond is None:
        return None
    if edge.direction == "stale":
        return Span(edge.within + offset.low, edge.beyond + offset.high)
    return Span(edge.within - offset.high, edge.beyond - offset.low)


def width_of(edge: Edge, offset: Span, tolerance_s: float | None) -> Width:
    """The side beside the tolerance that is expected, None where there is none to expect."""
    window = window_of(edge, offset)
    if window is None:
        return "unbounded"
    if tolerance_s is None:
        return "measured"
    if window.low - WHOLE_SECOND > tolerance_s:
        return "wider"
    return "narrower" if window.high < tolerance_s else "equal"

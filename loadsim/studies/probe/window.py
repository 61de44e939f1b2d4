"""The window of timestamps that an endpoint accepts, compared with that of its signature scheme.

All figures are intervals in seconds. A side of the window is called wider or narrower only when the whole interval is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

Direction = Literal["stale", "future"]
Width = Literal["equal", "wider", "narrower", "unbounded", "measured"]
"""`unbounded`: everything was accepted up to the limit of the search. `measured`: there is no tolerance to compare
with."""
WHOLE_SECOND = 1.0
"""To a verifier that reads its clock in whole seconds, a delivery seems up to this much younger."""


class Range(NamedTuple):
    """An interval, seconds."""

    low: float
    high: float


class Offset(NamedTuple):
    """The endpoint's clock minus ours, and how it was found."""

    span: Range
    source: Literal["date", "centre", "assumed"]
    """By Date headers; from the middle of the window, if it is symmetric; or assumed to be 0."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One side of the window on our clock, in seconds: `within` was accepted, `beyond` was refused (None: nothing
    was)."""

    direction: Direction
    within: float
    beyond: float | None


class Clocks:
    """Estimates the endpoint's clock from Date headers: each is cut to a second, many together give a narrow
    interval."""

    def __init__(self) -> None:
        self._low, self._high = -math.inf, math.inf

    def add(self, begin_s: float, end_s: float, date_s: float) -> None:
        """Add an answer dated `date_s`; its exchange lasted from `begin_s` to `end_s` on our clock."""
        self._low = max(self._low, date_s - end_s)
        self._high = min(self._high, date_s + WHOLE_SECOND - begin_s)

    @property
    def offset(self) -> Range | None:
        """The interval of the offset; None without a Date, or when Dates contradict each other (several machines)."""
        return Range(self._low, self._high) if -math.inf < self._low <= self._high else None


def offset_of(clocks: Clocks, stale: Edge, future: Edge) -> Offset:
    """The best known offset of the clocks."""
    if clocks.offset is not None:
        return Offset(clocks.offset, "date")
    if stale.beyond is None or future.beyond is None:
        return Offset(Range(0.0, 0.0), "assumed")
    return Offset(Range((future.within - stale.beyond) / 2, (future.beyond - stale.within) / 2), "centre")


def window_of(edge: Edge, offset: Range) -> Range | None:
    """The endpoint's own limit, on its clock; None when there is none."""
    if edge.beyond is None:
        return None
    if edge.direction == "stale":
        return Range(edge.within + offset.low, edge.beyond + offset.high)
    return Range(edge.within - offset.high, edge.beyond - offset.low)


def width_of(edge: Edge, offset: Range, tolerance_s: float | None) -> Width:
    """One side of the window compared with the expected tolerance; `tolerance_s` None: none is expected."""
    window = window_of(edge, offset)
    if window is None:
        return "unbounded"
    if tolerance_s is None:
        return "measured"
    if window.low - WHOLE_SECOND > tolerance_s:
        return "wider"
    return "narrower" if window.high < tolerance_s else "equal"

"""The part of a stored result that is about watches: figures of the endpoint's own, read beside the run."""

from __future__ import annotations

from typing import Literal

import msgspec

from loadsim.measure.result_numbers import Count, Figure


class WatchSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of the endpoint's own over the run, its drain and the wait for its effects, warm-up included."""

    name: str
    """As the scenario calls it."""
    kind: Literal["url", "sql", "pid"]
    """What was read."""
    place: str
    """Which page, database or process, without credentials."""
    metric: str
    """What was read there: the metric with its labels, or a part of a process; empty for a query."""
    reading: Literal["gauge", "rate", "p99"]
    """As it is, its growth per second, or percentile 99 of its buckets since the reading before."""
    unit: str
    """`s`, `bytes`, `cores`, or empty; of a rate, so many per second."""
    every_s: Figure
    """Time between two points. In long runs a point is the mean of several readings."""
    t_s: list[float] = []
    """When each point was read, since the start, seconds."""
    values: list[float | None] = []
    """The value at each; None: a gap."""
    samples: Count = 0
    """Readings that gave a value."""
    gaps: Count = 0
    """Readings that gave none."""
    why_gaps: dict[str, Count] = {}
    """Reason → how many of them."""
    min: float | None = None
    """The least of all readings."""
    avg: float | None = None
    """Their mean."""
    max: float | None = None
    """The greatest."""
    last: float | None = None
    """The last one."""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A watched series that changed when latency or failures did. This is a correlation, not a cause."""

    name: str
    """Of the series."""
    at_s: Figure
    """When it changed, since the start."""
    before: float
    """Its median before that."""
    after: float
    """Its median after that."""
    figure: Literal["p50", "p99", "errors"]
    """What changed with it: a percentile of the response time, or the share of events that failed."""
    figure_at_s: Figure
    """When that changed."""
    figure_before: Figure
    """Before that: ms, or a share."""
    figure_after: Figure
    """After that."""


class MovedWith(msgspec.Struct, frozen=True, kw_only=True):
    """The watched series that changed when latency or failures did."""

    rows: list[Moved] = []
    """In the order of time."""
    why_not: str = ""
    """Why nothing can be said; empty where it was looked for."""

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

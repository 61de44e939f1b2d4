"""The stored result of `loadsim bench receiver` (`"schema": "loadsim.bench.receiver/1"`).

A figure that is not known is None, never 0. CPU time is that of the receiver's process, user and system.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from loadsim.measure.result import Environment
from loadsim.measure.timing_statistics import Spread

SCHEMA = "loadsim.bench.receiver/1"

Ending = Literal["pass", "fail", "unsure", "interrupted"]


class PaceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver at one rate (open model). Latencies are response times in ms; None: too few or unreliable
    samples."""

    rate: float
    """Events per second, as asked."""
    rate_completed: float | None
    cpu_us: float | None
    """Per event."""
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p99_9_ms: float | None
    max_ms: float | None
    """The greatest."""
    why: str
    """Why there are no figures; empty when there are."""


class ReceiverRow(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver. There are figures only for a receiver without faults."""

    key: str
    """Name of the row in `parts`."""
    name: str
    verifies: bool
    """Whether it checks signatures."""
    faults: list[str]
    """In words: a genuine event refused, a forged one accepted, a failed window."""
    events_per_s: Spread | None
    """Closed model, `connections` in flight, one figure a round."""
    at_least: bool
    """The generator was at its limit and the receiver was not: the receiver could do more."""
    cpu_us: Spread | None
    """Per event, in those same windows."""
    core_share: float | None
    """Share of its core that it used, median."""
    paces: list[PaceRow]
    """One row for each rate."""


class PartRow(msgspec.Struct, frozen=True, kw_only=True):
    """A difference between two receivers, CPU µs per event: the median over the rounds, with its 95 % interval."""

    name: str
    minuend: str
    """Key of a row."""
    subtrahend: str | None
    """Keys of rows; None: nothing is subtracted."""
    us: float
    """CPU µs per event, median over the rounds."""
    interval: tuple[float, float] | None


class ReceiverBench(msgspec.Struct, frozen=True, kw_only=True):
    """A benchmark of receivers and its outcome."""

    schema: str
    id: str
    started_at: str
    ended_at: str
    version: str
    scheme: str
    app: str | None
    """The user's application; None without one."""
    connections: int
    """Events in flight at full speed."""
    rounds: int
    cores: tuple[int, int] | None
    """The cores of the receiver and of the generator; None when they share all cores."""
    rows: list[ReceiverRow]
    """One for each receiver."""
    parts: list[PartRow]
    """Differences between two receivers."""
    ending: Ending
    reasons: list[str]
    environment: Environment

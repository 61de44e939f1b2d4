"""The part of a stored result that is about the generator: its processes, its limits, its own lateness."""

from __future__ import annotations

import msgspec

from loadsim.measure.result_numbers import Count, Figure


class ShardRow(msgspec.Struct, frozen=True):
    """One generator process."""

    shard: Count
    """Number, from 0."""
    host: str
    """Where it ran."""
    pid: Count | None
    """Its process; None: not known."""
    planned: Count
    """Events that were its own."""
    sent: Count
    """Events that it sent."""
    completed: Count
    """Answered completely."""
    frames: Count
    """Messages with figures that came from it."""
    lost: bool = False
    """It fell silent or ended before its time."""
    reason: str = ""
    """Why it was lost, in words."""
    cpu_s: Figure | None = None
    """Processor time."""
    cpu_share: Figure | None = None
    """Of one core, over the run."""
    rss_mb: Figure | None = None
    """Most memory that it used."""
    connections_peak: Count | None = None
    """Most connections open at once."""
    connections_opened: Count | None = None
    """Connections opened in all."""
    away_s: Figure | None = None
    """How long it was away in all: its pauses, see `Limits.away_s`."""
    queued_s: Figure | None = None
    """How long it was ready to run and had no core; None where the system does not tell."""
    saturated_s: Figure | None = None
    """How long all connections were busy while an event waited."""
    start_offset_ms: Figure | None = None
    """How long after the agreed instant it began."""
    p50_ms: Figure | None = None
    clock_ahead_ms: float | None = None
    """How far the clock of its host was ahead of the launcher's; its start was corrected by this. None on this
    machine."""
    clock_residual_ms: Figure | None = None
    """The greatest error of that correction."""


class ShortWindow(msgspec.Struct, frozen=True):
    """A window of recorded time in which less load was offered than planned: of the events `due` in it, only
    `released` were released within the width of a window."""

    t_s: Figure
    width_s: Figure
    due: Count
    """Events due in it."""
    released: Count
    """Of these, those that were released in time."""


class WindowLook(msgspec.Struct, frozen=True):
    """One window of an objective in a second look.

    Of a latency: undisturbed events as an HDR V2 blob in us, and how many others were due in it. Of a count: how many
    disturbed events that its metric counts were due in it, how many failures that a pause may have brought about, and
    how long the generator was away, averaged over its processes.
    """

    t_s: Figure
    histogram: str
    """HDR V2 blob, base64."""
    disturbed: Count
    """Events that a pause disturbed."""
    excused: Count = 0
    """Failures that a pause may have brought about."""
    away_s: Figure = 0.0
    """How long the generator was away."""


class SecondLook(msgspec.Struct, frozen=True):
    """The run without the generator's own lateness: what a missed objective is judged by once more.

    Keys as in `RunResult.histograms`, tags in alphabetical order (`""`: all recorded events). `histograms`: undisturbed
    events, lag and receipt taken off, in us. `disturbed`: how many events beside them were disturbed by a pause.
    `excused`: failures that a pause may have brought about, by error kind.
    """

    histograms: dict[str, str]
    """Of the undisturbed events."""
    disturbed: dict[str, Count]
    """Number of disturbed events."""
    excused: dict[str, dict[str, Count]]
    """Error kind → number of such failures."""
    windows: dict[str, list[WindowLook]] = {}
    """By figure and width (`response: p(99) over 5s`), for the run's objectives on `response`, `service` and counts.
    Windows of counts in which nothing happened are left out."""
    touched_s: list[tuple[Figure, Figure]] = []
    """The stretches of time that a pause or its recovery touches (to the slice), since the start."""


class Limits(msgspec.Struct, frozen=True):
    """What limited the run."""

    connections: Count
    """Most that the run may open."""
    connections_peak: Count
    """Most open at once."""
    saturated_share: Figure | None
    """Share of recorded time in which all connections were busy and an event waited."""
    generator_cpu_share: Figure | None
    """The busiest shard's share of its core."""
    lag_p99_ms: Figure | None
    """Percentile 99 of the generator's lag."""
    shortage: str = ""
    """The limit of descriptors or ports that kept the engine from opening all connections, in words with its figure. It
    makes the run INVALID."""
    away_s: Figure | None = None
    """Recorded time in which the generator did nothing at all (its pauses), averaged over its processes; None: not
    known."""
    pauses: Count = 0
    """Number of the generator's pauses."""
    longest_pause_s: Figure = 0.0
    """The longest of them."""
    away_by_phase: dict[str, Figure] = {}
    """As `away_s`, in each phase that had a pause."""
    short: list[ShortWindow] = []
    """The windows in which less load was offered than planned, the first of them."""
    steal_share: Figure | None = None
    """Share of the processors' time that the hypervisor gave to others while the run went on; None: not known."""


class LagAtRate(msgspec.Struct, frozen=True):
    """The generator's lag at one rate, and the service times it measures at an endpoint that does nothing; ms."""

    rate: Figure
    """Events per second."""
    lag_p50_ms: Figure | None
    """Percentile 50 of the lag."""
    lag_p99_ms: Figure | None
    """Percentile 99 of the lag."""
    service_p50_ms: Figure | None
    """Percentile 50 of the service time."""
    service_p99_ms: Figure | None
    """Percentile 99 of the service time."""


class GeneratorLimits(msgspec.Struct, frozen=True):
    """The generator's own limits on this machine, as `bench engine` measured them with the bare receiver."""

    measured_at: str
    """ISO 8601, UTC."""
    rate_max: Figure
    """Signed events per second of one generator process, closed model."""
    generator_cpu_share: Figure | None
    """Share of its core at that rate; well below 1 means that the receiver was the limit."""
    service_p50_ms: Figure | None
    """At a moderate open rate."""
    service_p99_ms: Figure | None
    """At the same rate."""
    paces: list[LagAtRate]
    """One row for each rate."""

"""The part of a stored result that is about effects: the work that an endpoint does for an event after its answer."""

from __future__ import annotations

from typing import Literal

import msgspec

from loadsim.measure.result_events import Stats
from loadsim.measure.result_numbers import Count, Figure


class BacklogRow(msgspec.Struct, frozen=True):
    """One moment of a run with effects. All counts are from the start of the run until then."""

    t_s: Figure
    """Since the start, seconds."""
    acknowledged: Count
    """Answered 2xx by then."""
    done: Count
    """Of those that were acknowledged by then."""
    said: Count | None = None
    """The backlog as the endpoint itself said it at the last look; None where it says none."""


class Forecast(msgspec.Struct, frozen=True):
    """How long a backlog that was left will still take, by the rate at which it shrank after the load."""

    rate: Figure
    """Events per second that were done."""
    left_s: Figure
    """Seconds from the end of the wait."""
    low_s: Figure
    """95 % interval of `left_s`."""
    high_s: Figure
    """The upper end of that interval."""
    from_done: Count
    """How many events that were done the forecast is made from."""


class SourceClock(msgspec.Struct, frozen=True):
    """The clock of the source against that of the run."""

    ahead_ms: float
    """How far it is ahead; below 0, behind."""
    drift_ppm: float
    """How much faster it goes, millionths; below 0, slower."""
    error_ms: Figure
    """Instants of effects are right to within this much."""


class EffectsFound(msgspec.Struct, frozen=True, kw_only=True):
    """What a source of effects said of a run's events, over the whole run, warm-up included where nothing else is said.

    An event is done at the first of its effects. Times in events of a phase that counts, which were acknowledged (2xx)
    and had not to be refused. All figures are None when the source could not be used; see `problem`.
    """

    source: Literal["http", "sql", "file"]
    """The kind of source."""
    place: str
    """Which URL, database or file, without credentials."""
    problem: str = ""
    """Why the source could not be used; empty when it could."""
    looks: Count = 0
    """How often it was looked at."""
    gaps: Count = 0
    """Looks that failed. The next one reads on from the same place."""
    first_gap: str = ""
    """What was wrong at the first of them."""
    look_cpu_s: Figure = 0.0
    """Processor time of this process for the looks."""
    rows: Count = 0
    """Effects that were read."""
    others: Count = 0
    """Of those, with an id that no event of this run has."""
    clock: SourceClock | None = None
    """None: the source did not say its time, so that its clock is taken for the run's."""
    dated: bool = True
    """The source says when effects happened; else the moment at which they were first seen is an upper bound."""
    one_in: Count = 1
    """Events are a sample, one of so many, in runs with too many to keep. Counts are estimates then."""
    acknowledged: Count | None = None
    """Events that were answered 2xx and had not to be refused."""
    done: Count | None = None
    """Of those."""
    undone: Count | None = None
    """Of those, without an effect when the wait ended."""
    repeated: Count | None = None
    """Events with more than one effect."""
    before_ack: Count | None = None
    """Events whose effect was there before their 2xx answer, by more than the clocks' error."""
    unacknowledged_done: Count | None = None
    """Events that were done although their deliveries were not answered 2xx: a provider would send them again."""
    refused_done: Count | None = None
    """Events that the endpoint had to refuse, with an effect."""
    effect_ms: Stats | None = None
    """From the due time to the effect."""
    ack_to_effect_ms: Stats | None = None
    """From the end of the 2xx answer to the effect."""
    backlog_max: Count | None = None
    """The most events at one time that were acknowledged and not done."""
    backlog_max_s: Figure | None = None
    """When it was first so large, since the start."""
    backlog_avg: Figure | None = None
    """Over the time of the load."""
    backlog_at_end: Count | None = None
    """When the load ended."""
    backlog_last: Count | None = None
    """When the wait ended."""
    load_s: Figure | None = None
    """When the load ended, since the start."""
    drained_s: Figure | None = None
    """From the end of the load until nothing was left; where something was, how long the run waited."""
    drained: bool | None = None
    """Whether nothing was left."""
    rate_done: Figure | None = None
    """Events done per second, from the first to the last."""
    forecast: Forecast | None = None
    """None where nothing was left, or nothing was done after the load."""
    series: list[BacklogRow] = []
    """The course of the run, in at most 600 rows."""
    examples: dict[str, list[Count]] = {}
    """For `undone`, `repeated` and `before_ack` the first indexes of the events that it counts."""

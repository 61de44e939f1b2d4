"""The part of a stored result that is about events: their counts and latencies, over time and by address."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from loadsim.measure.result_numbers import Count, Figure
from loadsim.model import NS_PER_S


class Stats(msgspec.Struct, frozen=True):
    """One latency metric, in milliseconds. Percentiles below their least sample count are None."""

    count: Count
    """Number of values."""
    min: Figure | None = None
    """The least."""
    mean: Figure | None = None
    """Their mean."""
    stdev: Figure | None = None
    max: Figure | None = None
    """The greatest."""
    p50: Figure | None = None
    p75: Figure | None = None
    p90: Figure | None = None
    p95: Figure | None = None
    p99: Figure | None = None
    p99_9: Figure | None = None
    p99_99: Figure | None = None
    ci95: dict[str, tuple[Figure, Figure]] | None = None
    """`{"p50": (low, high), ...}`: the percentiles for which the run was long enough; None: not computed."""
    needs_s: dict[str, Figure] | None = None
    """Of the percentiles without an interval: how long such a run would have to be to have one, seconds."""
    overflow: Count = 0
    """Values above the histogram's range. They are counted in its last bucket; `max` is exact."""
    unfinished: Count = 0
    """Events in `count` that were still under way at the end. Their values are lower bounds."""
    lower_bounds: list[str] = []
    """The figures (`"p99"`, `"mean"`, `"max"`) that such events make lower bounds: the true ones may be greater."""


class Totals(msgspec.Struct, frozen=True):
    """Counts and latencies of one group of events: all recorded ones, or those of one type, one case or one phase."""

    planned: Count
    """Events that were due. `planned = sent + dropped`."""
    sent: Count
    """Events sent. `sent = completed + errors + unfinished`."""
    completed: Count
    """Answered completely, with any status."""
    succeeded: Count
    """Answered 2xx."""
    failed: Count
    """Sent and not answered 2xx. `sent = succeeded + failed`."""
    dropped: Count
    """Not sent because no connection was free, as the scenario asks."""
    unfinished: Count
    """Still under way at the end."""
    unsent: Count
    """Events that ended without a byte sent."""
    attempts: Count
    """Deliveries, with those that were retried."""
    bytes_sent: Count
    """Requests, head and body."""
    bytes_received: Count
    """Answers, head and body."""
    duration_s: Figure | None
    """Recorded time."""
    rate_planned: Figure | None
    """Events due per second."""
    rate_sent: Figure | None
    """Events sent per second."""
    rate_completed: Figure | None
    """Answers per second within the duration: `completed` without those in `after_end`."""
    success_rate: Figure | None
    """2xx answers as a fraction of the events sent."""
    status: dict[str, Count]
    errors: dict[str, Count]
    latency_ms: dict[str, Stats]
    """Keys: response, service, lag, wait, connect, tls, first_byte, sign, receipt."""
    by_status: dict[str, dict[str, Stats]] = {}
    """`2xx` (3xx, 4xx, 5xx) -> latencies of the events with such an answer: response, service, first_byte. Classes of
    status that did not come are left out; results of earlier versions have none."""
    duration_ns: Count | None = None
    """`duration_s` exactly."""
    woken_late: Count = 0
    """Events that were due in the phase, but that the generator woke only after its end."""
    after_end: dict[str, Count] = {}
    """Answers that came after recording had ended, by status. They are completed, but in no rate. In a row of a phase:
    after the end of that phase."""
    forged_accepted: Count | None = None
    """Answered 2xx although a refusal was due. None where no event had to be refused."""
    refused_badly: Count | None = None
    """Wrong refusals: a refusal was due, and the answer was neither 2xx nor 4xx, or there was none."""
    refusals_due: Count | None = None
    """Events sent that the endpoint had to refuse."""
    forged_accepted_upper: Figure | None = None
    """95 % upper bound of the share of such events that the endpoint accepts; from those that were answered."""
    refused_badly_upper: Figure | None = None
    """95 % upper bound of the share of wrong refusals; from those that were answered or failed."""

    def per_second(self, count: int) -> float | None:
        """`count` over the duration, correctly rounded: 33 in 1.1 s are exactly 30/s. None without a duration."""
        ns = self.duration_ns or round((self.duration_s or 0) * NS_PER_S)
        return count * NS_PER_S / ns if ns else None


def histogram_key(metric: str, **tags: str) -> str:
    """The key of a histogram: `response{phase:steady,status:2xx}`."""
    named = ",".join(f"{tag}:{value}" for tag, value in sorted(tags.items()))
    return f"{metric}{{{named}}}" if named else metric


CUT_OFF = "unfinished"
"""In the key of a histogram, the status of events still under way at the end."""
NOT_OK = "not-2xx"
"""The same for all events that were not answered 2xx."""


class SeriesRow(msgspec.Struct, frozen=True):
    """One slice of time, or the part of it in one phase. Latencies are those of the events due in it, rates those of
    the events that ended in it."""

    t_s: Figure
    due: Count
    """Events due in it."""
    sent: Count
    """Events sent in it."""
    completed: Count
    """Answered completely in it."""
    succeeded: Count
    """Answered 2xx in it."""
    failed: Count
    """Failed in it."""
    in_flight: Count | None
    """Events under way at its end."""
    p50_ms: Figure | None
    p90_ms: Figure | None
    p99_ms: Figure | None
    max_ms: Figure | None
    """The greatest response time."""
    lag_p99_ms: Figure | None
    """Percentile 99 of the lag."""
    attempts: Count | None = None
    """Deliveries sent, including those that were followed by another attempt; None without retries."""
    width_s: Figure | None = None
    """How long the row is; None in results of earlier versions, where every row is a whole slice."""


class SampleRow(msgspec.Struct, frozen=True):
    """An answer of the endpoint, kept as an example: one of the first of a failing status or error kind."""

    kind: str
    """The status (`"401"`) or the error kind (`"timeout"`)."""
    index: Count
    """Of the event."""
    type: str
    """Event type."""
    t_s: Figure
    headers: list[tuple[str, str]]
    """Name and value of each, secrets masked."""
    body: str
    """Its beginning."""
    error: str
    """Why there is no answer, in words; empty where there is one."""
    case: str = "genuine"
    """Kind of case."""


class NamedEvent(msgspec.Struct, frozen=True):
    """One event that the result names. `loadsim explain` shows everything about it."""

    index: Count
    """Of the event."""
    type: str
    """Event type."""
    case: str
    """Kind of case."""
    phase: str
    """Name of its phase."""
    kind: str
    """How it ended: the status (`"401"`), the error kind (`"timeout"`), `"unfinished"` or `"dropped"`."""
    attempt: Count
    """Its last delivery, from 1; 0: it ended without one, or between two."""
    due_s: Figure
    """When it was due, seconds since the start of the run."""
    response_ms: Figure
    """Response time; of an unfinished event a lower bound."""
    service_ms: Figure | None
    """Service time of its last delivery; None where nothing was sent."""
    trace_id: str | None = None
    """Of its last delivery (W3C Trace Context); None where the run sent no `traceparent`."""
    sampled: bool | None = None
    """Whether the flag `sampled` asked the endpoint to record that trace."""
    link: str | None = None
    """The page of the trace, by the scenario's `[trace] link`."""


class DeadlineCount(msgspec.Struct, frozen=True):
    """How many answers of recorded events came after a service time that some provider allows at most."""

    deadline_ns: Count
    """Service time that a provider allows."""
    past: Count = msgspec.field(name="late")
    """Answers after it."""


class WindowCourse(msgspec.Struct, frozen=True):
    """One figure in every whole window of recorded time: latencies by due time, counts by the time of the end.

    The lists have one length; a value is None when its window has too few samples.
    """

    figure: str
    """`response{phase:steady}: p(99)`."""
    width_s: Figure
    t_s: list[Figure]
    values: list[Figure | None]
    """In the unit of an objective on this figure."""
    samples: list[Count]
    """Events that each value comes from."""
    left_out_s: Figure
    """Recorded time outside of whole windows."""
    at_most: list[Figure | None] = []
    """Where events were unfinished: the greatest that each value may really be, None without a bound. Empty: the values
    are exact."""


class FirstOrRest(msgspec.Struct, frozen=True):
    """Events of a phase by when they were due: the first ones after a pause, or all others."""

    count: Count
    """Events due."""
    succeeded: Count
    """Answered 2xx."""
    p50_ms: Figure | None = None
    """Of their response times, also of few events."""
    max_ms: Figure | None = None
    """The greatest of them."""


class AfterPause(msgspec.Struct, frozen=True):
    """A phase that follows a pause, that is phases with a rate of 0."""

    phase: str
    """Its name."""
    pause_s: Figure
    """How long nothing was due before it."""
    t_s: Figure
    """When it began."""
    first_s: Figure
    """The first events are those due within so long: a second, or until there are ten."""
    first: FirstOrRest
    """Those."""
    rest: FirstOrRest
    """The others of the phase."""


class AddressRow(msgspec.Struct, frozen=True):
    """The share of one address of an endpoint that has several addresses."""

    address: str
    """Host and port."""
    connections: int
    """Connections made to it."""
    answers: int
    """Answers from it, with any status."""
    failures: int = 0
    """Connection attempts that failed, or that were slower than an attempt to another address."""


MOST_CONNECTIONS = 100
"""Connections over HTTP/2 that a result names: the busiest."""


class ConnectionRow(msgspec.Struct, frozen=True):
    """One connection over HTTP/2, which many events shared."""

    address: str
    """Host and port that it was made to."""
    streams: Count
    """Most events in flight on it at once."""
    events: Count
    """Answers on it, with any status."""
    window_stall_ms: Figure = 0.0
    """How long bodies waited for the endpoint to open its window (flow control)."""
    shard: Count = 0
    """The generator process that it was of."""


def busiest(rows: Iterable[ConnectionRow]) -> list[ConnectionRow]:
    """The MOST_CONNECTIONS with most events, the busiest first."""
    return sorted(rows, key=lambda row: -row.events)[:MOST_CONNECTIONS]

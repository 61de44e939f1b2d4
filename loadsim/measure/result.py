"""The stored result, `result.json` (`"schema": "loadsim.result/1"`): the interface between measuring and judging.

Decides the shape and the units of every figure. Missing figures are None (null), never 0. Knows nothing of how they
were measured, judged or drawn.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from loadsim.measure.decoding import UNREADABLE
from loadsim.model import UsageError

SCHEMA = "loadsim.result/1"
_LONGEST_SCHEMA = 40


Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Figure = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
"""A count and a figure of a result, none of which can be below zero or beyond what any run could come to."""


class Stats(msgspec.Struct, frozen=True):
    """One latency metric, in milliseconds. Percentiles below their least sample count are None."""

    count: Count
    min: Figure | None = None
    mean: Figure | None = None
    stdev: Figure | None = None
    max: Figure | None = None
    p50: Figure | None = None
    p75: Figure | None = None
    p90: Figure | None = None
    p95: Figure | None = None
    p99: Figure | None = None
    p99_9: Figure | None = None
    p99_99: Figure | None = None
    ci95: dict[str, tuple[Figure, Figure]] | None = None
    """`{"p50": (lo, hi), ...}`; None with fewer than 20 slices."""
    overflow: Count = 0
    """Values above the histogram's range: counted in its last bucket, `max` stays true."""


class Totals(msgspec.Struct, frozen=True):
    """The books and the latencies of one group of events (all recorded ones, one type, one case, one phase)."""

    planned: Count
    sent: Count
    completed: Count
    succeeded: Count
    failed: Count
    dropped: Count
    unfinished: Count
    unsent: Count
    attempts: Count
    bytes_sent: Count
    bytes_received: Count
    duration_s: Figure | None
    rate_planned: Figure | None
    rate_sent: Figure | None
    rate_completed: Figure | None
    """Of the answers that came within the duration: `completed` without those in `late`."""
    success_rate: Figure | None
    status: dict[str, Count]
    errors: dict[str, Count]
    latency_ms: dict[str, Stats]
    """Keys: response, service, lag, wait, connect, tls, first_byte, sign."""
    woken_late: Count = 0
    """Events that were due in the phase and woken only after its end."""
    late: dict[str, Count] = {}
    """Answers that came after recording had ended, by status: completed, but in no rate. In a row by phase: after the
    end of that phase."""
    forged_accepted: Count | None = None
    """Answered 2xx although a refusal was due; None where none was."""
    refused_badly: Count | None = None
    """Answered neither 2xx nor 4xx, or failed, although a refusal was due."""
    refusals_due: Count | None = None
    """Sent events to which a refusal was due."""
    forged_accepted_upper: Figure | None = None
    """The share of such events that may be accepted all the same: 95 % upper bound, by those that were answered."""
    refused_badly_upper: Figure | None = None
    """The same for bad refusals, by those that were answered or failed."""


class SeriesRow(msgspec.Struct, frozen=True):
    """One slice of recorded time. Latencies are those of the events due in it, rates of what ended in it."""

    t_s: Figure
    due: Count
    sent: Count
    completed: Count
    succeeded: Count
    failed: Count
    in_flight: Count | None
    p50_ms: Figure | None
    p90_ms: Figure | None
    p99_ms: Figure | None
    max_ms: Figure | None
    lag_p99_ms: Figure | None
    attempts: Count | None = None
    """Deliveries sent, those that were followed by another one included; None where every event is one."""


class SampleRow(msgspec.Struct, frozen=True):
    """What the endpoint said: one of the first answers of a failing status or error kind."""

    kind: str
    """The status (`"401"`) or the error kind (`"timeout"`)."""
    index: Count
    type: str
    t_s: Figure
    headers: list[tuple[str, str]]
    body: str
    error: str
    case: str = "genuine"


class ShardRow(msgspec.Struct, frozen=True):
    """One generator process."""

    shard: Count
    host: str
    pid: Count | None
    planned: Count
    sent: Count
    completed: Count
    frames: Count
    lost: bool = False
    reason: str = ""
    cpu_s: Figure | None = None
    cpu_share: Figure | None = None
    """Of one core, over the run."""
    rss_mb: Figure | None = None
    connections_peak: Count | None = None
    connections_opened: Count | None = None
    saturated_s: Figure | None = None
    """How long every connection was busy while an event waited."""
    start_offset_ms: Figure | None = None
    """How late it began, against the agreed instant."""
    p50_ms: Figure | None = None
    clock_ahead_ms: float | None = None
    """How far the clock of its host was ahead of the launcher's, which its start was corrected by; None on this
    machine."""
    clock_residual_ms: Figure | None = None
    """The most by which that correction can be wrong."""


class Aborted(msgspec.Struct, frozen=True):
    """The run was ended early because an objective could no longer hold."""

    objective: str
    at_s: Figure
    """Since the start of the run."""
    why: str
    """In words, with figures."""


class WindowCourse(msgspec.Struct, frozen=True):
    """One figure in every whole window of recorded time: latencies by when events were due, counts by when they ended.

    Lists of one length; a value is None where a window has too few samples for it.
    """

    figure: str
    """`response{phase:steady}: p(99)`."""
    width_s: Figure
    t_s: list[Figure]
    values: list[Figure | None]
    """In the unit of an objective on this figure."""
    samples: list[Count]
    left_out_s: Figure
    """Recorded time in no whole window."""


class RunInfo(msgspec.Struct, frozen=True):
    """Which run this is."""

    id: str
    name: str
    started_at: str
    """ISO 8601, UTC."""
    ended_at: str
    seed: Count
    version: str
    model: Literal["open", "closed"]
    workers: Count
    interrupted: bool
    scenario: dict[str, Any]
    """Resolved and redacted."""
    epoch_ms: int | None = None
    allow_lost: Count = 0
    """So many hosts may be lost without making the run INVALID."""
    aborted: Aborted | None = None
    """None where no objective ended it."""


class Environment(msgspec.Struct, frozen=True):
    """Where it ran."""

    python: str
    platform: str
    cpu_model: str
    cpu_count: Count
    packages: dict[str, str]


UNLIMITED = "nothing limited the run"


class AddressRow(msgspec.Struct, frozen=True):
    """What one address of an endpoint that has several took of the run."""

    address: str
    """Host and port."""
    connections: int
    """How many were made to it."""
    answers: int
    """How many came from it, whatever their status."""
    failures: int = 0
    """Attempts to connect to it that failed, or were overtaken by one to another address."""


class Limits(msgspec.Struct, frozen=True):
    """What bounded the run."""

    connections: Count
    connections_peak: Count
    saturated_share: Figure | None
    """Share of recorded time in which all connections were busy and an event waited."""
    generator_cpu_share: Figure | None
    """The busiest shard's share of its core."""
    lag_p99_ms: Figure | None
    notes: list[str]
    """In words, for the report: what limited the run."""
    shortage: str = ""
    """The descriptor or port limit that kept the engine from opening the connections asked for, in words with its
    figure; makes the run INVALID."""


class Validity(msgspec.Struct, frozen=True):
    """Whether the measurement can be trusted at all."""

    valid: bool
    reasons: list[str]


class ObjectiveRow(msgspec.Struct, frozen=True):
    """One objective as judged."""

    text: str
    default: bool
    observed: Figure | None
    passed: bool | None
    ci95: tuple[Figure, Figure] | None = None
    unit: str = ""
    note: str = ""


class VerdictRow(msgspec.Struct, frozen=True):
    """The verdict as stored."""

    outcome: Literal["pass", "fail", "invalid", "none"]
    objectives: list[ObjectiveRow]


class Pace(msgspec.Struct, frozen=True):
    """How late the generator is at one rate, and what it sees of an endpoint that does nothing; ms."""

    rate: Figure
    lag_p50_ms: Figure | None
    lag_p99_ms: Figure | None
    service_p50_ms: Figure | None
    service_p99_ms: Figure | None


class Floor(msgspec.Struct, frozen=True):
    """What the generator itself costs on this machine, as `bench engine` measured it against a bare receiver."""

    measured_at: str
    """ISO 8601, UTC."""
    rate_max: Figure
    """Signed events per second of one generator process, closed model."""
    generator_cpu_share: Figure | None
    """Of its core, at that rate; well below 1, the receiver was the limit."""
    service_p50_ms: Figure | None
    """At a moderate open rate."""
    service_p99_ms: Figure | None
    paces: list[Pace]


class DuplicateRow(msgspec.Struct, frozen=True):
    """Deliveries of duplicated events, by when they came."""

    deliveries: Count
    status: dict[str, Count]
    errors: dict[str, Count]
    unfinished: Count
    p50_ms: Figure | None
    """Service time of the answered ones."""
    p99_ms: Figure | None


class Duplicates(msgspec.Struct, frozen=True):
    """Events that were released as several identical deliveries at the same instant."""

    events: Count
    spread_p50_ms: Figure | None
    """From the first write call of the first copy to that of the last, over events."""
    spread_p99_ms: Figure | None
    spread_max_ms: Figure | None
    first: DuplicateRow
    """The delivery of each event that was answered first."""
    same_time: DuplicateRow
    """Sent before that answer was there: the endpoint was at work on the same event."""
    afterwards: DuplicateRow
    """Sent when it was: the endpoint had the event already."""


class AttemptRow(msgspec.Struct, frozen=True):
    """The deliveries of one attempt number."""

    attempt: Count
    deliveries: Count
    delivered: Count
    """Answered 2xx."""
    status: dict[str, Count]
    errors: dict[str, Count]
    unfinished: Count
    and_later: bool = False
    """This row holds all later attempts too."""


class Retries(msgspec.Struct, frozen=True):
    """What became of genuine events under a provider's retry profile, over the whole run, warm-up included."""

    profile: str
    title: str
    time_scale: Figure
    modelled: bool
    """The pauses are loadsim's: the provider publishes only their number and the time that they take."""
    retried: Count
    """Events that had to wait for another attempt."""
    attempts: Count
    """All deliveries, first ones included."""
    delivered: Count
    """Events that a later attempt delivered."""
    delivery_p50_ms: Figure | None
    """From the due time of such an event to its delivery, as time passed in the run."""
    delivery_p99_ms: Figure | None
    delivery_max_ms: Figure | None
    given_up: Count
    """Events whose last attempt failed."""
    cut_off: Count
    """Events for which another attempt was to come when the endpoint was switched off."""
    no_room: Count
    """Events that were given up because too many waited already."""
    waiting: Count
    """Events that still waited for another attempt when the run was over; they are unfinished."""
    undelivered: Count
    """Events that fell due when the endpoint was switched off, and were not sent."""
    in_doubt: Count
    """Attempts that were sent, not answered whole, and made again: the endpoint may have those events twice."""
    base_rate: Figure | None
    """Events per second that fell due, over the phases in which any did."""
    peak_rate: Figure | None
    """Most deliveries per second, over any second."""
    peak_s: Figure | None
    backlog: Count
    """Most events at once that had failed and were not yet delivered or given up."""
    backlog_s: Figure | None
    """When that was last so."""
    drain_s: Figure | None
    """From then until there was none; None: that did not come."""
    off_s: Figure | None
    """When the provider switched the endpoint off; None: it did not."""
    why: str
    by_attempt: list[AttemptRow]


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent, joined with what the receiver's books have, over the whole run, warm-up included.

    Counts are of events. Those up to `duplicated` are of events to which acceptance was due, and
    `sent = delivered + unacknowledged + refused + lost`. All are None where the books could not be read: `problem`.
    """

    source: str
    """Whose books: the embedded receiver's, a URL or a file."""
    problem: str = ""
    """Why they could not be read, or not be trusted; empty when they could."""
    of: Literal["deliveries", "effects"] | None = None
    """What the books count: deliveries that came, or what was done for an event."""
    sent: Count | None = None
    """At least a byte of them was handed to the kernel."""
    delivered: Count | None = None
    """Answered 2xx, and in the books."""
    unacknowledged: Count | None = None
    """In the books, and not answered 2xx: a provider would send them again."""
    refused: Count | None = None
    """Answered otherwise than 2xx, and not in the books: both sides know."""
    lost: Count | None = None
    """Not in the books, although no answer said so: answered 2xx, or not at all."""
    acknowledged_not_received: Count | None = None
    """The part of `lost` that was answered 2xx."""
    duplicated: Count | None = None
    """In the books more often than they were sent (of deliveries), or more than once (of effects)."""
    reordered: Count | None = None
    """Came behind an event that was due later (RFC 4737, 3.3). None: their order is not known."""
    reorder_extent: Count | None = None
    """How many places at most such an event was behind the first that overtook it (RFC 4737, 4.2.1)."""
    forged_sent: Count | None = None
    """To which a refusal was due."""
    forged_accepted: Count | None = None
    """Of those, answered 2xx and in the books."""
    forged_unanswered: Count | None = None
    """Of those, in the books although the answer was not 2xx."""
    never_sent: Count | None = None
    """In the books under this run's name, and never sent by it."""
    examples: dict[str, list[Count]] = msgspec.field(default_factory=dict)
    """Figure → the first indexes of what it counts."""


class RunResult(msgspec.Struct, frozen=True):
    """Everything that is known of one run."""

    schema: str
    run: RunInfo
    environment: Environment
    totals: Totals
    by_event: dict[str, Totals]
    by_case: dict[str, Totals]
    by_phase: dict[str, Totals]
    series: list[SeriesRow]
    slice_s: Figure
    """Width of a series row."""
    series_histograms: dict[str, list[str | None]]
    """metric -> one HDR V2 blob per series row (None: no sample), in us; response and service."""
    histograms: dict[str, str]
    """`response`, or `response{event:TYPE}`, `{phase:NAME}`, `{case:NAME}` -> HDR V2 compressed, base64, in us
    (`sign`: in ns)."""
    samples: list[SampleRow]
    shards: list[ShardRow]
    limits: Limits
    reconciliation: Reconciliation | None
    """None where no receiver's ledger is configured."""
    validity: Validity
    verdict: VerdictRow
    duplicates: Duplicates | None = None
    """None where no event was sent in several copies."""
    retries: Retries | None = None
    """None where no retry profile was in force."""
    receiver: dict[str, Any] | None = None
    """What the embedded receiver counted by itself over the whole run, warm-up included; None for other targets."""
    floor: Floor | None = None
    """The generator's own floor on the machine of the run, where it is known."""
    by_case_part: dict[str, Totals] = msgspec.field(default_factory=dict)
    """Of cases that consist of several, such as one for each published key: each part; their sum is in `by_case`."""
    addresses: list[AddressRow] = msgspec.field(default_factory=list)
    """Of an endpoint that has several; empty where it has one."""
    windows: list[WindowCourse] = msgspec.field(default_factory=list)
    """What the run's objectives over windows looked at; counted apart from the series, whose slices get wider."""


class _Envelope(msgspec.Struct):
    """The one key that says whether a file is ours, and of which age."""

    schema: str


def dump_result(result: RunResult) -> bytes:
    """The stored form: indented JSON, one trailing newline."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"


def load_result(data: bytes, source: str) -> RunResult:
    """The result stored in `data`; `source` is the file's name, for messages.

    Raises UsageError, in one line, when it is cut short, not a result, or of a schema that this version does not know.
    """
    try:
        schema = msgspec.json.decode(data, type=_Envelope).schema
    except msgspec.ValidationError:
        raise UsageError(
            f'{source}: not a loadsim result (it has no "schema"); give the result.json of a run'
        ) from None
    except UNREADABLE as error:
        raise UsageError(f"{source}: not a whole JSON file ({error}); was the run or a copy cut short?") from None
    if schema != SCHEMA:
        raise UsageError(_foreign(source, schema))
    try:
        return msgspec.json.decode(data, type=RunResult)
    except UNREADABLE as error:
        raise UsageError(f"{source}: not a valid {SCHEMA}: {error}") from None


def _foreign(source: str, schema: str) -> str:
    name, _, age = SCHEMA.partition("/")
    theirs, _, their_age = schema.partition("/")
    shown = schema if len(schema) <= _LONGEST_SCHEMA else f"{schema[:_LONGEST_SCHEMA]}…"
    if theirs == name and their_age.isascii() and their_age.isdecimal() and their_age.lstrip("0") != age:
        return f"{source}: written by a newer loadsim ({shown}, this one reads {SCHEMA}); update loadsim to read it"
    return f"{source}: its schema is {shown!r}, not {SCHEMA}; give the result.json of a run"

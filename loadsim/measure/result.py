"""The stored result, `result.json` (`"schema": "loadsim.result/1"`): the interface between measuring and judging.

Decides the shape and the units of every figure. Missing figures are None (null), never 0. Knows nothing of how they
were measured, judged or drawn.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from loadsim.model import UsageError

SCHEMA = "loadsim.result/1"


class Stats(msgspec.Struct, frozen=True):
    """One latency metric, in milliseconds. Percentiles below their least sample count are None."""

    count: int
    min: float | None = None
    mean: float | None = None
    stdev: float | None = None
    max: float | None = None
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    p99_99: float | None = None
    ci95: dict[str, tuple[float, float]] | None = None
    """`{"p50": (lo, hi), ...}`; None with fewer than 20 slices."""
    overflow: int = 0
    """Values above the histogram's range: counted in its last bucket, `max` stays true."""


class Totals(msgspec.Struct, frozen=True):
    """The books and the latencies of one group of events (all recorded ones, one type, one case, one phase)."""

    planned: int
    sent: int
    completed: int
    succeeded: int
    failed: int
    dropped: int
    unfinished: int
    unsent: int
    attempts: int
    bytes_sent: int
    bytes_received: int
    duration_s: float | None
    rate_planned: float | None
    rate_sent: float | None
    rate_completed: float | None
    """Of the answers that came within the duration: `completed` without those in `late`."""
    success_rate: float | None
    status: dict[str, int]
    errors: dict[str, int]
    latency_ms: dict[str, Stats]
    """Keys: response, service, lag, wait, connect, tls, first_byte, sign."""
    woken_late: int = 0
    """Events that were due in the phase and woken only after its end."""
    late: dict[str, int] = {}
    """Answers that came after recording had ended, by status: completed, but in no rate. In a row by phase: after the
    end of that phase."""
    forged_accepted: int | None = None
    """Answered 2xx although a refusal was due; None where none was."""
    refused_badly: int | None = None
    """Answered neither 2xx nor 4xx, or failed, although a refusal was due."""
    refusals_due: int | None = None
    """Sent events to which a refusal was due."""
    forged_accepted_upper: float | None = None
    """The share of such events that may be accepted all the same: 95 % upper bound, by those that were answered."""
    refused_badly_upper: float | None = None
    """The same for bad refusals, by those that were answered or failed."""


class SeriesRow(msgspec.Struct, frozen=True):
    """One slice of recorded time. Latencies are those of the events due in it, rates of what ended in it."""

    t_s: float
    due: int
    sent: int
    completed: int
    succeeded: int
    failed: int
    in_flight: int | None
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    lag_p99_ms: float | None
    attempts: int | None = None
    """Deliveries sent, those that were followed by another one included; None where every event is one."""


class SampleRow(msgspec.Struct, frozen=True):
    """What the endpoint said: one of the first answers of a failing status or error kind."""

    kind: str
    """The status (`"401"`) or the error kind (`"timeout"`)."""
    index: int
    type: str
    t_s: float
    headers: list[tuple[str, str]]
    body: str
    error: str
    case: str = "genuine"


class ShardRow(msgspec.Struct, frozen=True):
    """One generator process."""

    shard: int
    host: str
    pid: int | None
    planned: int
    sent: int
    completed: int
    frames: int
    lost: bool = False
    reason: str = ""
    cpu_s: float | None = None
    cpu_share: float | None = None
    """Of one core, over the run."""
    rss_mb: float | None = None
    connections_peak: int | None = None
    connections_opened: int | None = None
    saturated_s: float | None = None
    """How long every connection was busy while an event waited."""
    start_offset_ms: float | None = None
    """How late it began, against the agreed instant."""
    p50_ms: float | None = None
    clock_ahead_ms: float | None = None
    """How far the clock of its host was ahead of the launcher's, which its start was corrected by; None on this
    machine."""
    clock_residual_ms: float | None = None
    """The most by which that correction can be wrong."""


class Aborted(msgspec.Struct, frozen=True):
    """The run was ended early because an objective could no longer hold."""

    objective: str
    at_s: float
    """Since the start of the run."""
    why: str
    """In words, with figures."""


class WindowCourse(msgspec.Struct, frozen=True):
    """One figure in every whole window of recorded time: latencies by when events were due, counts by when they ended.

    Lists of one length; a value is None where a window has too few samples for it.
    """

    figure: str
    """`response{phase:steady}: p(99)`."""
    width_s: float
    t_s: list[float]
    values: list[float | None]
    """In the unit of an objective on this figure."""
    samples: list[int]
    left_out_s: float
    """Recorded time in no whole window."""


class RunInfo(msgspec.Struct, frozen=True):
    """Which run this is."""

    id: str
    name: str
    started_at: str
    """ISO 8601, UTC."""
    ended_at: str
    seed: int
    version: str
    model: Literal["open", "closed"]
    workers: int
    interrupted: bool
    scenario: dict[str, Any]
    """Resolved and redacted."""
    epoch_ms: int | None = None
    allow_lost: int = 0
    """So many hosts may be lost without making the run INVALID."""
    aborted: Aborted | None = None
    """None where no objective ended it."""


class Environment(msgspec.Struct, frozen=True):
    """Where it ran."""

    python: str
    platform: str
    cpu_model: str
    cpu_count: int
    packages: dict[str, str]


UNLIMITED = "nothing limited the run"


class Limits(msgspec.Struct, frozen=True):
    """What bounded the run."""

    connections: int
    connections_peak: int
    saturated_share: float | None
    """Share of recorded time in which all connections were busy and an event waited."""
    generator_cpu_share: float | None
    """The busiest shard's share of its core."""
    lag_p99_ms: float | None
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
    observed: float | None
    passed: bool | None
    ci95: tuple[float, float] | None = None
    unit: str = ""
    note: str = ""


class VerdictRow(msgspec.Struct, frozen=True):
    """The verdict as stored."""

    outcome: Literal["pass", "fail", "invalid", "none"]
    objectives: list[ObjectiveRow]


class Pace(msgspec.Struct, frozen=True):
    """How late the generator is at one rate, and what it sees of an endpoint that does nothing; ms."""

    rate: float
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    service_p50_ms: float | None
    service_p99_ms: float | None


class Floor(msgspec.Struct, frozen=True):
    """What the generator itself costs on this machine, as `bench engine` measured it against a bare receiver."""

    measured_at: str
    """ISO 8601, UTC."""
    rate_max: float
    """Signed events per second of one generator process, closed model."""
    generator_cpu_share: float | None
    """Of its core, at that rate; well below 1, the receiver was the limit."""
    service_p50_ms: float | None
    """At a moderate open rate."""
    service_p99_ms: float | None
    paces: list[Pace]


class DuplicateRow(msgspec.Struct, frozen=True):
    """Deliveries of duplicated events, by when they came."""

    deliveries: int
    status: dict[str, int]
    errors: dict[str, int]
    unfinished: int
    p50_ms: float | None
    """Service time of the answered ones."""
    p99_ms: float | None


class Duplicates(msgspec.Struct, frozen=True):
    """Events that were released as several identical deliveries at the same instant."""

    events: int
    spread_p50_ms: float | None
    """From the first write call of the first copy to that of the last, over events."""
    spread_p99_ms: float | None
    spread_max_ms: float | None
    first: DuplicateRow
    """The delivery of each event that was answered first."""
    same_time: DuplicateRow
    """Sent before that answer was there: the endpoint was at work on the same event."""
    afterwards: DuplicateRow
    """Sent when it was: the endpoint had the event already."""


class AttemptRow(msgspec.Struct, frozen=True):
    """The deliveries of one attempt number."""

    attempt: int
    deliveries: int
    delivered: int
    """Answered 2xx."""
    status: dict[str, int]
    errors: dict[str, int]
    unfinished: int
    and_later: bool = False
    """This row holds all later attempts too."""


class Retries(msgspec.Struct, frozen=True):
    """What became of genuine events under a provider's retry profile, over the whole run, warm-up included."""

    profile: str
    title: str
    time_scale: float
    modelled: bool
    """The pauses are loadsim's: the provider publishes only their number and the time that they take."""
    retried: int
    """Events that had to wait for another attempt."""
    attempts: int
    """All deliveries, first ones included."""
    delivered: int
    """Events that a later attempt delivered."""
    delivery_p50_ms: float | None
    """From the due time of such an event to its delivery, as time passed in the run."""
    delivery_p99_ms: float | None
    delivery_max_ms: float | None
    given_up: int
    """Events whose last attempt failed."""
    cut_off: int
    """Events for which another attempt was to come when the endpoint was switched off."""
    no_room: int
    """Events that were given up because too many waited already."""
    waiting: int
    """Events that still waited for another attempt when the run was over; they are unfinished."""
    undelivered: int
    """Events that fell due when the endpoint was switched off, and were not sent."""
    in_doubt: int
    """Attempts that were sent, not answered whole, and made again: the endpoint may have those events twice."""
    base_rate: float | None
    """Events per second that fell due, over the phases in which any did."""
    peak_rate: float | None
    """Most deliveries per second, over any second."""
    peak_s: float | None
    backlog: int
    """Most events at once that had failed and were not yet delivered or given up."""
    backlog_s: float | None
    """When that was last so."""
    drain_s: float | None
    """From then until there was none; None: that did not come."""
    off_s: float | None
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
    sent: int | None = None
    """At least a byte of them was handed to the kernel."""
    delivered: int | None = None
    """Answered 2xx, and in the books."""
    unacknowledged: int | None = None
    """In the books, and not answered 2xx: a provider would send them again."""
    refused: int | None = None
    """Answered otherwise than 2xx, and not in the books: both sides know."""
    lost: int | None = None
    """Not in the books, although no answer said so: answered 2xx, or not at all."""
    acknowledged_not_received: int | None = None
    """The part of `lost` that was answered 2xx."""
    duplicated: int | None = None
    """In the books more often than they were sent (of deliveries), or more than once (of effects)."""
    reordered: int | None = None
    """Came behind an event that was due later (RFC 4737, 3.3). None: their order is not known."""
    reorder_extent: int | None = None
    """How many places at most such an event was behind the first that overtook it (RFC 4737, 4.2.1)."""
    forged_sent: int | None = None
    """To which a refusal was due."""
    forged_accepted: int | None = None
    """Of those, answered 2xx and in the books."""
    forged_unanswered: int | None = None
    """Of those, in the books although the answer was not 2xx."""
    never_sent: int | None = None
    """In the books under this run's name, and never sent by it."""
    examples: dict[str, list[int]] = msgspec.field(default_factory=dict)
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
    slice_s: float
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
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{source}: not a whole JSON file ({error}); was the run or a copy cut short?") from None
    if schema != SCHEMA:
        raise UsageError(_foreign(source, schema))
    try:
        return msgspec.json.decode(data, type=RunResult)
    except msgspec.ValidationError as error:
        raise UsageError(f"{source}: not a valid {SCHEMA}: {error}") from None


def _foreign(source: str, schema: str) -> str:
    name, _, age = SCHEMA.partition("/")
    theirs, _, their_age = schema.partition("/")
    if theirs == name and their_age.isdecimal() and int(their_age) > int(age):
        return f"{source}: written by a newer loadsim ({schema}, this one reads {SCHEMA}); update loadsim to read it"
    return f"{source}: its schema is {schema!r}, not {SCHEMA}; give the result.json of a run"

"""The stored result of a run, `result.json` (`"schema": "loadsim.result/2"`): the interface between measuring and
judging.

The types here give every figure its key and its unit. A figure that is not known is None (null), never 0.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from loadsim.measure.older_results import from_first
from loadsim.model import UsageError

SCHEMA = "loadsim.result/2"
_FIRST_SCHEMA = "loadsim.result/1"


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
    """`{"p50": (low, high), ...}`; None with fewer than 20 slices."""
    overflow: int = 0
    """Values above the histogram's range. They are counted in its last bucket; `max` is exact."""


class Totals(msgspec.Struct, frozen=True):
    """Counts and latencies of one group of events: all recorded ones, or those of one type, one case or one phase."""

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
    """Answers per second within the duration: `completed` without those in `after_end`."""
    success_rate: float | None
    status: dict[str, int]
    errors: dict[str, int]
    latency_ms: dict[str, Stats]
    """Keys: response, service, lag, wait, connect, tls, first_byte, sign."""
    woken_late: int = 0
    """Events that were due in the phase, but that the generator woke only after its end."""
    after_end: dict[str, int] = {}
    """Answers that came after recording had ended, by status. They are completed, but in no rate. In a row of a phase:
    after the end of that phase."""
    forged_accepted: int | None = None
    """Answered 2xx although a refusal was due. None where no event had to be refused."""
    refused_badly: int | None = None
    """Wrong refusals: a refusal was due, and the answer was neither 2xx nor 4xx, or there was none."""
    refusals_due: int | None = None
    """Events sent that the endpoint had to refuse."""
    forged_accepted_upper: float | None = None
    """95 % upper bound of the share of such events that the endpoint accepts; from those that were answered."""
    refused_badly_upper: float | None = None
    """95 % upper bound of the share of wrong refusals; from those that were answered or failed."""


class SeriesRow(msgspec.Struct, frozen=True):
    """One slice of time. Latencies are those of the events due in it, rates those of the events that ended in it."""

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
    """Deliveries sent, including those that were followed by another attempt; None without retries."""


class SampleRow(msgspec.Struct, frozen=True):
    """An answer of the endpoint, kept as an example: one of the first of a failing status or error kind."""

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
    """How long all connections were busy while an event waited."""
    start_offset_ms: float | None = None
    """How long after the agreed instant it began."""
    p50_ms: float | None = None
    clock_ahead_ms: float | None = None
    """How far the clock of its host was ahead of the launcher's; its start was corrected by this. None on this
    machine."""
    clock_residual_ms: float | None = None
    """The greatest error of that correction."""


class Aborted(msgspec.Struct, frozen=True):
    """The run was ended early because an objective could not be met any more."""

    objective: str
    at_s: float
    """Since the start of the run."""
    why: str
    """In words, with figures."""


class WindowCourse(msgspec.Struct, frozen=True):
    """One figure in every whole window of recorded time: latencies by due time, counts by the time of the end.

    The lists have one length; a value is None when its window has too few samples.
    """

    figure: str
    """`response{phase:steady}: p(99)`."""
    width_s: float
    t_s: list[float]
    values: list[float | None]
    """In the unit of an objective on this figure."""
    samples: list[int]
    left_out_s: float
    """Recorded time outside of whole windows."""


class RunInfo(msgspec.Struct, frozen=True):
    """Identity and settings of the run."""

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
    """How many hosts may be lost before the run is INVALID."""
    aborted: Aborted | None = None
    """None when no objective ended the run."""


class Environment(msgspec.Struct, frozen=True):
    """The machine and the software of the run."""

    python: str
    platform: str
    cpu_model: str
    cpu_count: int
    packages: dict[str, str]


UNLIMITED = "nothing limited the run"


class Limits(msgspec.Struct, frozen=True):
    """What limited the run."""

    connections: int
    connections_peak: int
    saturated_share: float | None
    """Share of recorded time in which all connections were busy and an event waited."""
    generator_cpu_share: float | None
    """The busiest shard's share of its core."""
    lag_p99_ms: float | None
    notes: list[str]
    """What limited the run, in words for the report."""
    shortage: str = ""
    """The limit of descriptors or ports that kept the engine from opening all connections, in words with its figure. It
    makes the run INVALID."""


class Validity(msgspec.Struct, frozen=True):
    """Whether the measurement is valid, and if not, why."""

    valid: bool
    reasons: list[str]


class ObjectiveRow(msgspec.Struct, frozen=True):
    """One objective and how it was judged."""

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
    """The generator's lag at one rate, and the service times it measures at an endpoint that does nothing; ms."""

    rate: float
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    service_p50_ms: float | None
    service_p99_ms: float | None


class GeneratorLimits(msgspec.Struct, frozen=True):
    """The generator's own limits on this machine, as `bench engine` measured them with the bare receiver."""

    measured_at: str
    """ISO 8601, UTC."""
    rate_max: float
    """Signed events per second of one generator process, closed model."""
    generator_cpu_share: float | None
    """Share of its core at that rate; well below 1 means that the receiver was the limit."""
    service_p50_ms: float | None
    """At a moderate open rate."""
    service_p99_ms: float | None
    paces: list[Pace]


class DuplicateRow(msgspec.Struct, frozen=True):
    """Deliveries of duplicated events that came at one time relative to the first answer."""

    deliveries: int
    status: dict[str, int]
    errors: dict[str, int]
    unfinished: int
    p50_ms: float | None
    """Service time of the answered deliveries."""
    p99_ms: float | None


class Duplicates(msgspec.Struct, frozen=True):
    """Events that were sent as several identical deliveries at the same instant."""

    events: int
    spread_p50_ms: float | None
    """From the first write call of the first copy to that of the last copy, over all events."""
    spread_p99_ms: float | None
    spread_max_ms: float | None
    first: DuplicateRow
    """The delivery of each event that was answered first."""
    same_time: DuplicateRow
    """Sent before that answer arrived: the endpoint was at work on the same event."""
    afterwards: DuplicateRow
    """Sent after that answer had arrived: the endpoint had the event already."""


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
    """How genuine events fared under a provider's retry profile, over the whole run, warm-up included."""

    profile: str
    title: str
    time_scale: float
    modelled: bool
    """The pauses between attempts are loadsim's: the provider publishes only their number and their total time."""
    retried: int
    """Events that had to wait for another attempt."""
    attempts: int
    """All deliveries, including the first of each event."""
    delivered: int
    """Events that a later attempt delivered."""
    delivery_p50_ms: float | None
    """From the due time of such an event to its delivery, in the (scaled) time of the run."""
    delivery_p99_ms: float | None
    delivery_max_ms: float | None
    given_up: int
    """Events whose last attempt failed."""
    cut_off: int
    """Events that had another attempt to come when the endpoint was switched off."""
    no_room: int
    """Events that were given up because too many were waiting already."""
    waiting: int
    """Events that still waited for another attempt when the run was over; they are unfinished."""
    undelivered: int
    """Events that became due while the endpoint was switched off, and were not sent."""
    in_doubt: int
    """Attempts that were sent, not answered completely, and repeated: the endpoint may have those events twice."""
    base_rate: float | None
    """Events per second that became due, over the phases in which any did."""
    peak_rate: float | None
    """The most deliveries in any second."""
    peak_s: float | None
    backlog: int
    """The most events that at one time had failed and were not yet delivered or given up."""
    backlog_s: float | None
    """When the backlog was last so large."""
    drain_s: float | None
    """Time from then until there was no backlog; None: it did not end."""
    off_s: float | None
    """When the provider switched the endpoint off; None: never."""
    why: str
    by_attempt: list[AttemptRow]


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """The events sent, compared with the receiver's ledger, over the whole run, warm-up included.

    All counts are of events. Those up to `duplicated` are of events that the endpoint had to accept, and
    `sent = delivered + unacknowledged + refused + lost`. All are None when the ledger could not be read; see `problem`.
    """

    source: str
    """Where the ledger came from: the embedded receiver, a URL or a file."""
    problem: str = ""
    """Why the ledger could not be used; empty when it could."""
    of: Literal["deliveries", "effects"] | None = None
    """What the ledger counts: deliveries that arrived, or what was done for an event."""
    sent: int | None = None
    """At least one byte of the event was handed to the kernel."""
    delivered: int | None = None
    """Answered 2xx, and in the ledger."""
    unacknowledged: int | None = None
    """In the ledger, and not answered 2xx: a provider would send them again."""
    refused: int | None = None
    """Answered with another status than 2xx, and not in the ledger: both sides agree."""
    lost: int | None = None
    """Not in the ledger, although no answer refused them: answered 2xx, or not at all."""
    acknowledged_not_received: int | None = None
    """The part of `lost` that was answered 2xx."""
    duplicated: int | None = None
    """In the ledger more often than they were sent (deliveries), or more than once (effects)."""
    reordered: int | None = None
    """Arrived after an event that was due later (RFC 4737, 3.3). None: the order is not known."""
    reorder_extent: int | None = None
    """The most places that such an event was behind the first event that overtook it (RFC 4737, 4.2.1)."""
    forged_sent: int | None = None
    """Events that the endpoint had to refuse."""
    forged_accepted: int | None = None
    """Of those, answered 2xx and in the ledger."""
    forged_unanswered: int | None = None
    """Of those, in the ledger although the answer was not 2xx."""
    never_sent: int | None = None
    """In the ledger under the name of this run, but never sent by it."""
    examples: dict[str, list[int]] = msgspec.field(default_factory=dict)
    """For each figure the first indexes of the events that it counts."""


class RunResult(msgspec.Struct, frozen=True):
    """Everything that was measured in one run, and how it was judged."""

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
    """None when no receiver's ledger is configured."""
    validity: Validity
    verdict: VerdictRow
    duplicates: Duplicates | None = None
    """None when no event was sent in several copies."""
    retries: Retries | None = None
    """None when no retry profile was in force."""
    receiver: dict[str, Any] | None = None
    """The embedded receiver's own counts over the whole run, warm-up included; None for other targets."""
    generator_limits: GeneratorLimits | None = None
    """What the generator itself can do on the machine of the run, where that was measured."""
    by_case_part: dict[str, Totals] = msgspec.field(default_factory=dict)
    """For kinds of cases that have parts, such as one for each published key: each part. Their sum is in `by_case`."""
    windows: list[WindowCourse] = msgspec.field(default_factory=list)
    """The figures of the run's objectives over windows. They are counted apart from the series, whose slices get
    wider."""


class _Envelope(msgspec.Struct):
    """The key that identifies a stored result and its version."""

    schema: str


def dump_result(result: RunResult) -> bytes:
    """The stored form: indented JSON, one trailing newline."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"


def load_result(data: bytes, source: str) -> RunResult:
    """The result stored in `data`, also in an earlier schema; `source` is the file's name, for messages.

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
    if schema not in (SCHEMA, _FIRST_SCHEMA):
        raise UsageError(_foreign(source, schema))
    try:
        if schema == _FIRST_SCHEMA:
            document = from_first(msgspec.json.decode(data, type=dict[str, Any]))
            return msgspec.convert({**document, "schema": SCHEMA}, RunResult)
        return msgspec.json.decode(data, type=RunResult)
    except msgspec.ValidationError as error:
        raise UsageError(f"{source}: not a valid {schema}: {error}") from None


def _foreign(source: str, schema: str) -> str:
    name, _, age = SCHEMA.partition("/")
    theirs, _, their_age = schema.partition("/")
    if theirs == name and their_age.isdecimal() and int(their_age) > int(age):
        return f"{source}: written by a newer loadsim ({schema}, this one reads {SCHEMA}); update loadsim to read it"
    return f"{source}: its schema is {schema!r}, not {SCHEMA}; give the result.json of a run"

"""The stored result of a run, `result.json` (`"schema": "loadsim.result/2"`): measuring writes it, judging reads it.

The types here give every figure its key and its unit. A figure that is not known is None (null), never 0.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from loadsim.measure.older_results import from_first
from loadsim.measure.stored_json import UNREADABLE, stored_json
from loadsim.model import NS_PER_S, UsageError

SCHEMA = "loadsim.result/2"
_FIRST_SCHEMA = "loadsim.result/1"
_LONGEST_SCHEMA = 40


Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Figure = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
"""Counts and figures of a result: never negative, and never greater than any run could reach."""


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
    """Answers per second within the duration: `completed` without those in `after_end`."""
    success_rate: Figure | None
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
    """One slice of time. Latencies are those of the events due in it, rates those of the events that ended in it."""

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
    """Deliveries sent, including those that were followed by another attempt; None without retries."""


class SampleRow(msgspec.Struct, frozen=True):
    """An answer of the endpoint, kept as an example: one of the first of a failing status or error kind."""

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


class DeadlineCount(msgspec.Struct, frozen=True):
    """How many answers of recorded events came after a service time that some provider allows at most."""

    deadline_ns: Count
    past: Count = msgspec.field(name="late")


class Aborted(msgspec.Struct, frozen=True):
    """The run was ended early because an objective could not be met any more."""

    objective: str
    at_s: Figure
    """Since the start of the run."""
    why: str
    """In words, with figures."""


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
    left_out_s: Figure
    """Recorded time outside of whole windows."""
    at_most: list[Figure | None] = []
    """Where events were unfinished: the greatest that each value may really be, None without a bound. Empty: the values
    are exact."""


class RunInfo(msgspec.Struct, frozen=True):
    """Identity and settings of the run."""

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
    """How many hosts may be lost before the run is INVALID."""
    aborted: Aborted | None = None
    """None when no objective ended the run."""


class Environment(msgspec.Struct, frozen=True):
    """The machine and the software of the run."""

    python: str
    platform: str
    cpu_model: str
    cpu_count: Count
    packages: dict[str, str]


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


class ShortWindow(msgspec.Struct, frozen=True):
    """A window of recorded time in which less load was offered than planned: of the events `due` in it, only
    `released` were released within the width of a window."""

    t_s: Figure
    width_s: Figure
    due: Count
    released: Count


class WindowLook(msgspec.Struct, frozen=True):
    """One window of an objective in a second look.

    Of a latency: undisturbed events as an HDR V2 blob in us, and how many others were due in it. Of a count: how many
    disturbed events that its metric counts were due in it, how many failures that a pause may have brought about, and
    how long the generator was away, averaged over its processes.
    """

    t_s: Figure
    histogram: str
    disturbed: Count
    excused: Count = 0
    away_s: Figure = 0.0


class SecondLook(msgspec.Struct, frozen=True):
    """The run without the generator's own lateness: what a missed objective is judged by once more.

    Keys as in `RunResult.histograms`, tags in alphabetical order (`""`: all recorded events). `histograms`: undisturbed
    events, lag and receipt taken off, in us. `disturbed`: how many events beside them were disturbed by a pause.
    `excused`: failures that a pause may have brought about, by error kind.
    """

    histograms: dict[str, str]
    disturbed: dict[str, Count]
    excused: dict[str, dict[str, Count]]
    windows: dict[str, list[WindowLook]] = {}
    """By figure and width (`response: p(99) over 5s`), for the run's objectives on `response`, `service` and counts.
    Windows of counts in which nothing happened are left out."""
    touched_s: list[tuple[Figure, Figure]] = []
    """The stretches of time that a pause or its recovery touches (to the slice), since the start."""


class Limits(msgspec.Struct, frozen=True):
    """What limited the run."""

    connections: Count
    connections_peak: Count
    saturated_share: Figure | None
    """Share of recorded time in which all connections were busy and an event waited."""
    generator_cpu_share: Figure | None
    """The busiest shard's share of its core."""
    lag_p99_ms: Figure | None
    shortage: str = ""
    """The limit of descriptors or ports that kept the engine from opening all connections, in words with its figure. It
    makes the run INVALID."""
    away_s: Figure | None = None
    """Recorded time in which the generator did nothing at all (its pauses), averaged over its processes; None: not
    known."""
    pauses: Count = 0
    longest_pause_s: Figure = 0.0
    away_by_phase: dict[str, Figure] = {}
    """As `away_s`, in each phase that had a pause."""
    short: list[ShortWindow] = []
    """The windows in which less load was offered than planned, the first of them."""
    steal_share: Figure | None = None
    """Share of the processors' time that the hypervisor gave to others while the run went on; None: not known."""


class Validity(msgspec.Struct, frozen=True):
    """Whether the measurement is valid, and if not, why."""

    valid: bool
    reasons: list[str]
    warnings: list[str] = []
    """What should be known beside the verdict, and does not decide it."""


class ObjectiveRow(msgspec.Struct, frozen=True):
    """One objective and how it was judged."""

    text: str
    default: bool
    observed: Figure | None
    passed: bool | None
    ci95: tuple[Figure, Figure] | None = None
    needs_s: Figure | None = None
    """Without `ci95`: how long such a run would have to be for an interval; None: the figure never has one."""
    unit: str = ""
    note: str = ""
    at_least: bool = False
    """`observed` is a lower bound: it falls on events that were still under way at the end."""
    without_generator: Figure | None = None
    """The figure without the generator's own lateness, where the objective was missed and that is known."""


class VerdictRow(msgspec.Struct, frozen=True):
    """The verdict as stored."""

    outcome: Literal["pass", "fail", "invalid", "none"]
    objectives: list[ObjectiveRow]
    reading: Literal["point", "confident"] = "point"
    """How objectives were read (`--gate`): by the figure itself, or failed only when its whole interval is beyond the
    limit."""
    defaults: bool = True
    """Whether default objectives were added."""


class LagAtRate(msgspec.Struct, frozen=True):
    """The generator's lag at one rate, and the service times it measures at an endpoint that does nothing; ms."""

    rate: Figure
    lag_p50_ms: Figure | None
    lag_p99_ms: Figure | None
    service_p50_ms: Figure | None
    service_p99_ms: Figure | None


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
    paces: list[LagAtRate]


class DuplicateRow(msgspec.Struct, frozen=True):
    """Deliveries of duplicated events that came at one time relative to the first answer."""

    deliveries: Count
    status: dict[str, Count]
    errors: dict[str, Count]
    unfinished: Count
    p50_ms: Figure | None
    """Service time of the answered deliveries."""
    p99_ms: Figure | None


class Duplicates(msgspec.Struct, frozen=True):
    """Events that were sent as several identical deliveries at the same instant."""

    events: Count
    spread_p50_ms: Figure | None
    """From the first write call of the first copy to that of the last copy, over all events."""
    spread_p99_ms: Figure | None
    spread_max_ms: Figure | None
    first: DuplicateRow
    """The delivery of each event that was answered first."""
    same_time: DuplicateRow
    """Sent before that answer arrived: the endpoint was at work on the same event."""
    afterwards: DuplicateRow
    """Sent after that answer had arrived: the endpoint had the event already."""


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


class RetryTotals(msgspec.Struct, frozen=True):
    """How genuine events fared under a provider's retry profile, over the whole run, warm-up included."""

    profile: str
    title: str
    time_scale: Figure
    modelled: bool
    """The pauses between attempts are loadsim's: the provider publishes only their number and their total time."""
    retried: Count
    """Events that had to wait for another attempt."""
    attempts: Count
    """All deliveries, including the first of each event."""
    delivered: Count
    """Events that a later attempt delivered."""
    delivery_p50_ms: Figure | None
    """From the due time of such an event to its delivery, in the (scaled) time of the run."""
    delivery_p99_ms: Figure | None
    delivery_max_ms: Figure | None
    given_up: Count
    """Events whose last attempt failed."""
    cut_off: Count
    """Events that had another attempt to come when the endpoint was switched off."""
    no_room: Count
    """Events that were given up because too many were waiting already."""
    waiting: Count
    """Events that still waited for another attempt when the run was over; they are unfinished."""
    undelivered: Count
    """Events that became due while the endpoint was switched off, and were not sent."""
    in_doubt: Count
    """Attempts that were sent, not answered completely, and repeated: the endpoint may have those events twice."""
    base_rate: Figure | None
    """Events per second that became due, over the phases in which any did."""
    peak_rate: Figure | None
    """The most deliveries in any second."""
    peak_s: Figure | None
    backlog: Count
    """The most events that at one time had failed and were not yet delivered or given up."""
    backlog_s: Figure | None
    """When the backlog was last so large."""
    drain_s: Figure | None
    """Time from then until there was no backlog; None: it did not end."""
    off_s: Figure | None
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
    sent: Count | None = None
    """At least one byte of the event was handed to the kernel."""
    delivered: Count | None = None
    """Answered 2xx, and in the ledger."""
    unacknowledged: Count | None = None
    """In the ledger, and not answered 2xx: a provider would send them again."""
    refused: Count | None = None
    """Answered with another status than 2xx, and not in the ledger: both sides agree."""
    lost: Count | None = None
    """Not in the ledger, although no answer refused them: answered 2xx, or not at all."""
    acknowledged_not_received: Count | None = None
    """The part of `lost` that was answered 2xx."""
    duplicated: Count | None = None
    """In the ledger more often than they were sent (deliveries), or more than once (effects)."""
    reordered: Count | None = None
    """Arrived after an event that was due later (RFC 4737, 3.3). None: the order is not known."""
    reorder_extent: Count | None = None
    """The most places that such an event was behind the first event that overtook it (RFC 4737, 4.2.1)."""
    forged_sent: Count | None = None
    """Events that the endpoint had to refuse."""
    forged_accepted: Count | None = None
    """Of those, answered 2xx and in the ledger."""
    forged_unanswered: Count | None = None
    """Of those, in the ledger although the answer was not 2xx."""
    never_sent: Count | None = None
    """In the ledger under the name of this run, but never sent by it."""
    examples: dict[str, list[Count]] = msgspec.field(default_factory=dict)
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
    slice_s: Figure
    """Width of a series row."""
    series_histograms: dict[str, list[str | None]]
    """metric -> one HDR V2 blob per series row (None: no sample), in us; response and service. Where there were any,
    also of the events that were not answered 2xx (`response{status:not-2xx}`), and of those of them that were
    unfinished (`response{status:unfinished}`)."""
    histograms: dict[str, str]
    """`response`, or `response{event:TYPE}`, `{phase:NAME}`, `{case:NAME}`, `{status:2xx}`, `{phase:NAME,status:2xx}`
    -> HDR V2 compressed, base64, in us (`sign`: in ns). The status `unfinished` is of the lower bounds of events still
    under way at the end; a histogram without status holds those too."""
    samples: list[SampleRow]
    shards: list[ShardRow]
    limits: Limits
    reconciliation: Reconciliation | None
    """None when no receiver's ledger is configured."""
    validity: Validity
    verdict: VerdictRow
    duplicates: Duplicates | None = None
    """None when no event was sent in several copies."""
    retries: RetryTotals | None = None
    """None when no retry profile was in force."""
    receiver: dict[str, Any] | None = None
    """The embedded receiver's own counts over the whole run, warm-up included; None for other targets."""
    generator_limits: GeneratorLimits | None = None
    """What the generator itself can do on the machine of the run, where that was measured."""
    by_case_part: dict[str, Totals] = msgspec.field(default_factory=dict)
    """For kinds of cases that have parts, such as one for each published key: each part. Their sum is in `by_case`."""
    addresses: list[AddressRow] = msgspec.field(default_factory=list)
    """One row for each address of the endpoint; empty when it has one address only."""
    second_look: SecondLook | None = None
    """None in results of earlier versions: a missed objective has failed there."""
    windows: list[WindowCourse] = msgspec.field(default_factory=list)
    """The figures of the run's objectives over windows. They are counted apart from the series, whose slices get
    wider."""
    deadlines: list[DeadlineCount] | None = None
    """Exact, shortest deadline first; None in results of earlier versions."""


class _Envelope(msgspec.Struct):
    """The key that identifies a stored result and its version."""

    schema: str


def dump_result(result: RunResult) -> bytes:
    """The stored form: indented JSON, one trailing newline."""
    return stored_json(result)


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
    except UNREADABLE as error:
        raise UsageError(f"{source}: not a whole JSON file ({error}); was the run or a copy cut short?") from None
    if schema not in (SCHEMA, _FIRST_SCHEMA):
        raise UsageError(_foreign(source, schema))
    try:
        if schema == _FIRST_SCHEMA:
            document = from_first(msgspec.json.decode(data, type=dict[str, Any]))
            return msgspec.convert({**document, "schema": SCHEMA}, RunResult)
        return msgspec.json.decode(data, type=RunResult)
    except UNREADABLE as error:
        raise UsageError(f"{source}: not a valid {schema}: {error}") from None


def _foreign(source: str, schema: str) -> str:
    name, _, age = SCHEMA.partition("/")
    theirs, _, their_age = schema.partition("/")
    shown = schema if len(schema) <= _LONGEST_SCHEMA else f"{schema[:_LONGEST_SCHEMA]}…"
    if theirs == name and their_age.isascii() and their_age.isdecimal() and their_age.lstrip("0") != age:
        return f"{source}: written by a newer loadsim ({shown}, this one reads {SCHEMA}); update loadsim to read it"
    return f"{source}: its schema is {shown!r}, not {SCHEMA}; give the result.json of a run"

"""The stored result of a run, `result.json` (`"schema": "loadsim.result/2"`): measuring writes it, judging reads it.

The types here and in `result_events`, `result_deliveries`, `result_generator` and `result_verdict` give every figure
its key and its unit. A figure that is not known is None (null), never 0.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from loadsim.measure.older_results import from_first
from loadsim.measure.result_deliveries import Duplicates, Reconciliation, RetryTotals
from loadsim.measure.result_effects import EffectsFound
from loadsim.measure.result_events import (
    AddressRow,
    AfterPause,
    ConnectionRow,
    DeadlineCount,
    NamedEvent,
    SampleRow,
    SeriesRow,
    Totals,
    WindowCourse,
)
from loadsim.measure.result_generator import (
    GeneratorLimits,
    Limits,
    SecondLook,
    ShardRow,
)
from loadsim.measure.result_numbers import Count, Figure
from loadsim.measure.result_verdict import Aborted, Validity, VerdictRow
from loadsim.measure.result_watches import MovedWith, WatchSeries
from loadsim.measure.stored_json import UNREADABLE, shown_schema, stored_json, why_newer
from loadsim.model import UsageError

SCHEMA = "loadsim.result/2"
_FIRST_SCHEMA = "loadsim.result/1"
RESULT_FILE = "result.json"
"""Name of the file in a run's directory that holds its result."""


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
    """`open`: events are due at planned times. `closed`: each connection sends one after the other."""
    workers: Count
    interrupted: bool
    """It was ended by Ctrl-C or a signal."""
    scenario: dict[str, Any]
    """Resolved and redacted."""
    epoch_ms: int | None = None
    """Times in bodies start here, ms since 1970; None: at the wall clock."""
    allow_lost: Count = 0
    """How many hosts may be lost before the run is INVALID."""
    aborted: Aborted | None = None
    """None when no objective ended the run."""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    """As the user gave them (`--tag`)."""
    http: Literal["1.1", "2"] = "1.1"
    """The version of HTTP that was spoken."""
    scale: Figure = 1.0
    """By which the scenario was shortened (`--scale`); 1: it ran whole. `scenario` is the shortened one."""
    captures: dict[str, str] = msgspec.field(default_factory=dict)
    """Type of the `[[events]]` with recorded bodies -> a hash of their file's rows, in hex."""


class Environment(msgspec.Struct, frozen=True):
    """The machine and the software of the run."""

    python: str
    """Version."""
    platform: str
    """Operating system and architecture."""
    cpu_model: str
    """Name of the processor."""
    cpu_count: Count
    """Number of its cores."""
    packages: dict[str, str]
    """Name → version of the packages that matter."""
    compiled: bool = False
    """Whether all generator processes of a run had the compiled step of the hot path; of a study or a benchmark,
    whether its own process has it. It is in use as far as a run passes it."""


class RunResult(msgspec.Struct, frozen=True):
    """Everything that was measured in one run, and how it was judged."""

    schema: str
    run: RunInfo
    """Identity and settings."""
    environment: Environment
    totals: Totals
    """All recorded events."""
    by_event: dict[str, Totals]
    """The same by event type."""
    by_case: dict[str, Totals]
    """The same by kind of case: `genuine`, and the kinds of forged and duplicated events."""
    by_phase: dict[str, Totals]
    """The same by phase, also of phases that are not recorded."""
    series: list[SeriesRow]
    """One row for each slice of time."""
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
    """Examples of failing answers."""
    shards: list[ShardRow]
    """One row for each generator process."""
    limits: Limits
    """What limited the run."""
    reconciliation: Reconciliation | None
    """None when no receiver's ledger is configured."""
    validity: Validity
    """Whether the measurement can be trusted."""
    verdict: VerdictRow
    """How the run was judged."""
    duplicates: Duplicates | None = None
    """None when no event was sent in several copies."""
    retries: RetryTotals | None = None
    """None when no retry profile was in force."""
    effects: EffectsFound | None = None
    """None when the run did not watch its effects."""
    receiver: dict[str, Any] | None = None
    """The embedded receiver's own counts over the whole run, warm-up included; None for other targets."""
    generator_limits: GeneratorLimits | None = None
    """What the generator itself can do on the machine of the run, where that was measured."""
    by_case_part: dict[str, Totals] = msgspec.field(default_factory=dict)
    """For kinds of cases that have parts, such as one for each published key: each part. Their sum is in `by_case`."""
    addresses: list[AddressRow] = msgspec.field(default_factory=list)
    """One row for each address of the endpoint; empty when it has one address only."""
    connections: list[ConnectionRow] = msgspec.field(default_factory=list)
    """Over HTTP/2, where events share connections: the busiest of them, at most 100. Empty over HTTP/1.1."""
    second_look: SecondLook | None = None
    """None in results of earlier versions: a missed objective has failed there."""
    windows: list[WindowCourse] = msgspec.field(default_factory=list)
    """The figures of the run's objectives over windows. They are counted apart from the series, whose slices get
    wider."""
    deadlines: list[DeadlineCount] | None = None
    """Exact, shortest deadline first; None in results of earlier versions."""
    after_pause: list[AfterPause] = msgspec.field(default_factory=list)
    """The first events after each pause of the plan against those that follow; empty where it has none."""
    watches: list[WatchSeries] = msgspec.field(default_factory=list)
    """Figures of the endpoint's own, read beside the run; empty where none was watched."""
    moved_with: MovedWith | None = None
    """Which of them changed when latency or failures did; None where none was watched."""
    slowest: dict[str, list[NamedEvent]] = msgspec.field(default_factory=dict)
    """The slowest recorded events by `response` and by `service` time, the slowest first, at most 20 of each; without
    those that had to be refused. Empty in results of earlier versions."""
    failing: list[NamedEvent] = msgspec.field(default_factory=list)
    """The first event of each failing status or error kind of each kind of case, by due time. Where a refusal was due,
    every answer but 4xx fails."""


class _Envelope(msgspec.Struct):
    """The key that identifies a stored result and its version."""

    schema: str


def dump_result(result: RunResult) -> bytes:
    """The stored form: indented JSON, one trailing newline."""
    return stored_json(result)


def target_url(result: RunResult) -> str:
    """The URL that was tested, redacted, or `embedded`; empty where the stored scenario has none."""
    target = result.run.scenario.get("target")
    return str(target.get("url", "")) if isinstance(target, dict) else ""


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
    if newer := why_newer(schema, SCHEMA):
        return f"{source}: {newer}"
    return f"{source}: its schema is {shown_schema(schema)!r}, not {SCHEMA}; give the result.json of a run"

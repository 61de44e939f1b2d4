"""The types of a scenario file: names, types, ranges and defaults of all keys.

Rules between keys are in `scenario_rules`; `scenario_reading` reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from loadsim.model import NS_PER_MS, NS_PER_S, UsageError
from loadsim.plan.headers import Headers
from loadsim.plan.receiver_behaviour import Behaviour
from loadsim.plan.retry_schedule import Retry
from loadsim.plan.typed_document import Duration, Rate, Size, write

CUSTOM_SCHEME = "custom"
"""The scheme that `[target.custom]` describes."""
EMBEDDED = "embedded"
"""The URL that means the companion receiver, started beside the run."""
DEFAULT_TIMEOUT_NS = 10 * NS_PER_S

Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""A share of all events of a phase."""
Expectation = Literal["accept", "refuse"]
"""The expected answer: 2xx (`accept`) or 400-499 (`refuse`)."""


class ScenarioError(UsageError):
    """A scenario is wrong: `FILE: key.path: reason`, one line."""

    def __init__(self, source: str, key: str, reason: str) -> None:
        super().__init__(f"{source}: {key}: {reason}" if key else f"{source}: {reason}")
        self.source = source
        self.key = key
        self.reason = reason


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoint and the connection to it. `timeout` in ns. `headers` may hold `env:NAME` in place of a value."""

    url: str
    scheme: str = "trackpilots"
    custom: dict[str, Any] | None = None
    """The description of the signature scheme where `scheme` is "custom"."""
    secret_env: str | None = None
    secret_file: str | None = None
    old_secret_env: str | None = None
    """The variable of the old secret, for phases with `secrets = "old"` or `"both"`."""
    old_secret_file: str | None = None
    public_url: str | None = None
    connections: Count = 256
    timeout: Duration = DEFAULT_TIMEOUT_NS
    drain: Duration | None = None
    """Time in ns for events in flight to end after the load (default: `timeout`); 0: none."""
    reuse: Count | None = None
    """Close a connection after this many requests; None: never."""
    overflow: Literal["queue", "drop"] = "queue"
    headers: Headers = msgspec.field(default_factory=dict)
    """A list of values is sent as one line each."""
    trace_header: bool = True
    preflight: bool = True
    transport: Literal["direct", "aiohttp"] = "direct"
    connect_to: str | None = None
    """`HOST:PORT` to connect to in place of the URL's; the Host header and TLS keep the URL's name."""
    unix: str | None = None
    """Path of a unix socket to connect to in place of the URL's host."""
    proxy: str | None = None
    """URL of an HTTP proxy; goes with the aiohttp transport, which it selects."""
    insecure: bool = False
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    key_password_env: str | None = None
    """The environment variable that holds the pass phrase of the private key, where it has one."""
    ledger: str | None = None
    """URL of the receiver's ledger, see `measure.ledger_document`; that of the embedded receiver is known."""


class EventMix(msgspec.Struct, frozen=True, kw_only=True):
    """One event type, its share of the events (`weight`, relative) and what its body carries."""

    type: str
    weight: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    simulation: bool = True
    image: str = "placeholder"
    """`placeholder`, `buffer:SIZE` or `base64:SIZE`."""
    set: dict[str, Any] = msgspec.field(default_factory=dict)
    """Dotted path in the body → JSON value."""
    payloads: str | None = None
    """A file of recorded bodies to send; `type` is then any name."""


class Phase(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A part of the run: open (`rate`, or `from`/`to`) or closed (`connections`). `duration` and `burst` in ns."""

    name: str
    duration: Duration | None = None
    rate: Rate | None = None
    from_: Rate | None = None
    to: Rate | None = None
    arrivals: str = "constant"
    """The arrival process of an open phase, one of `arrivals.PROCESSES`."""
    burst: Duration | None = None
    """The period of `arrivals = "burst"`; default: one second."""
    speed: float | None = None
    """The factor by which events of `arrivals = "recorded"` are faster than recorded."""
    connections: Count | None = None
    events: Count | None = None
    """A closed phase ends after this many events, or after its duration, whichever comes first."""
    record: bool = True
    secrets: Literal["old", "both", "new"] = "new"
    """The secret that signs. "both": two signatures where the scheme has a list of them, else alternately."""
    shares: dict[str, Share] = msgspec.field(default_factory=dict)
    """Kind of case → its share in this phase, in place of the one in `[[cases]]`."""

    @property
    def model(self) -> Literal["open", "closed"]:
        """Open: events are due by the plan. Closed: as many in flight as there are connections."""
        return "closed" if self.connections is not None else "open"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of forged or unusual request, its share of all events and the expected answer.

    The `CaseRule` of a kind has its further keys and their defaults.
    """

    kind: str
    share: Share
    expect: Expectation | None = None
    by: Duration | None = None
    """Difference of the timestamp from now."""
    size: Size | None = None
    """A body limit of the endpoint."""
    copies: Annotated[int, msgspec.Meta(ge=2, le=100)] | None = None


@dataclass(frozen=True, slots=True)
class CaseRule:
    """The rule of a kind of case: the expected answer by default, and its further keys with their defaults."""

    expect: Expectation
    options: Mapping[str, int] = field(default_factory=dict)


class ObjectiveRule(msgspec.Struct, frozen=True, kw_only=True):
    """An objective with options. `abort`: end the run as soon as it cannot be met any more."""

    objective: str
    abort: bool = False


class ValidityRules(msgspec.Struct, frozen=True, kw_only=True):
    """When the measurement itself is not to be trusted. `lag`, in ns: a generator that did nothing for longer was away,
    and an event that was released later than that was late."""

    lag: Duration = 10 * NS_PER_MS


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A complete, validated scenario. It has everything about a run except clock and secrets; the seed is optional."""

    name: str
    target: Target
    phases: tuple[Phase, ...]
    events: tuple[EventMix, ...] = ()
    objectives: tuple[str | ObjectiveRule, ...] = ()
    cases: tuple[Case, ...] = ()
    validity: ValidityRules = ValidityRules()
    receiver: Behaviour | None = None
    """The behaviour of the embedded receiver."""
    retry: Retry | None = None
    """The retries of failed deliveries; None: none, and every event is one delivery."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    outcomes: bool = False
    """Save the outcome of every event with the result, for `loadsim reconcile`."""

    @property
    def has_ledger(self) -> bool:
        """Whether the receiver's ledger can be read at the end of the run."""
        return self.target.ledger is not None or (self.target.url == EMBEDDED and self.target.trace_header)

    def document(self) -> dict[str, Any]:
        """The scenario as JSON carries it: the file's keys and units, with all defaults, without absent keys.

        `from_document` is its inverse. Header values are as given: see `redacted` before showing it.
        """
        document: dict[str, Any] = write(self)
        return document

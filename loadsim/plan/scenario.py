"""What a scenario says: the shape of the file, key by key, with its defaults.

Decides names, types, ranges and defaults of every key. Rules between keys are in `rules`, reading a file in `reading`.
Knows no event type, signature scheme or case by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from loadsim.model import NS_PER_MS, NS_PER_S, UsageError
from loadsim.plan.behaviour import Behaviour
from loadsim.plan.headers import Headers
from loadsim.plan.retry import Retry
from loadsim.plan.shape import Duration, Rate, Size, write

CUSTOM_SCHEME = "custom"
"""The scheme that `[target.custom]` describes."""
EMBEDDED = "embedded"
"""The url that stands for the companion receiver, started beside the run."""
DEFAULT_TIMEOUT_NS = 10 * NS_PER_S

Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""Of all events of a phase."""
Expectation = Literal["accept", "refuse"]
"""What an endpoint owes a request: an answer of 2xx, or one of 400-499."""


class ScenarioError(UsageError):
    """A scenario is wrong: `FILE: key.path: reason`, one line."""

    def __init__(self, source: str, key: str, reason: str) -> None:
        super().__init__(f"{source}: {key}: {reason}" if key else f"{source}: {reason}")
        self.source = source
        self.key = key
        self.reason = reason


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoint and how it is spoken to. `timeout` in ns. `headers` may hold `env:NAME` in place of a value."""

    url: str
    scheme: str = "trackpilots"
    custom: dict[str, Any] | None = None
    """The description of the signature scheme where `scheme` is "custom"."""
    secret_env: str | None = None
    secret_file: str | None = None
    old_secret_env: str | None = None
    """The secret that is rotated out, for phases with `secrets = "old"` or `"both"`."""
    old_secret_file: str | None = None
    public_url: str | None = None
    connections: Count = 256
    timeout: Duration = DEFAULT_TIMEOUT_NS
    drain: Duration | None = None
    """How long, in ns, what is under way when the load ends may still take (default: `timeout`); 0 ends it at once."""
    reuse: Count | None = None
    """Close a connection after so many requests; None keeps it."""
    overflow: Literal["queue", "drop"] = "queue"
    headers: Headers = msgspec.field(default_factory=dict)
    """A list of values is sent as so many lines."""
    trace_header: bool = True
    preflight: bool = True
    transport: Literal["direct", "aiohttp"] = "direct"
    connect_to: str | None = None
    """`HOST:PORT` to connect to in place of the URL's; the Host header and TLS keep the URL's name."""
    unix: str | None = None
    """Path of a unix socket to connect to in place of the URL's host."""
    proxy: str | None = None
    """URL of an HTTP proxy; goes with the aiohttp transport, which it brings along."""
    insecure: bool = False
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    key_password_env: str | None = None
    """The environment variable that holds the pass phrase of the private key, where it has one."""
    ledger: str | None = None
    """URL of the receiver's books, see `measure.ledger`; the embedded receiver's are found without."""


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
    """A file of recorded bodies to send in place of made ones; `type` is then any name."""


class Phase(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A stretch of the run: open (`rate`, or `from`/`to`) or closed (`connections`). `duration` and `burst` in ns."""

    name: str
    duration: Duration | None = None
    rate: Rate | None = None
    from_: Rate | None = None
    to: Rate | None = None
    arrivals: str = "constant"
    """The arrival process of an open phase, one of `arrivals.PROCESSES`."""
    burst: Duration | None = None
    """The period of `arrivals = "burst"`; one second unless given."""
    speed: float | None = None
    """How many times as fast as they were recorded events of `arrivals = "recorded"` are due."""
    connections: Count | None = None
    events: Count | None = None
    """A closed phase ends after so many events, if its duration has not ended it before."""
    record: bool = True
    secrets: Literal["old", "both", "new"] = "new"
    """Which secret signs. "both": two signatures where the scheme has a list of them, else by turns."""
    shares: dict[str, Share] = msgspec.field(default_factory=dict)
    """Kind of case → its share in this phase, in place of the one in `[[cases]]`."""

    @property
    def model(self) -> Literal["open", "closed"]:
        """Open: events are due by the plan. Closed: as many in flight as there are connections."""
        return "closed" if self.connections is not None else "open"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A forged or awkward kind of request, its share of all events and what the endpoint owes it.

    Which of the further keys a kind has, and their defaults, is its `CaseRule`.
    """

    kind: str
    share: Share
    expect: Expectation | None = None
    by: Duration | None = None
    """How far a timestamp lies from now."""
    size: Size | None = None
    """A body limit of the endpoint."""
    copies: Annotated[int, msgspec.Meta(ge=2, le=100)] | None = None


@dataclass(frozen=True, slots=True)
class CaseRule:
    """What the caller knows of a kind of case: the expectation by default, and its further keys with their defaults."""

    expect: Expectation
    options: Mapping[str, int] = field(default_factory=dict)


class ObjectiveRule(msgspec.Struct, frozen=True, kw_only=True):
    """An objective with more to say than its text. `abort`: end the run as soon as it can no longer hold."""

    objective: str
    abort: bool = False


class ValidityRules(msgspec.Struct, frozen=True, kw_only=True):
    """When the measurement itself is not to be trusted. `lag`: the most that p99 of our own lateness may be, in ns."""

    lag: Duration = 10 * NS_PER_MS


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A whole scenario, validated: everything about a run but its seed (unless given), its clock and its secrets."""

    name: str
    target: Target
    phases: tuple[Phase, ...]
    events: tuple[EventMix, ...] = ()
    objectives: tuple[str | ObjectiveRule, ...] = ()
    cases: tuple[Case, ...] = ()
    validity: ValidityRules = ValidityRules()
    receiver: Behaviour | None = None
    """How the embedded receiver behaves."""
    retry: Retry | None = None
    """How deliveries that fail are made again; None: never, and every event is one delivery."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    outcomes: bool = False
    """Keep what became of every event with the result, for `loadsim reconcile`."""

    @property
    def has_ledger(self) -> bool:
        """Whether the receiver's books can be had when the run is over."""
        return self.target.ledger is not None or (self.target.url == EMBEDDED and self.target.trace_header)

    def document(self) -> dict[str, Any]:
        """The scenario as JSON carries it: the file's keys and units, every default spelled out, absent keys left out.

        `from_document` is its inverse. Header values stand as they were given: see `redacted` before showing it.
        """
        document: dict[str, Any] = write(self)
        return document

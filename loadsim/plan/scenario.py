"""The types of a scenario file: names, types, ranges and defaults of all keys.

Rules between keys are in `scenario_rules`; `scenario_reading` reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from loadsim.model import NS_PER_MS, NS_PER_S, UsageError
from loadsim.plan.effects import Effects
from loadsim.plan.headers import Headers
from loadsim.plan.receiver_behaviour import Behaviour
from loadsim.plan.retry_schedule import Retry
from loadsim.plan.trace import Trace
from loadsim.plan.typed_document import Duration, Rate, Size, write
from loadsim.plan.watches import Watch

CUSTOM_SCHEME = "custom"
"""The scheme that `[target.custom]` describes."""
EMBEDDED = "embedded"
"""The URL that means the companion receiver, started beside the run."""
DEFAULT_TIMEOUT_NS = 10 * NS_PER_S

Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""A share of all events of a phase."""
HttpVersion = Literal["1.1", "2"]
"""What is spoken to an endpoint."""
Http = Literal["1.1", "2", "auto"]
"""What may be spoken; `auto`: what the endpoint prefers."""
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
    """The endpoint and the connections to it."""

    url: str
    """Where events are posted, or "embedded": the companion receiver, started beside the run. For example
    `"https://example.test/webhooks/trackpilots"`."""
    scheme: str = "trackpilots"
    """The signature scheme, or "custom" with a `[target.custom]`. For example `"stripe"`."""
    custom: dict[str, Any] | None = None
    """The description of your own signature scheme. For example `{ headers = ["X-Signature: {signature}"], signed =
    "{body}" }`."""
    secret_env: str | None = None
    """The environment variable that holds the secret (default: the scheme's own). For example
    `"STAGING_WEBHOOK_SECRET"`."""
    secret_file: str | None = None
    """The file that holds the secret, in place of a variable. For example `"/run/secrets/webhook"`."""
    old_secret_env: str | None = None
    """The variable of the old secret, for phases with `secrets = "old"` or `"both"`. For example
    `"OLD_WEBHOOK_SECRET"`."""
    old_secret_file: str | None = None
    """The file of the old secret, in place of a variable. For example `"/run/secrets/old-webhook"`."""
    public_url: str | None = None
    """The URL that the provider has stored, for schemes that sign it, where a proxy changes it (default: `url`). For
    example `"https://hooks.example.test/square"`."""
    connections: Count = 256
    """Most connections of an open phase, of all workers together. For example `64`."""
    timeout: Duration = DEFAULT_TIMEOUT_NS
    """Longest time of an event from its connection to the last byte of its answer; with `[retry]` by default the
    provider's deadline."""
    drain: Duration | None = None
    """Time for events in flight to end after the load (default: `timeout`); 0s: none. For example `"2s"`."""
    reuse: Count | None = None
    """Close a connection after this many events (default: never). For example `1`."""
    overflow: Literal["queue", "drop"] = "queue"
    """What becomes of an event that finds no free connection: it waits, or is not sent and makes the run INVALID."""
    headers: Headers = msgspec.field(default_factory=dict)
    """Further headers by name. "env:NAME" reads a variable; of a list each value is a line of its own. For example
    `{ Authorization = "env:MY_TOKEN" }`."""
    trace_header: bool = True
    """Send `X-Loadsim-Id`, which names the event. A ledger needs it."""
    preflight: bool = True
    """Check before the run that the endpoint can be connected to."""
    http: Http = "1.1"
    """The version of HTTP. `2` needs the extra http2; over http:// the endpoint must speak it from the start (prior
    knowledge). `auto` takes HTTP/2 where an https:// endpoint offers it (ALPN). For example `"2"`."""
    streams: Count | None = None
    """Events in flight that share one connection over HTTP/2 (default: what the endpoint allows, at most 100). For
    example `10`."""
    transport: Literal["direct", "aiohttp"] = "direct"
    """What sends: loadsim's own transport, or aiohttp (for proxies and other platforms)."""
    connect_to: str | None = None
    """`HOST:PORT` to connect to in place of the URL's; the Host header and TLS keep the URL's name. For example
    `"10.0.0.7:443"`."""
    unix: str | None = None
    """Path of a unix socket to connect to in place of the URL's host. For example `"/run/app.sock"`."""
    proxy: str | None = None
    """URL of an HTTP proxy; goes with the aiohttp transport, which it selects. For example
    `"http://proxy.example.test:3128"`."""
    insecure: bool = False
    """Do not verify the TLS certificate."""
    cacert: str | None = None
    """The file of a CA certificate to trust. For example `"ca.pem"`."""
    cert: str | None = None
    """The file of a client certificate. For example `"client.pem"`."""
    key: str | None = None
    """The file of the client certificate's private key. For example `"client.key"`."""
    key_password_env: str | None = None
    """The environment variable that holds the pass phrase of the private key, where it has one. For example
    `"CLIENT_KEY_PASSWORD"`."""
    ledger: str | None = None
    """URL of the receiver's ledger; that of the embedded receiver is known. For example
    `"http://127.0.0.1:8081/ledger"`."""


class EventMix(msgspec.Struct, frozen=True, kw_only=True):
    """One event type, its share of the events and what its body carries. Without any, all types of the scheme are sent
    equally often."""

    type: str
    """The event type. For example `"desktop.app_tracking.captured"`."""
    weight: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """The share of this type, relative to the weights of the others. For example `3`."""
    simulation: bool = True
    """Whether Trackpilots events say `"simulation": true`."""
    image: str = "placeholder"
    """The image of a screenshot event: `placeholder`, `buffer:SIZE` or `base64:SIZE`. For example `"base64:64KB"`."""
    set: dict[str, Any] = msgspec.field(default_factory=dict)
    """Values in the body, by dotted path. For example `{ "data.0.user.userId" = "u-1" }`."""
    payloads: str | None = None
    """A file of recorded bodies to send; `type` is then any name. For example `"recorded.ndjson"`."""


class Phase(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A part of the run: open (`rate`, or `from` and `to`) or closed (`connections`)."""

    name: str = ""
    """The phase in reports and in objectives (`{phase:NAME}`; default: `phase-1` for the first one, and so on). For
    example `"busy hour"`."""
    duration: Duration | None = None
    """How long it lasts. An open phase needs it; a closed one needs it or `events`. For example `"30s"`."""
    rate: Rate | None = None
    """Events per second, minute or hour, of all workers together. For example `"200/s"`."""
    from_: Rate | None = None
    """The rate at the start of a ramp, in place of `rate`. For example `"10/s"`."""
    to: Rate | None = None
    """The rate at the end of a ramp. For example `"500/s"`."""
    arrivals: str = "constant"
    """When events are due: "constant", "poisson" (random, independent), "burst" or "recorded" (as the rows of a capture
    were). For example `"poisson"`."""
    burst: Duration | None = None
    """The period of `arrivals = "burst"` (default: one second): all its events are due at its start. For example
    `"5s"`."""
    speed: float | None = None
    """The factor by which events of `arrivals = "recorded"` are faster than recorded (default: 1). For example `10`."""
    max_gap: Duration | None = None
    """The longest gap between two recorded arrivals: a longer one is shortened to it, before `speed` (default: gaps
    stay). For example `"2s"`."""
    connections: Count | None = None
    """Events in flight at all times: makes the phase closed. For example `20`."""
    events: Count | None = None
    """A phase ends after this many events, or after its duration, whichever comes first. For example `1000`."""
    record: bool = True
    """Whether the phase counts. A warm-up (false) is sent and shown, but not judged."""
    secrets: Literal["old", "both", "new"] = "new"
    """The secret that signs. "both": two signatures where the scheme has a list of them, else alternately."""
    shares: dict[str, Share] = msgspec.field(default_factory=dict)
    """Kind of case and its share in this phase, in place of the one in `[[cases]]`. For example `{ wrong_secret = "50%"
    }`."""

    @property
    def model(self) -> Literal["open", "closed"]:
        """Open: events are due by the plan. Closed: as many in flight as there are connections."""
        return "closed" if self.connections is not None else "open"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of forged or unusual request, its share of all events and the expected answer.

    The `CaseRule` of a kind has its further keys and their defaults.
    """

    kind: str
    """What is unusual. For example `"wrong_secret"`."""
    share: Share
    """The share of all events; a phase may have its own in `shares`. For example `"1%"`."""
    expect: Expectation | None = None
    """The answer that is right: 2xx, or 400-499 (default: by the kind)."""
    by: Duration | None = None
    """Difference of the timestamp from now, of the kinds about timestamps. For example `"6m"`."""
    size: Size | None = None
    """A body limit of the endpoint, of the kinds about body sizes. For example `"1MB"`."""
    copies: Annotated[int, msgspec.Meta(ge=2, le=100)] | None = None
    """How many identical deliveries are sent at once, of the kind "duplicate". For example `2`."""


@dataclass(frozen=True, slots=True)
class CaseRule:
    """The rule of a kind of case: the expected answer by default, and its further keys with their defaults."""

    expect: Expectation
    options: Mapping[str, int] = field(default_factory=dict)


class ObjectiveRule(msgspec.Struct, frozen=True, kw_only=True):
    """An objective with options."""

    objective: str
    """The limit. For example `"p(99) < 250ms over 10s"`."""
    abort: bool = False
    """End the run as soon as the objective cannot be met any more."""


class ValidityRules(msgspec.Struct, frozen=True, kw_only=True):
    """When the measurement itself is not to be trusted."""

    lag: Duration = 10 * NS_PER_MS
    """A generator that did nothing for longer was away, and an event that was released later than that was late."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a run except clock and secrets; complete and validated."""

    name: str = ""
    """The run in reports and in the name of its directory (default: the name of the file without `.toml`). For example
    `"orders"`."""
    target: Target
    """The endpoint and the connections to it."""
    phases: tuple[Phase, ...]
    """The parts of the run, one after the other."""
    events: tuple[EventMix, ...] = ()
    """The mix of event types (default: all types of the scheme, equally often)."""
    objectives: tuple[str | ObjectiveRule, ...] = ()
    """The limits that the run is judged by, as texts or as tables. For example `["p(95) < 250ms"]`."""
    cases: tuple[Case, ...] = ()
    """Forged and unusual requests among the events."""
    validity: ValidityRules = ValidityRules()
    """When the measurement itself is not to be trusted."""
    receiver: Behaviour | None = None
    """The behaviour of the embedded receiver; goes with `url = "embedded"`."""
    retry: Retry | None = None
    """The retries of failed deliveries (default: none, and every event is one delivery)."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    """The same seed gives the same events (default: random). For example `7`."""
    effects: Effects | None = None
    """Where the effects of events can be seen: what the endpoint does for them after its answer."""
    watch: tuple[Watch, ...] = ()
    """Figures of the endpoint's own that are read beside the run."""
    trace: Trace | None = None
    """The header `traceparent` on every delivery (default: none)."""
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

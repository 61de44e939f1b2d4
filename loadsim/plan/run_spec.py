"""A run as one value: made once by `run.spec_of_options`, changed only by `msgspec.structs.replace`, sent to all
shards.

Command line, dashboard, studies and cluster all use it. Objects of a run in progress (launcher, logs) are not part of
it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from loadsim.model import Capture, Objective, Secret
from loadsim.plan.cluster import Cluster
from loadsim.plan.headers import Headers
from loadsim.plan.plan import Plan
from loadsim.plan.redact import from_environment
from loadsim.plan.scenario import HttpVersion, Scenario

GateMode = Literal["point", "confident"]
"""Whether an objective fails by its figure, or only with the whole confidence interval of it."""
FRAME_S = 1.0
"""Seconds between two frames of a shard."""
MOST_WORKERS = 256


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of a run: its load and how it is judged. Raises ValueError for impossible values.

    Its `repr` names the run and shows nothing else: headers and URLs may hold credentials.
    """

    scenario: Scenario
    """The scenario as given: the target may be `embedded`, and values of its headers may be `env:NAME`."""
    seed: int
    run_id: str = ""
    url: str | None = None
    """Where events are posted; None: at the target's own URL."""
    headers: Headers | None = None
    """The target's headers with the values of variables inserted; None: as in the scenario."""
    http: HttpVersion | None = None
    """What the endpoint agreed to speak, where the target leaves that to it; None: not asked yet."""
    secret: Secret | None = None
    """None: each shard reads its secrets, and the variables of headers, where it runs (see `run.run_secrets`)."""
    old_secret: Secret | None = None
    """The old secret of a rotation, where events are signed with it."""
    key_password: Secret | None = None
    """The pass phrase of the client key."""
    epoch_ns: int | None = None
    """Start of the times in bodies, ns since 1970; None: real times."""
    recorded: dict[str, Capture] = msgspec.field(default_factory=dict)
    """The captures, by the type of their `[[events]]`."""
    pace: tuple[int, ...] = ()
    """The recorded times of the capture's rows, ns since the first, for recorded arrivals."""
    scale: float = 1.0
    """The part of the scenario's own length that this run has; `scenario` is the shortened one."""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    """What the user wants to know of the run later."""
    objectives: tuple[Objective, ...] = ()
    gate: GateMode = "point"
    defaults: bool = True
    """Default objectives are among `objectives` unless those name their figures."""
    workers: int = 1
    """Generator processes on this machine, where there is no cluster."""
    cluster: Cluster | None = None
    raw: bool = False
    """Save one line for every delivery."""
    outcomes: bool = False
    """Save the outcome of every event with the result, to be reconciled later."""
    noted: bool = False
    """Whether shards report the outcome of every delivery, for the file or for the receiver's ledger."""
    watches_effects: bool = False
    """Whether shards report when each delivery was due and ended, so that effects can be compared with it."""
    otlp: str | None = None
    """The collector that gets metrics and spans of the run while it goes on (OTLP over HTTP)."""
    out: Path = Path("reports")
    """The directory for results."""
    drawn: bool = True
    """Also write reports; studies of many runs store only the results."""
    frame_s: Annotated[float, msgspec.Meta(gt=0)] = FRAME_S
    """Seconds between two frames of a shard: the shortest time between two updates of a live view."""

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 64:
            raise ValueError(f"a seed lies between 0 and 2**64 - 1, not {self.seed}")
        if not 0 < self.scale <= 1:
            raise ValueError(f"a scale is more than 0 and at most 1, not {self.scale}")
        if not 1 <= self.workers <= MOST_WORKERS:
            raise ValueError(f"from 1 to {MOST_WORKERS} workers, not {self.workers}")
        if not self.frame_s > 0:
            raise ValueError(f"the time between frames must be more than 0, not {self.frame_s} s")

    def __repr__(self) -> str:
        return f"<RunSpec {self.run_id or self.scenario.name}>"

    @property
    def fired(self) -> Scenario:
        """The scenario for the shards: with the real URL and headers, and without `[receiver]`."""
        target = self.scenario.target
        headers = target.headers if self.headers is None else self.headers
        http = self.http or target.http
        target = msgspec.structs.replace(target, url=self.url or target.url, headers=headers, http=http)
        return msgspec.structs.replace(self.scenario, target=target, receiver=None, effects=None, watch=())

    @property
    def hidden(self) -> frozenset[str]:
        """Lower-case names of the headers whose values come from the environment: they are masked in samples."""
        return from_environment(self.scenario.target.headers)

    @property
    def sends_spans(self) -> bool:
        """Whether shards report the rows of sampled deliveries, so that their spans can be sent to a collector."""
        return self.otlp is not None and self.scenario.trace is not None

    @property
    def allow_lost(self) -> int:
        """Number of hosts that may be lost without making the run INVALID."""
        return 0 if self.cluster is None else self.cluster.allow_lost

    def plan(self) -> Plan:
        """When each event is due, and what it is. Its target has the real URL and headers: see `shown_plan`."""
        return Plan(self.fired, self.seed, self.pace, self.recorded)

    def shown_plan(self) -> Plan:
        """The same of the scenario as it was asked for, to be shown to whoever asked."""
        return Plan(self.scenario, self.seed, self.pace, self.recorded)

"""A run as one value: made once, by `run.compose`, changed by `msgspec.structs.replace` alone, and sent to every shard
as it is.

Command line, page, studies and cluster use nothing else. What a run only has while it goes on (launcher, logs) is no
part of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from loadsim.model import Objective, RecordedEvent, Secret
from loadsim.plan.cluster import Cluster
from loadsim.plan.headers import Headers
from loadsim.plan.plan import Plan
from loadsim.plan.redact import from_environment
from loadsim.plan.scenario import Scenario

GateMode = Literal["point", "confident"]
"""Whether an objective fails by its figure, or only with the whole confidence interval of it."""
FRAME_S = 1.0
"""Seconds between two frames of a shard."""
MOST_WORKERS = 256


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides what a run fires and how it is judged. Raises ValueError for values that no run can have.

    Its `repr` names the run and shows nothing else: headers and URLs may hold credentials.
    """

    scenario: Scenario
    """As it was asked for: the target may be `embedded`, and values of its headers may be `env:NAME`."""
    seed: int
    run_id: str = ""
    url: str | None = None
    """Where events are posted; None: at the target's own URL."""
    headers: Headers | None = None
    """The target's headers with the values of variables put in; None: as they stand in the scenario."""
    secret: Secret | None = None
    """None: each shard reads its secrets, and the variables of headers, where it runs (see `run.keys`)."""
    old_secret: Secret | None = None
    """The one that is rotated out, where events are signed with it."""
    key_password: Secret | None = None
    """Of the client key."""
    epoch_ns: int | None = None
    """Where the times in bodies begin, ns since 1970; None: they are the real ones."""
    recorded: dict[str, tuple[RecordedEvent, ...]] = msgspec.field(default_factory=dict)
    """The captures of event types that are sent from one."""
    pace: tuple[int, ...] = ()
    """When the rows of the capture were recorded, ns since the first, where arrivals are as recorded."""
    objectives: tuple[Objective, ...] = ()
    gate: GateMode = "point"
    workers: int = 1
    """Generator processes on this machine, where there is no cluster."""
    cluster: Cluster | None = None
    raw: bool = False
    """Keep one line for every delivery."""
    outcomes: bool = False
    """Keep what became of every event with the result, to be reconciled later."""
    noted: bool = False
    """Shards say what became of every delivery: where somebody asks, for the file or for the receiver's ledger."""
    out: Path = Path("reports")
    """Where the directory of the result is made."""
    drawn: bool = True
    """Also write what is drawn from the result; a study of many runs keeps the results alone."""
    frame_s: Annotated[float, msgspec.Meta(gt=0)] = FRAME_S
    """Seconds between two frames of a shard: how often a live view learns something new."""

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 64:
            raise ValueError(f"a seed lies between 0 and 2**64 - 1, not {self.seed}")
        if not 1 <= self.workers <= MOST_WORKERS:
            raise ValueError(f"from 1 to {MOST_WORKERS} workers, not {self.workers}")
        if not self.frame_s > 0:
            raise ValueError(f"the time between frames must be more than 0, not {self.frame_s} s")

    def __repr__(self) -> str:
        return f"<RunSpec {self.run_id or self.scenario.name}>"

    @property
    def fired(self) -> Scenario:
        """The scenario as shards fire it: with the real URL and headers, and without orders for a receiver."""
        target = self.scenario.target
        headers = target.headers if self.headers is None else self.headers
        target = msgspec.structs.replace(target, url=self.url or target.url, headers=headers)
        return msgspec.structs.replace(self.scenario, target=target, receiver=None)

    @property
    def hidden(self) -> frozenset[str]:
        """Lower-case names of the headers whose values come from the environment: no sample shows them."""
        return from_environment(self.scenario.target.headers)

    @property
    def allow_lost(self) -> int:
        """So many hosts may be lost without making the run INVALID."""
        return 0 if self.cluster is None else self.cluster.allow_lost

    def plan(self) -> Plan:
        """When each event is due, and what it is."""
        return Plan(self.fired, self.seed, self.pace)

"""The figures of a running run, for the live view. `launch` fills these types and `report` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from loadsim.measure.hdr import Ints


@dataclass(frozen=True)
class Latencies:
    """Response times and lag over all shards, in ms, also from very few samples: a live view is not a verdict."""

    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    lag_p99_ms: float | None = None


@dataclass(frozen=True)
class HostProgress:
    """One host of a cluster at one moment."""

    name: str
    done: int
    in_flight: int
    p50_ms: float | None
    """Of the last second, like `p99_ms`."""
    p99_ms: float | None
    lost: bool


class EffectCounts(NamedTuple):
    """The effects of a run at one moment."""

    acknowledged: int
    done: int
    """Of those."""
    backlog: int
    waited_s: float | None = None
    """Since the end of the load, while the run waits for effects; None before and after."""
    wait_s: float = 0.0
    """The longest that it waits for them."""


@dataclass(frozen=True)
class Progress:
    """The run at one moment."""

    elapsed_s: float
    planned: int
    sent: int
    done: int
    in_flight: int
    queued: int
    connections: int
    succeeded: int
    failed_status: int
    """Answers other than 2xx."""
    errors: int
    rate_done: float
    """Events per second that ended, over the last second."""
    last_second: Latencies
    """Latencies in the latest frames, which cover about a second."""
    total: Latencies
    """The same figures since the start of the run."""
    rate_planned: float = 0.0
    """Events per second that became due in the last second; `rate_sent` likewise."""
    rate_sent: float = 0.0
    failures: tuple[tuple[str, int], ...] = ()
    """Counts of each status other than 2xx and each error kind, the most frequent first."""
    rates: tuple[float, ...] = ()
    """`rate_done` of the seconds before, the latest last."""
    lost_shards: tuple[int, ...] = ()
    as_of_s: float = 0.0
    """The time of the counts in the run, on the shards' own clocks: the mean over their latest frames."""
    hosts: tuple[HostProgress, ...] = ()
    """The first hosts of a cluster, lost ones before the others; empty for a run on this machine."""
    more_hosts: int = 0
    effects: EffectCounts | None = None
    """None where the run does not watch its effects."""


@dataclass(frozen=True)
class SoFar:
    """Response times and outcomes so far, over some events of a running run."""

    response: Ints
    """Dense counts by bucket."""
    codes: dict[int, int]
    in_flight: int
    """In the whole run: events in flight or waiting for a connection."""

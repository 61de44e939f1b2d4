"""The figures of a run that is going on: what the live view shows.

A shape and nothing else; `launch` fills it and `report` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass

from loadsim.measure.hdr import Ints


@dataclass(frozen=True)
class Latencies:
    """Response times and lag over all shards, in ms, from however few samples there are: a live view is no verdict."""

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
    """Of its last second, as p99."""
    p99_ms: float | None
    lost: bool


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
    """What the latest frames of about a second hold."""
    total: Latencies
    """The same figures since the start of the run."""
    rate_planned: float = 0.0
    """Events per second that came due, over the last second; so with `rate_sent`."""
    rate_sent: float = 0.0
    failures: tuple[tuple[str, int], ...] = ()
    """How often each status other than 2xx and each error kind came, the commonest first."""
    rates: tuple[float, ...] = ()
    """`rate_done` of the seconds before, the latest last."""
    lost_shards: tuple[int, ...] = ()
    as_of_s: float = 0.0
    """Of which moment the counts are, on the shards' own clocks; the mean over the shards' latest frames."""
    hosts: tuple[HostProgress, ...] = ()
    """The first hosts of a cluster, lost ones before the others; empty for a run on this machine."""
    more_hosts: int = 0


@dataclass(frozen=True)
class SoFar:
    """Some events of a run that is going on: how their response times and their outcomes stand."""

    response: Ints
    """Dense counts by bucket."""
    codes: dict[int, int]
    in_flight: int
    """Of the whole run: under way or waiting for a connection."""

"""The figures of a run that is going on: what the live view shows.

A shape and nothing else; `launch` fills it and `report` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass

from loadsim.measure.hdr import Ints


@dataclass(frozen=True)
class LastSecond:
    """What was counted since the previous frames, over all shards; ms."""

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
    last_second: LastSecond
    total_p50_ms: float | None
    total_p99_ms: float | None
    lost_shards: tuple[int, ...] = ()
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

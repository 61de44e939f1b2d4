"""Functions that run on a worker of the cluster, called by name, since every host has the same version.

Keeps the shards that the worker runs for each launcher, by the topic of its run.
"""

from __future__ import annotations

import asyncio
import time

import msgspec
from distributed import get_worker
from distributed.core import Status

from loadsim.launch.host_shards import HostShards, Sealed
from loadsim.model import LoadsimError
from loadsim.plan import HttpVersion, Target

_serving: dict[str, HostShards] = {}


def serve_host(topic: str, host: int, shards: list[int], variables: list[str]) -> None:
    """The task that occupies a host and runs its shards. No event is sent before the launcher sends a plan."""
    worker = get_worker()
    found = HostShards(
        host, shards, variables, lambda word: worker.log_event(topic, word), lambda: worker.status == Status.running
    )
    _serving[topic] = found
    try:
        found.serve()
    finally:
        _serving.pop(topic, None)


def deliver(topic: str, messages: dict[int, Sealed]) -> None:
    """Pass messages to shards of this worker."""
    if topic in _serving:
        _serving[topic].take(messages)


def renew(topic: str) -> None:
    """Record a sign of life of the launcher."""
    if topic in _serving:
        _serving[topic].renew()


def end(topic: str, shards: list[int]) -> None:
    """End these shards at once."""
    if topic in _serving:
        _serving[topic].end(shards)


def clock() -> int:
    """This host's wall clock, ns."""
    return time.time_ns()


async def check_endpoint(target: Sealed, timeout_s: float) -> tuple[HttpVersion, str]:
    """Check from here that the endpoint can be reached. Returns what it agrees to speak, and the error or an empty
    text."""
    from loadsim.engine.preflight import check_reachable
    from loadsim.engine.resolved_endpoint import resolve

    try:
        wire = await asyncio.to_thread(resolve, msgspec.msgpack.decode(target.data, type=Target))
        return await asyncio.to_thread(check_reachable, wire, timeout_s), ""
    except LoadsimError as error:
        return "1.1", str(error)

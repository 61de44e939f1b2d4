"""What is run on a worker of the cluster, called by name: every host has this package in the same version.

Decides nothing; keeps the shards that the worker runs for each launcher, by the topic of its run.
"""

from __future__ import annotations

import asyncio
import time

import msgspec
from distributed import get_worker
from distributed.core import Status

from loadsim.launch.host import HostShards, Sealed
from loadsim.model import LoadsimError
from loadsim.plan import Target

_serving: dict[str, HostShards] = {}


def serve_host(topic: str, host: int, shards: list[int], variables: list[str]) -> None:
    """The task that holds a host: its shards live in it. Nothing is fired before the launcher sends a plan."""
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
    """Messages for shards of this worker's."""
    if topic in _serving:
        _serving[topic].take(messages)


def renew(topic: str) -> None:
    """The launcher lives."""
    if topic in _serving:
        _serving[topic].renew()


def end(topic: str, shards: list[int]) -> None:
    """End these shards at once."""
    if topic in _serving:
        _serving[topic].end(shards)


def clock() -> int:
    """This host's wall clock, ns."""
    return time.time_ns()


async def look(target: Sealed, timeout_s: float) -> str:
    """Whether anything is there to fire at, from here: empty, or what is wrong."""
    from loadsim.engine.preflight import check_reachable
    from loadsim.engine.wire import resolve

    try:
        wire = await asyncio.to_thread(resolve, msgspec.msgpack.decode(target.data, type=Target))
        await asyncio.to_thread(check_reachable, wire, timeout_s)
    except LoadsimError as error:
        return str(error)
    return ""

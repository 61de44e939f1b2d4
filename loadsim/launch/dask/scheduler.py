"""What is run on the cluster's scheduler, which may have no loadsim: functions that travel by value.

Decides what a run changes there, and that the last of several runs at a time puts it back. Each is made inside another
function, without which Dask would send its name alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

GATHER_S = 0.05
"""So long what the hosts say is gathered before it is passed on: every message by itself costs the launcher as much as
what it says. Dask has 2 ms."""


def prepare() -> Callable[..., None]:
    """`(topic, client)`: before the run of this topic.

    By default a task whose worker dies is run again, up to three times.
    """

    def prepare(topic: str, client: str, gather_s: float = GATHER_S, dask_scheduler: Any = None) -> None:
        runs = dask_scheduler.__dict__.setdefault("_loadsim", {"before": dask_scheduler.allowed_failures, "runs": {}})
        runs["runs"][topic] = client
        dask_scheduler.allowed_failures = 0
        if client in dask_scheduler.client_comms:
            dask_scheduler.client_comms[client].interval = gather_s

    return prepare


def tidy() -> Callable[..., None]:
    """`(topic)`: after the run of this topic. A launcher that was killed counts no more once its client is gone."""

    def tidy(topic: str, dask_scheduler: Any = None) -> None:
        dask_scheduler._broker.truncate(topic)  # noqa: SLF001 - nothing public does it
        found = dask_scheduler.__dict__.get("_loadsim", {"runs": {}})
        others = {t: client for t, client in found["runs"].items() if t != topic and client in dask_scheduler.clients}
        found["runs"] = others
        if not others and "before" in found:
            dask_scheduler.allowed_failures = found["before"]
            del dask_scheduler.__dict__["_loadsim"]

    return tidy


def forget() -> Callable[..., None]:
    """`(topic)`: drop the frames that were passed on; it keeps the last thousand of a topic."""

    def forget(topic: str, dask_scheduler: Any = None) -> None:
        dask_scheduler._broker.truncate(topic)  # noqa: SLF001 - nothing public does it

    return forget

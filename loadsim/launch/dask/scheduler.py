"""Functions that run on the cluster's scheduler, which may have no loadsim, so that they are sent by value.

They change settings of the scheduler during a run; the last of several runs restores them. Each is defined inside
another function, since Dask would otherwise send only its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

GATHER_S = 0.05
"""Time for which messages of hosts are gathered before they are forwarded, since each forwarded message has a cost of
its own. Dask's default is 2 ms."""


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
    """`(topic)`: after the run of this topic. A killed launcher no longer counts once its client is gone."""

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
    """`(topic)`: drop the forwarded frames, of which the scheduler would keep the last thousand of each topic."""

    def forget(topic: str, dask_scheduler: Any = None) -> None:
        dask_scheduler._broker.truncate(topic)  # noqa: SLF001 - nothing public does it

    return forget

"""The connection to a cluster, and direct calls to its hosts, which are neither stored nor repeated.

Every call has a time limit, and an error of Dask becomes one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from distributed import Client, Security
from distributed.versions import VersionMismatchWarning, get_versions

from loadsim.launch.dask.own_cluster import OwnCluster
from loadsim.model import LoadsimError, UsageError
from loadsim.plan.cluster import Cluster

CONNECT_S = 10.0
CALL_S = 2.0
"""Time for a host to answer a call before it is given up."""
CLOSE_S = 5.0


class Link:
    """A connection to a cluster, or to one of our own that ends with it. Call `open` first."""

    def __init__(self, cluster: Cluster) -> None:
        self._asked = cluster
        self._own: OwnCluster | None = None
        self._client: Any = None

    async def open(self) -> None:
        """Connect. Raises LoadsimError."""
        asked = self._asked
        for name in ("distributed", "distributed.client", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # errors are reported by us, in one line
        warnings.filterwarnings("ignore", category=VersionMismatchWarning)  # differences are refused later
        try:
            address, security = asked.address, _security(asked)
            if asked.local:
                self._own = OwnCluster()
                address, security = await self._own.start(asked.local), self._own.security
            self._client = await Client(
                address,
                asynchronous=True,
                set_as_default=False,
                timeout=CONNECT_S,
                security=security,
                name="loadsim",
            )
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            raise LoadsimError(f"{asked.shown}: cannot connect to a Dask scheduler: {one_line(error)}") from None

    @property
    def opened(self) -> bool:
        """Whether there was a connection at any time."""
        return self._client is not None

    @property
    def alive(self) -> bool:
        """Whether the scheduler is still there."""
        return self._client is not None and self._client.status == "running"

    @property
    def name(self) -> str:
        """The id of this connection at the scheduler."""
        return str(self._client.id)

    async def close(self) -> None:
        """Close the connection, within a limited time."""
        for what in (self._client, self._own):
            if what is not None:
                with contextlib.suppress(OSError, TimeoutError, RuntimeError):
                    await asyncio.wait_for(what.close(), CLOSE_S)

    async def workers(self) -> dict[str, str]:
        """Each worker's address → the host that it is on. Raises LoadsimError."""
        identity = await self._answer(self._client.scheduler.identity(n_workers=-1), self._asked.shown, CONNECT_S)
        return {address: info["host"] for address, info in identity["workers"].items()}

    async def versions(self, workers: Mapping[str, str]) -> Mapping[str, Any]:
        """As `cluster.check_versions` takes them, of the workers in worker → label. Raises LoadsimError."""
        wanted, scheduler = ["loadsim"], self._client.scheduler

        async def of(worker: str, label: str) -> Any:
            word = {"op": "versions", "packages": wanted}
            asked = scheduler.broadcast(msg=word, workers=[worker], on_error="ignore")
            found = await self._answer(asked, label, CONNECT_S)
            if worker not in found:
                raise LoadsimError(f"{label}: its worker has stopped")
            return found[worker]

        versions = await asyncio.gather(*(of(worker, label) for worker, label in workers.items()))
        return {
            "client": get_versions(packages=wanted),
            "scheduler": await self._answer(scheduler.versions(packages=wanted), self._asked.shown, CONNECT_S),
            "workers": dict(zip(workers, versions, strict=True)),
        }

    def listen(self, topic: str, hear: Callable[[tuple[float, dict[str, Any]]], None]) -> None:
        """Receive the messages of a topic from now on."""
        self._client.subscribe_topic(topic, hear)

    def ignore(self, topic: str) -> None:
        """Receive no more messages of the topic."""
        self._client.unsubscribe_topic(topic)

    def hold(self, worker: str, key: str, function: Callable[..., None], *args: Any) -> Awaitable[Any]:
        """Run a function as a task on one worker, once and nowhere else; the result is a future that ends with it."""
        options = {"workers": [worker], "allow_other_workers": False, "pure": False, "retries": 0}
        future = self._client.submit(function, *args, key=key, **options)
        result: Awaitable[Any] = future.result()
        return result

    async def run(self, workers: list[str], function: Callable[..., Any], *args: Any) -> None:
        """Call a function on some workers. Its effect is seen in later messages."""
        if workers:
            await quietly(self._client.run(function, *args, workers=workers, on_error="ignore"))

    async def at_scheduler(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function on the scheduler. Raises LoadsimError."""
        await self._answer(self._client.run_on_scheduler(function, *args), self._asked.shown, CALL_S)

    async def ask(
        self, worker: str, label: str, function: Callable[..., Any], *args: Any, within_s: float = CALL_S
    ) -> Any:
        """Call a function on one worker and return its result. Raises LoadsimError with its label when it does not
        answer."""
        answers = await self._answer(self._client.run(function, *args, workers=[worker]), label, within_s)
        return answers[worker]

    async def _answer(self, asked: Awaitable[Any], label: str, within_s: float) -> Any:
        try:
            return await asyncio.wait_for(asked, within_s)
        except TimeoutError:
            raise LoadsimError(f"{label}: no answer within {within_s:g} s") from None
        except Exception as error:  # noqa: BLE001 - whatever Dask, or the function over there, raised
            raise LoadsimError(f"{label}: {one_line(error)}") from None


async def quietly(work: Awaitable[Any]) -> None:
    """A call that may fail or hang."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(work, CALL_S)


def one_line(error: BaseException) -> str:
    """The error without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def _security(cluster: Cluster) -> Security | None:
    if cluster.local or not cluster.encrypted:
        return None
    files = {"tls_ca_file": cluster.ca, "tls_client_cert": cluster.cert, "tls_client_key": cluster.key}
    # without any it is what Dask's own configuration has
    found = Security(require_encryption=True, **({} if cluster.ca is None else files))
    if found.get_connection_args("client")["ssl_context"] is None:
        raise UsageError(
            f"{cluster.shown}: give --cluster-ca, --cluster-cert and --cluster-key: both sides need a certificate"
        )
    return found

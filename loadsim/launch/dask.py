"""Shards on the hosts of a Dask cluster: the one place that knows `distributed`.

Decides how a host's shards are placed, fed, heard and given up. A task holds each host's worker and runs nothing by
itself: the plan, the start and the stop come to it once, by direct calls that no scheduler keeps or repeats, so that a
task that Dask ran again would fire nothing. What the shards say comes back through Dask's events.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from distributed import Client, Scheduler, Security, get_worker
from distributed.client import FutureCancelledError
from distributed.core import Status
from distributed.versions import VersionMismatchWarning

from loadsim.engine.preflight import check_reachable
from loadsim.engine.wire import resolve
from loadsim.launch.clock import RoundTrip, compare
from loadsim.launch.cluster import Cluster, check_versions, host_of, hosts_of, is_loopback
from loadsim.launch.host import LEASE_S, HostShards, Sealed
from loadsim.launch.launcher import READY_S, Beginning, Intake
from loadsim.launch.messages import PlanMessage, Start, Stop, encode
from loadsim.model import NS_PER_S, LoadsimError, UnreachableError, UsageError
from loadsim.plan import Target
from loadsim.processes import ending, own_command, own_environment

CONNECT_S = 10.0
HOST_SILENCE_NS = 2 * NS_PER_S
"""A host from which nothing came for so long is lost; each beats every `BEAT_S`."""
LOOK_S = 0.25
RENEW_S = 1.0
LEAD_NS = NS_PER_S
"""How far ahead the agreed start lies: time for the word to reach every host."""
ROUND_TRIPS = 8
AT_ONCE = 16
"""So many hosts are asked for the time together: more would wait for each other."""
CALL_S = 2.0
"""So long a host may take to answer a call before it is left behind."""
CLOSE_S = 5.0
TOLD_NS = NS_PER_S
"""A clock that is further off than this is told of: signatures carry it."""

_serving: dict[str, HostShards] = {}
"""On a worker: what it runs, by the run's topic and the host's number."""


# -- on a worker ------------------------------------------------------------------------------------------------------


def serve_host(topic: str, host: int, shards: list[int]) -> None:
    """The task that holds a host: its shards live in it. Nothing is fired before the launcher sends a plan."""
    worker = get_worker()
    found = HostShards(
        host, shards, lambda word: worker.log_event(topic, word), lambda: worker.status == Status.running
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
    try:
        wire = await asyncio.to_thread(resolve, msgspec.msgpack.decode(target.data, type=Target))
        await asyncio.to_thread(check_reachable, wire, timeout_s)
    except LoadsimError as error:
        return str(error)
    return ""


# -- at the launcher --------------------------------------------------------------------------------------------------


@dataclass
class _Host:
    """One host of the run: the worker that serves it and what was heard of it."""

    number: int
    label: str
    worker: str
    shards: list[int] = field(default_factory=list)
    heard_ns: int = 0
    up: bool = False
    holding: asyncio.Task[None] | None = None
    """Follows the task that holds the worker."""
    lost: str = ""


class DaskShards:
    """The shards of one run on a cluster: a `Launcher`."""

    def __init__(self, cluster: Cluster) -> None:
        self.say: Callable[[str], None] = lambda _: None
        self.offered = 0
        self._asked = cluster
        self._own: _OwnCluster | None = None
        self._client: Any
        self._connected = False
        self._hosts: list[_Host] = []
        self._intake: Intake
        self._topic = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._up = asyncio.Event()
        self._news = asyncio.Event()
        self._failures_before: int | None = None
        self._stopped = False

    # -- before the start ---------------------------------------------------------------------------------------------

    async def reserve(self, most: int) -> int:
        """One or several shards on each host, spread evenly. Raises LoadsimError when the cluster cannot serve."""
        await self._connect()
        workers = (await self._client.scheduler.identity(n_workers=-1))["workers"]
        places = hosts_of({address: info["host"] for address, info in workers.items()})
        if not places:
            raise LoadsimError(f"{self._asked.shown}: the cluster has no workers")
        self.offered = len(places) * self._asked.per_host
        wanted = min(most, self.offered)
        self._hosts = [_Host(n, *place) for n, place in enumerate(places[:wanted])]
        for number in range(wanted):
            self._hosts[number % len(self._hosts)].shards.append(number)
        if len(self._hosts) < len(places):
            self.say(f"{len(self._hosts)} of {len(places)} hosts are used: this run cannot be shared out further")
        versions = await self._client.get_versions(packages=["loadsim"])
        check_versions(versions, {host.worker: host.label for host in self._hosts})
        return wanted

    async def look(self, target: Target) -> None:
        """One connection from each host, opened and closed. Raises UnreachableError naming the host."""
        sealed, timeout_s = Sealed(msgspec.msgpack.encode(target)), target.timeout / NS_PER_S
        calls = [self._call(host, look, sealed, timeout_s, within_s=timeout_s + CALL_S) for host in self._hosts]
        for host, found in zip(self._hosts, await asyncio.gather(*calls), strict=True):
            if found:
                raise UnreachableError(f"{host.label}: {found}")

    async def start(self, plans: Sequence[PlanMessage], intake: Intake, on_ready: Callable[[], None]) -> Beginning:
        """Hold every host, hand out the plans, agree on the start by each host's clock; see `Launcher`."""
        self._intake = intake
        self._topic = f"loadsim-{plans[0].run_id}"
        if plans[0].secret is not None:
            self._check_way()
        for host in self._hosts:
            for number in host.shards:
                intake.collector.states[number].place = host.label
        self._client.subscribe_topic(self._topic, self._hear)
        self._failures_before = await self._client.run_on_scheduler(_allow_failures(), 0)
        await self._hold()
        for plan in plans:
            plan.lease_s = LEASE_S
        sealed = {plan.shard: Sealed(encode(plan)) for plan in plans}
        await asyncio.gather(*(self._tell([host], {n: sealed[n] for n in host.shards}) for host in self._hosts))
        self._tasks.append(asyncio.create_task(self._renew()))
        await intake.ready()
        on_ready()
        await self._compare_clocks()
        begins = Beginning.ahead(LEAD_NS)
        starts = {
            number: Sealed(encode(Start(begins.wall_ns, state.clock.ahead_ns if state.clock else 0)))
            for number, state in enumerate(intake.collector.states)
        }
        await self._tell(self._hosts, starts)
        intake.collector.started(max(begins.monotonic_ns, time.monotonic_ns()))
        for host in self._hosts:
            host.heard_ns = max(host.heard_ns, time.monotonic_ns())
        return begins

    async def _connect(self) -> None:
        asked = self._asked
        for name in ("distributed", "distributed.client", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what is wrong is told by ourselves, in a line
        warnings.filterwarnings("ignore", category=VersionMismatchWarning)  # differences are refused below
        try:
            address = asked.address
            if asked.local:
                self._own = _OwnCluster()
                address = await self._own.start(asked.local)
            self._client = await Client(
                address,
                asynchronous=True,
                set_as_default=False,
                timeout=CONNECT_S,
                security=_security(asked),
                name="loadsim",
            )
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            raise LoadsimError(f"{asked.shown}: no Dask scheduler to be had: {_one_line(error)}") from None
        self._connected = True

    def _check_way(self) -> None:
        """A secret leaves this machine encrypted or not at all."""
        away = [host.label for host in self._hosts if not is_loopback(host_of(host.worker))]
        if not self._asked.encrypted and (away or not self._asked.here):
            raise UsageError(f"the secret is not sent to {away[0] if away else self._asked.shown} over plain TCP")

    async def _hold(self) -> None:
        """A task on every host, which stays as long as its shards; until all of them are up."""
        for host in self._hosts:
            future = self._client.submit(
                serve_host,
                self._topic,
                host.number,
                host.shards,
                key=f"{self._topic}-{host.number}",
                workers=[host.worker],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
            host.holding = asyncio.create_task(self._follow(host, future))
            self._tasks.append(host.holding)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), READY_S)
        for host in self._hosts:
            if host.lost:
                raise LoadsimError(f"{host.label}: {host.lost}")
            if not host.up:
                raise LoadsimError(f"{host.label}: its worker took up no shard within {READY_S:g} s: is it busy?")

    async def _compare_clocks(self) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(host: _Host) -> None:
            trips = []
            async with gate:
                for _ in range(ROUND_TRIPS):
                    asked_ns = time.time_ns()
                    told_ns = await self._call(host, clock)
                    trips.append(RoundTrip(asked_ns, told_ns, time.time_ns()))
            found = compare(trips)
            for number in host.shards:
                self._intake.collector.states[number].clock = found
            if abs(found.ahead_ns) > TOLD_NS:
                way = "ahead of" if found.ahead_ns > 0 else "behind"
                apart_s = abs(found.ahead_ns) / NS_PER_S
                self.say(f"{host.label}: its clock is {apart_s:.1f} s {way} this one, and so are its signatures' times")

        await asyncio.gather(*map(ask, self._hosts))

    # -- under way ----------------------------------------------------------------------------------------------------

    async def wait(self) -> None:
        """Until every shard is done or lost. More lost hosts than are allowed stop the others."""
        collector = self._intake.collector
        while not all(state.ended for state in collector.states):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_S)
            self._news.clear()
            now = time.monotonic_ns()
            self._look_at_hosts(now)
            for number in collector.silent(now):
                self._intake.lose(number, "no frame for 2.5 s")
                host = next(host for host in self._hosts if number in host.shards)
                self._tasks.append(asyncio.create_task(self._end(host, [number])))
            await self._weigh_losses()

    async def stop(self, *, drain: bool) -> None:
        """Tell every shard to release nothing more."""
        word = Sealed(encode(Stop(drain)))
        states = self._intake.collector.states
        await self._tell(self._hosts, {state.number: word for state in states if not state.ended})

    async def close(self) -> None:
        """No shard survives this; what was changed on the scheduler is put back. Bounded in time, whatever hangs."""
        if self._connected and self._topic:
            await asyncio.gather(*(self._end(host, host.shards) for host in self._hosts))
            held = [host.holding for host in self._hosts if host.holding is not None and not host.lost]
            if held:
                await asyncio.wait(held, timeout=CLOSE_S)
            if self._client.status == "running":
                await _quietly(self._tidy())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for what in (self._client if self._connected else None, self._own):
            if what is not None:
                with contextlib.suppress(OSError, TimeoutError, RuntimeError):
                    await asyncio.wait_for(what.close(), CLOSE_S)

    async def _tidy(self) -> None:
        self._client.unsubscribe_topic(self._topic)
        if self._failures_before is not None:
            await self._client.run_on_scheduler(_allow_failures(), self._failures_before)
        await self._client.run_on_scheduler(_forget(), self._topic)

    def _look_at_hosts(self, now_ns: int) -> None:
        if self._client.status != "running":
            self._lose_scheduler()
        for host in self._hosts:
            if self._busy(host) and now_ns - host.heard_ns > HOST_SILENCE_NS:
                self._lose(host, f"nothing was heard of it for {HOST_SILENCE_NS / NS_PER_S:g} s")

    async def _weigh_losses(self) -> None:
        states = self._intake.collector.states
        lost = {state.place for state in states if state.lost}
        if len(lost) <= self._asked.allow_lost or self._stopped or all(state.ended for state in states):
            return
        self._stopped = True
        self.say(f"{len(lost)} of {len(self._hosts)} hosts lost, {self._asked.allow_lost} allowed: the others stop")
        await self.stop(drain=True)

    def _lose_scheduler(self) -> None:
        busy = [host for host in self._hosts if self._busy(host)]
        if busy:
            self.say(f"the scheduler at {self._asked.shown} was lost; its hosts end by themselves within {LEASE_S:g} s")
        for host in busy:
            self._lose(host, "the scheduler was lost", tell=False)

    def _busy(self, host: _Host) -> bool:
        return not host.lost and not all(self._intake.collector.states[number].ended for number in host.shards)

    def _lose(self, host: _Host, reason: str, *, tell: bool = True) -> None:
        if host.lost:
            return
        if tell and self._busy(host):
            self.say(f"{host.label} was lost: {reason}")
        host.lost = reason
        self._up.set()
        self._news.set()
        for number in host.shards:
            self._intake.lose(number, reason)  # those that ended before stay as they are

    # -- words --------------------------------------------------------------------------------------------------------

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """What a host says (`host.Say`)."""
        word = event[1]
        host = self._hosts[word["host"]]
        host.heard_ns, host.up = time.monotonic_ns(), True
        if not self._up.is_set() and all(each.up for each in self._hosts):
            self._up.set()
        if host.lost:
            return
        if "data" in word:
            self._intake.take(word["shard"], word["data"])
        elif "code" in word:
            self._intake.lose(word["shard"], f"the process ended with {ending(word['code'])}")
        self._news.set()

    async def _follow(self, host: _Host, future: Any) -> None:
        try:
            await future.result()
        except asyncio.CancelledError:
            raise
        except FutureCancelledError:
            self._lose_scheduler()  # nobody else takes a task back
        except Exception as error:  # noqa: BLE001 - whatever Dask says of a worker, the host is lost
            self._lose(host, f"its worker is gone ({type(error).__name__})")

    async def _renew(self) -> None:
        """Tell every host each second that this end lives, and keep the scheduler from hoarding frames."""
        calls: set[asyncio.Task[None]] = set()
        while True:
            living = [host.worker for host in self._hosts if not host.lost]
            for work in (self._run(living, renew, self._topic), self._client.run_on_scheduler(_forget(), self._topic)):
                call = asyncio.create_task(_quietly(work))
                calls.add(call)
                call.add_done_callback(calls.discard)
            await asyncio.sleep(RENEW_S)

    async def _tell(self, hosts: Iterable[_Host], messages: Mapping[int, Sealed]) -> None:
        living = [host.worker for host in hosts if not host.lost]
        await _quietly(self._run(living, deliver, self._topic, dict(messages)))

    async def _end(self, host: _Host, shards: Sequence[int]) -> None:
        if not host.lost:
            await _quietly(self._run([host.worker], end, self._topic, list(shards)))

    async def _run(self, workers: list[str], function: Callable[..., Any], *args: Any) -> None:
        if workers:
            await self._client.run(function, *args, workers=workers, on_error="ignore")

    async def _call(self, host: _Host, function: Callable[..., Any], *args: Any, within_s: float = CALL_S) -> Any:
        """Ask one host. Raises LoadsimError, in a line that names it, when it does not answer."""
        try:
            answers = await asyncio.wait_for(self._client.run(function, *args, workers=[host.worker]), within_s)
        except TimeoutError:
            raise LoadsimError(f"{host.label}: no answer within {within_s:g} s") from None
        except Exception as error:  # noqa: BLE001 - whatever its worker raised
            raise LoadsimError(f"{host.label}: {_one_line(error)}") from None
        return answers[host.worker]


async def _quietly(work: Any) -> None:
    """A call that may fail or hang: what came of it shows in what is heard."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(work, CALL_S)


class _OwnCluster:
    """A scheduler in this process and workers in processes of their own, each at a loopback address of its own.

    A worker leads a session, so that a terminal's Ctrl-C reaches the launcher alone; it ends when its scheduler does.
    """

    def __init__(self) -> None:
        self._scheduler = Scheduler(host="127.0.0.1", port=0, dashboard=False)
        self._workers: list[asyncio.subprocess.Process] = []

    async def start(self, workers: int) -> str:
        """The scheduler's address, once all workers are there. Raises LoadsimError."""
        await self._scheduler
        address: str = self._scheduler.address
        options = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--memory-limit", "0", "--death-timeout", "30")
        for number in range(1, workers + 1):
            command = own_command("distributed.cli.dask_worker", address, "--host", f"127.0.0.{number}", *options)
            environment = {**own_environment(), "DASK_LOGGING__DISTRIBUTED": "critical"}
            process = await asyncio.create_subprocess_exec(
                *command, env=environment, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
            )
            self._workers.append(process)
        deadline = time.monotonic() + READY_S
        while len(self._scheduler.workers) < workers:
            if time.monotonic() > deadline or any(process.returncode is not None for process in self._workers):
                raise LoadsimError(f"only {len(self._scheduler.workers)} of {workers} workers came up")
            await asyncio.sleep(0.02)
        return address

    async def close(self) -> None:
        """No worker survives this."""
        for send in (asyncio.subprocess.Process.terminate, asyncio.subprocess.Process.kill):
            living = [process for process in self._workers if process.returncode is None]
            for process in living:
                with contextlib.suppress(ProcessLookupError):
                    send(process)
            if living:
                await asyncio.wait([asyncio.create_task(process.wait()) for process in living], timeout=CALL_S)
        await self._scheduler.close()


def _security(cluster: Cluster) -> Security | None:
    if not cluster.encrypted:
        return None
    if cluster.ca is None:  # what Dask's own configuration has
        return Security(require_encryption=True)
    return Security(
        require_encryption=True,
        tls_ca_file=cluster.ca,
        tls_client_cert=cluster.cert,
        tls_client_key=cluster.key,
    )


def _allow_failures() -> Callable[..., int]:
    """For the scheduler, which may have no loadsim: a function that travels by value.

    By default a task whose worker dies is run again, up to three times.
    """

    def allow(number: int, dask_scheduler: Any = None) -> int:
        before: int = dask_scheduler.allowed_failures
        dask_scheduler.allowed_failures = number
        return before

    return allow


def _forget() -> Callable[..., None]:
    """For the scheduler, by value: drop the frames that were passed on; it keeps the last thousand of a topic."""

    def forget(topic: str, dask_scheduler: Any = None) -> None:
        dask_scheduler._broker.truncate(topic)  # noqa: SLF001 - nothing public does it

    return forget


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

"""The launcher for a Dask cluster: places the shards on hosts, starts them together, and notices lost hosts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from distributed.client import FutureCancelledError

from loadsim.engine.messages import Start, Stop, assignments, encode
from loadsim.host_checks import is_loopback
from loadsim.launch.cluster import hosts_of
from loadsim.launch.dask import scheduler, worker
from loadsim.launch.dask.cluster_link import CALL_S, CLOSE_S, Link, quietly
from loadsim.launch.dask.hosts import Host, Hosts
from loadsim.launch.host_shards import Sealed
from loadsim.launch.host_versions import check_versions
from loadsim.launch.launcher import READY_S, Beginning, Intake
from loadsim.launch.liveness import LEASE_S, RENEW_S
from loadsim.measure.clock_difference import RoundTrip, compare
from loadsim.model import NS_PER_S, LoadsimError, Secret, UnreachableError, UsageError
from loadsim.plan import HttpVersion, RunSpec, Target
from loadsim.plan.cluster import Cluster, host_of
from loadsim.plan.redact import variables_of
from loadsim.signing import scheme

LOOK_S = 0.25
LEAD_NS = NS_PER_S
"""How far ahead the agreed start lies: time for the message to reach every host."""
ROUND_TRIPS = 8
AT_ONCE = 16
"""Number of hosts whose clocks are read at a time: more would delay each other."""
TOLD_NS = NS_PER_S
"""A clock that differs more than this is reported, since signatures contain its time."""


class DaskShards:
    """The shards of one run on a cluster: a `Launcher`."""

    def __init__(self, cluster: Cluster) -> None:
        self.say: Callable[[str], None] = lambda _: None
        self.offered = 0
        self._asked = cluster
        self._link = Link(cluster)
        self._hosts: Hosts
        self._intake: Intake
        self._topic = ""
        self._holding: dict[int, asyncio.Task[None]] = {}
        """By host: the task that occupies its worker."""
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False

    # -- before the start ---------------------------------------------------------------------------------------------

    async def reserve(self, most: int) -> int:
        """One or several shards on each host, spread evenly. Raises LoadsimError when the cluster cannot run them."""
        await self._link.open()
        places = hosts_of(await self._link.workers())
        if not places:
            raise LoadsimError(f"{self._asked.shown}: the cluster has no workers")
        self.offered = len(places) * self._asked.per_host
        wanted = min(most, self.offered)
        self._hosts = Hosts(places[:wanted], wanted)
        self._hosts.say = self.say
        if len(self._hosts.all) < len(places):
            self.say(f"{len(self._hosts.all)} of {len(places)} hosts are used: this run cannot be divided further")
        labels = {host.worker: host.label for host in self._hosts.all}
        check_versions(await self._link.versions(labels), labels)
        return wanted

    async def check_endpoint(self, target: Target, key_password: Secret | None) -> HttpVersion:
        """One connection from each host, opened and closed. Raises UnreachableError naming the host.

        The client certificate is left out where its key has a pass phrase, which only shards get.
        """
        if key_password is not None or target.key_password_env is not None:
            target = msgspec.structs.replace(target, cert=None, key=None, key_password_env=None)
        sealed, timeout_s = Sealed(msgspec.msgpack.encode(target)), target.timeout / NS_PER_S
        calls = [
            self._ask(host, worker.check_endpoint, sealed, timeout_s, within_s=timeout_s + CALL_S)
            for host in self._hosts.all
        ]
        spoken: dict[HttpVersion, str] = {}
        for host, (version, failure) in zip(self._hosts.all, await asyncio.gather(*calls), strict=True):
            if failure:
                raise UnreachableError(f"{host.label}: {failure}")
            spoken[version] = host.label
        if len(spoken) > 1:
            hosts = " and ".join(f"HTTP/{version} with {label}" for version, label in spoken.items())
            raise UnreachableError(f"the endpoint speaks {hosts}: choose one with --http")
        return next(iter(spoken), "1.1")

    async def start(self, spec: RunSpec, shards: int, intake: Intake, on_ready: Callable[[], None]) -> Beginning:
        """Occupy every host, send the plans, agree on the start by each host's clock; see `Launcher`."""
        self._intake = intake
        self._hosts.take_up(intake)
        if spec.secret is not None:
            self._check_way()
        self._topic = f"loadsim-{spec.run_id}"
        self._link.listen(self._topic, lambda event: self._hosts.hear(event[1], time.monotonic_ns()))
        await self._link.at_scheduler(scheduler.prepare(), self._topic, self._link.name)
        await self._hold(_read_there(spec))
        sealed = {part.shard: Sealed(encode(part)) for part in assignments(spec, shards, LEASE_S)}
        # each host gets its own alone, and the others' secrets stay away from it
        await asyncio.gather(*(self._tell([host], {n: sealed[n] for n in host.shards}) for host in self._hosts.all))
        self._tasks.append(asyncio.create_task(self._renew()))
        await intake.ready()
        on_ready()
        await self._compare_clocks()
        begins = Beginning.ahead(LEAD_NS)
        starts = {
            number: Sealed(encode(Start(begins.wall_ns, state.clock.ahead_ns if state.clock else 0)))
            for number, state in enumerate(intake.collector.states)
        }
        await self._tell(self._hosts.all, starts)
        intake.collector.started(max(begins.monotonic_ns, time.monotonic_ns()))
        self._hosts.started(time.monotonic_ns())
        return begins

    def _check_way(self) -> None:
        """Check that secrets leave this machine only encrypted."""
        away = [host.label for host in self._hosts.all if not is_loopback(host_of(host.worker))]
        if not self._asked.encrypted and (away or not self._asked.here):
            raise UsageError(f"the secret is not sent to {away[0] if away else self._asked.shown} over plain TCP")

    async def _hold(self, variables: list[str]) -> None:
        """Start a task on every host, which runs as long as its shards, and wait until all of them are ready."""
        for host in self._hosts.all:
            key = f"{self._topic}-{host.number}"
            order = (self._topic, host.number, host.shards, variables)
            held = self._link.hold(host.worker, key, worker.serve_host, *order)
            self._holding[host.number] = asyncio.create_task(self._follow(host, held))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hosts.up.wait(), READY_S)
        for host in self._hosts.all:
            if host.lost:
                raise LoadsimError(f"{host.label}: {host.lost}")
            if not host.up:
                raise LoadsimError(f"{host.label}: its worker started no shard within {READY_S:g} s: is it busy?")

    async def _compare_clocks(self) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def compared(host: Host) -> None:
            trips = []
            async with gate:
                for _ in range(ROUND_TRIPS):
                    asked_ns = time.time_ns()
                    told_ns = await self._ask(host, worker.clock)
                    trips.append(RoundTrip(asked_ns, told_ns, time.time_ns()))
            found = compare(trips)
            for number in host.shards:
                self._intake.collector.states[number].clock = found
            if abs(found.ahead_ns) > TOLD_NS:
                way = "ahead of" if found.ahead_ns > 0 else "behind"
                apart_s = abs(found.ahead_ns) / NS_PER_S
                self.say(f"{host.label}: its clock is {apart_s:.1f} s {way} this one, and so are its signatures' times")

        await asyncio.gather(*map(compared, self._hosts.all))

    # -- during the run ------------------------------------------------------------------------------------------------

    async def wait(self) -> None:
        """Wait until every shard is done or lost. More lost hosts than allowed stop the others."""
        collector, hosts = self._intake.collector, self._hosts
        while not all(state.ended for state in collector.states):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hosts.news.wait(), LOOK_S)
            hosts.news.clear()
            now = time.monotonic_ns()
            if not self._link.alive:
                self._lose_scheduler()
            hosts.check(now)
            for number in collector.silent(now):
                self._intake.lose(number, "no frame for 2.5 s")
                self._tasks.append(asyncio.create_task(self._end(hosts.of_shard(number), [number])))
            await self._weigh_losses()

    async def stop(self, *, drain: bool) -> None:
        """Tell every shard to release nothing more."""
        word = Sealed(encode(Stop(drain)))
        states = self._intake.collector.states
        await self._tell(self._hosts.all, {state.number: word for state in states if not state.ended})

    async def close(self) -> None:
        """End all shards and restore the scheduler's settings, within a limited time."""
        if self._topic:
            await asyncio.gather(*(self._end(host, host.shards) for host in self._hosts.all))
            held = [self._holding[host.number] for host in self._hosts.living if host.number in self._holding]
            if held:
                await asyncio.wait(held, timeout=CLOSE_S)
            if self._link.alive:
                self._link.ignore(self._topic)
                await quietly(self._link.at_scheduler(scheduler.tidy(), self._topic))
        tasks = [*self._tasks, *self._holding.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._link.close()

    async def _weigh_losses(self) -> None:
        states, lost = self._intake.collector.states, self._hosts.count_lost()
        if lost <= self._asked.allow_lost or self._stopped or all(state.ended for state in states):
            return
        self._stopped = True
        self.say(f"{lost} of {len(self._hosts.all)} hosts lost, {self._asked.allow_lost} allowed: the others stop")
        await self.stop(drain=True)

    def _lose_scheduler(self) -> None:
        busy = self._hosts.busy
        if busy:
            self.say(f"the scheduler at {self._asked.shown} was lost; its hosts end by themselves within {LEASE_S:g} s")
        for host in busy:
            self._hosts.lose(host, "the scheduler was lost", tell=False)

    # -- words --------------------------------------------------------------------------------------------------------

    async def _follow(self, host: Host, held: Awaitable[Any]) -> None:
        try:
            await held
        except asyncio.CancelledError:
            raise
        except FutureCancelledError:
            self._lose_scheduler()  # only the scheduler could cancel a task
        except Exception as error:  # noqa: BLE001 - whatever Dask says of a worker, the host is lost
            self._hosts.lose(host, f"its worker has stopped ({type(error).__name__})")

    async def _renew(self) -> None:
        """Send every host a sign of life each second, and let the scheduler drop forwarded frames."""
        calls: set[asyncio.Task[None]] = set()
        while True:
            living = [host.worker for host in self._hosts.living]
            forget = self._link.at_scheduler(scheduler.forget(), self._topic)
            for work in (self._link.run(living, worker.renew, self._topic), quietly(forget)):
                call = asyncio.create_task(work)
                calls.add(call)
                call.add_done_callback(calls.discard)
            await asyncio.sleep(RENEW_S)

    async def _tell(self, hosts: Iterable[Host], messages: Mapping[int, Sealed]) -> None:
        living = [host.worker for host in hosts if not host.lost]
        await self._link.run(living, worker.deliver, self._topic, dict(messages))

    async def _end(self, host: Host, shards: Sequence[int]) -> None:
        if not host.lost:
            await self._link.run([host.worker], worker.end, self._topic, list(shards))

    async def _ask(self, host: Host, function: Callable[..., Any], *args: Any, within_s: float = CALL_S) -> Any:
        return await self._link.ask(host.worker, host.label, function, *args, within_s=within_s)


def _read_there(spec: RunSpec) -> list[str]:
    """The variables from which hosts read secrets; none where the run sends them."""
    if spec.secret is not None:
        return []
    target = spec.scenario.target
    return sorted(variables_of(target, scheme(target.scheme, target.custom).default_secret_env))

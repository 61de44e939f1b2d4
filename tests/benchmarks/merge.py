"""The launcher's own cost on a large cluster: what adding up the frames of 200 hosts takes of one core.

    python -m tests.benchmarks.merge

Real tallies fold the outcomes of a simulated endpoint, one per host and second, and give the frames that shards send;
all are made before anything is measured. Then this process does what a launcher does: it hears the hosts' signs of life
and frames, adds the frames up, and four times a second looks for silent hosts and asks for the progress that a live
view shows. Measured is its CPU time over the time of the run: once with the words handed over within the process (the
merge alone), and once as events of a real Dask scheduler, published by a worker, both in processes of their own. The
word that the launcher has for every host each second is not in it: here is but one worker.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, get_worker

from loadsim.engine.messages import Frame, FromShard, Ready, encode
from loadsim.launch.collect import Collector
from loadsim.launch.dask.hosts import Hosts
from loadsim.launch.dask.scheduler import prepare
from loadsim.launch.launcher import Intake
from loadsim.measure.hdr import Ints
from loadsim.measure.tally import Tally
from loadsim.model import NS_PER_MS, NS_PER_S
from tests.benchmarks import common

HOSTS = 200
RATES = (100, 500, 2_000)
"""Events per second and host."""
SECONDS = 15
STRATA = 3
SHARE_LIMIT = 0.2
"""Of one core, at one frame per second and host."""
VIEWS = 4
"""Looks of the live view per second."""
TOPIC = "frames"


# -- frames -----------------------------------------------------------------------------------------------------------


def frames_of(host: int, rate: int, seconds: int) -> list[bytes]:
    """What the shard of one host says each second, as it arrives: latencies log-normal, 10 ms in the middle."""
    random = np.random.Generator(np.random.Philox(host))
    tally = Tally(STRATA, 0, [-1] * STRATA)
    said = []
    for second in range(seconds):
        tally.fold(_outcomes(random, rate, second))
        said.append(_said(_frame(tally, second + 1, rate)))
    return said


def _outcomes(random: np.random.Generator, rate: int, second: int) -> Ints:
    """Rows as `Tally.fold` takes them."""
    rows = np.empty((rate, 10), dtype=np.int64)
    due = second * NS_PER_S + np.arange(rate) * NS_PER_S // rate + 1
    woken = due + random.lognormal(np.log(60_000), 0.3, rate).astype(np.int64)
    sent = woken + random.lognormal(np.log(20_000), 0.3, rate).astype(np.int64)
    first = sent + (10 * NS_PER_MS * random.lognormal(0, 0.5, rate)).astype(np.int64)
    columns: tuple[Any, ...] = (
        random.integers(0, STRATA, rate),
        200,
        due,
        woken,
        woken + 2_000,
        sent,
        first,
        first + 20_000,
        960,
        150,
    )
    for number, column in enumerate(columns):
        rows[:, number] = column
    return rows


def _frame(tally: Tally, seq: int, rate: int) -> Frame:
    planned = seq * rate
    return Frame(
        seq=seq,
        elapsed_ns=seq * NS_PER_S,
        planned=[planned // STRATA] * STRATA,
        ended=planned,
        in_flight=8,
        queued=0,
        connections=16,
        connections_peak=16,
        opened=16,
        saturated_ns=0,
        limit_reached="",
        cpu_s=0.1 * seq,
        rss_bytes=56_000_000,
        tally=tally.drain(),
        samples=[],
    )


def _said(message: FromShard) -> bytes:
    return encode(message)[4:]


# -- the launcher's side ----------------------------------------------------------------------------------------------


class Launcher:
    """What a launcher holds: a collector that is fed, the hosts as they are heard, and a live view that looks."""

    def __init__(self, hosts: int) -> None:
        self.collector = Collector(STRATA, hosts)
        self.intake = Intake(self.collector, lambda: None)
        self.hosts = Hosts([(f"10.0.{n // 250}.{n % 250}", f"tcp://host-{n}:1") for n in range(hosts)], hosts)
        self.hosts.take_up(self.intake)
        for state in self.collector.states:
            self.intake.take(state.number, _said(Ready("host", 1, "0", 1024, False)))
        self.frames = 0

    def begin(self) -> None:
        """From now on silence tells."""
        for each in (self.hosts, self.collector):
            each.started(time.monotonic_ns())

    def hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """As `launch.dask.shards` hears a host."""
        self.hosts.hear(event[1], time.monotonic_ns())
        self.frames += "data" in event[1]

    def look(self, elapsed_s: float) -> None:
        """As a launcher that waits and a live view do."""
        now = time.monotonic_ns()
        self.hosts.check(now)
        self.collector.silent(now)
        self.collector.progress(elapsed_s)

    def check(self, events: int) -> None:
        """Raises SystemExit when not everything was counted: figures of less work would flatter."""
        counted = self.collector.ended(range(STRATA))
        if counted != events or any(state.lost or state.frames_missing for state in self.collector.states):
            raise SystemExit(f"{counted:,} of {events:,} events were counted")


def alone(said: Sequence[Sequence[bytes]], events: int) -> tuple[float, list[float]]:
    """Frames handed over within the process: CPU seconds per second of the run, on average and for each second."""
    launcher = Launcher(len(said))
    launcher.begin()
    each = []
    for second in range(len(said[0])):
        began = time.process_time()
        for part in range(VIEWS):
            for host in range(part, len(said), VIEWS):
                launcher.hear((0.0, {"host": host, "shard": host, "data": said[host][second]}))
            launcher.look(second + (part + 1) / VIEWS)
        each.append(time.process_time() - began)
    launcher.check(events)
    return sum(each) / len(each), each


def publish(path: str, hosts: int, seconds: int) -> None:
    """On the worker: the words of all hosts, evenly over each second."""
    said: list[list[bytes]] = pickle.loads(Path(path).read_bytes())  # noqa: S301 - written by this program
    worker = get_worker()
    began = time.monotonic()
    for second in range(seconds):
        for host in range(hosts):
            # between two frames a host gives one sign of life
            worker.log_event(TOPIC, {"host": (host + hosts // 2) % hosts})
            worker.log_event(TOPIC, {"host": host, "shard": host, "data": said[host][second]})
            ahead = second + (host + 1) / hosts - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)


async def through_dask(said: Sequence[Sequence[bytes]], events: int) -> tuple[float, float]:
    """The same as events of a real scheduler: CPU seconds of this process per second, and those of the scheduler."""
    hosts, seconds = len(said), len(said[0])
    launcher = Launcher(hosts)
    with tempfile.NamedTemporaryFile(prefix="loadsim-bench-") as file:
        file.write(pickle.dumps(said))
        file.flush()
        async with _dask() as (client, scheduler):
            client.subscribe_topic(TOPIC, launcher.hear)
            await client.run_on_scheduler(prepare(), TOPIC, client.id)
            task = client.submit(publish, file.name, hosts, seconds, pure=False)
            while not launcher.frames:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
            launcher.begin()
            before, before_there = time.process_time(), common.cpu_seconds(scheduler)
            began = time.monotonic()
            while launcher.frames < hosts * seconds:
                await asyncio.sleep(1 / VIEWS)
                launcher.look(time.monotonic() - began)
            took = time.monotonic() - began
            ours, theirs = time.process_time() - before, common.cpu_seconds(scheduler) - before_there
            await task
    launcher.check(events)
    return ours / took, theirs / took


@contextlib.asynccontextmanager
async def _dask() -> AsyncIterator[tuple[Any, int]]:
    """A client, and the scheduler's process id; one worker that can import this module."""
    port = common.free_port()
    address = f"tcp://127.0.0.1:{port}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # noqa: TID251
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    run: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen
    module = (sys.executable, "-m")
    scheduler = run(
        [*module, "distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", "--no-show"], **quiet
    )
    worker = run([*module, "distributed.cli.dask_worker", address, "--no-nanny", "--no-dashboard"], **quiet)
    try:
        async with Client(address, asynchronous=True, set_as_default=False, timeout=30) as client:
            await client.wait_for_workers(1, timeout=30)
            yield client, scheduler.pid
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()


# -- figures ----------------------------------------------------------------------------------------------------------


def measure(hosts: int, rates: Sequence[int], seconds: int) -> list[dict[str, Any]]:
    """One row per rate."""
    rows = []
    for rate in rates:
        said = [frames_of(host, rate, seconds) for host in range(hosts)]
        share, each = alone(said, hosts * rate * seconds)
        with_dask, scheduler = asyncio.run(through_dask(said, hosts * rate * seconds))
        row = {
            "events_per_s_and_host": rate,
            "events_per_s": rate * hosts,
            "frame_kb": round(sum(len(frame) for one in said for frame in one) / hosts / seconds / 1000, 1),
            "merge_share": round(share, 4),
            "merge_share_worst_second": round(max(each), 4),
            "launcher_share": round(with_dask, 4),
            "scheduler_share": round(scheduler, 4),
            "hosts_at_limit": int(hosts * SHARE_LIMIT / with_dask),
        }
        common.say(str(row))
        rows.append(row)
    return rows


def document(hosts: int, rows: Sequence[Mapping[str, Any]], seconds: int) -> dict[str, Any]:
    """Everything, for JSON."""
    return {
        "environment": common.environment(),
        "hosts": hosts,
        "seconds": seconds,
        "share_limit": SHARE_LIMIT,
        "rows": list(rows),
        "met": all(row["launcher_share"] <= SHARE_LIMIT for row in rows),
    }


def markdown(found: Mapping[str, Any]) -> str:
    """The page."""
    head = ("events/s per host", "events/s in all", "frame", "merge", "worst second", "launcher with Dask", "scheduler")
    rows = [
        (
            f"{row['events_per_s_and_host']:,}",
            f"{row['events_per_s']:,}",
            f"{row['frame_kb']:.1f} kB",
            *(f"{row[name]:.1%}" for name in ("merge_share", "merge_share_worst_second")),
            *(f"{row[name]:.1%}" for name in ("launcher_share", "scheduler_share")),
        )
        for row in found["rows"]
    ]
    text = (
        f"{found['hosts']} simulated hosts, one frame each per second for {found['seconds']} s, the live view drawn "
        f"from {VIEWS} times a second. Shares are of one core: what the launcher needs for adding the frames up, the "
        "same and hearing them as Dask's events, and what Dask's scheduler needs to pass them on. The launcher's own "
        "word to every host each second is not in it: one worker speaks for all.\n"
    )
    bounds = "".join(
        f"- at {row['events_per_s_and_host']:,} events/s per host: about {row['hosts_at_limit']:,} hosts, "
        f"{row['hosts_at_limit'] * row['events_per_s_and_host']:,} events/s\n"
        for row in found["rows"]
    )
    limit = f"{found['share_limit']:.0%}"
    verdict = f"At most {limit} of a core with {found['hosts']} hosts: {'yes' if found['met'] else 'no'}.\n"
    bound = f"By proportion, {limit} of a core holds:\n\n{bounds}"
    about = common.environment_note(found["environment"]) + "\n"
    return "\n".join(("# Merging the frames of many hosts\n", about, text, common.table(head, rows), verdict, bound))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=HOSTS, help="simulated hosts (default 200)")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="seconds of each run (default 15)")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where merge.json and merge.md go")
    given = parser.parse_args()
    if given.hosts < 1 or given.seconds < 2:
        parser.error("give at least 1 host and 2 seconds")
    rows = measure(given.hosts, RATES, given.seconds)
    found = document(given.hosts, rows, given.seconds)
    text = markdown(found)
    print(text)
    common.write(given.out, "merge", found, md=text)


if __name__ == "__main__":
    main()

"""What an event costs each worker of a receiver when there are two, and how they share the connections.

Two workers serve 1.9 times what one serves only where each has a core to itself, beside one for the generator. On any
machine this measures what two have to pay for being two: receivers with one worker and with two take turns on one core,
with 64 connections for each worker, so that each finds as much to do at once. The figures are the CPU time of the
workers per event, that of their parent, and the shares of the workers.

    python -m tests.benchmarks.receiver_workers
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from loadsim.measure.timing_statistics import spread
from tests.benchmarks import common, receivers

ENGINES = ("aiohttp", "bare")
WORKERS = (1, 2)
LIMIT = 1.05
"""The CPU time of an event with two workers, of that with one."""
ESTABLISHED = "01"
"""In /proc/net/tcp."""
_HEAD = ("engine", "workers", "CPU µs per event", "min to max", "least share of events", "of connections", "parent")


class Window(NamedTuple):
    """What one stretch of load saw."""

    cpu_us: float
    """Of all workers, per event."""
    events: float
    """The share of the worker with the fewest events."""
    connections: float
    """The share of the worker with the fewest connections."""
    parent: float
    """The share of a core that the parent took."""
    noise: float
    """The share of a core that strangers took."""


def window(engine: str, workers: int, cores: common.Cores, directory: Path, seconds: int) -> Window:
    """Start the receiver, warm it up, load it, read what each process took."""
    port, admin, requests = common.free_port(), common.free_port(), directory / "requests"
    receivers.write_requests(requests, receivers.TRACKPILOTS)
    secret = ["--secret-env", "BENCH_SECRET", "--scheme", receivers.TRACKPILOTS]
    where = ["--port", str(port), "--admin", f"127.0.0.1:{admin}", "--engine", engine, "--workers", str(workers)]
    command = common.pinned(cores.target, common.loadsim("receive", *where, *secret))
    load = (cores.generator, port, requests)
    size = receivers.CONNECTIONS * workers
    with (
        common.running(command, extra={"BENCH_SECRET": receivers.KEY}) as process,
        ThreadPoolExecutor(1) as executor,
    ):
        common.wait_for_port(port, process, 60.0)
        receivers.fire(*load, receivers.WARM_UP_S, size)
        machine, own, began = common.machine_load(), common.own_cpu_seconds(), time.perf_counter()
        before, parent_s = _workers(admin), common.process_seconds(process.pid)
        firing = executor.submit(receivers.fire, *load, seconds, size)
        time.sleep(seconds / 2)
        held = [_connections(pid, port) for pid in before]
        firing.result()
        after, took_s = _workers(admin), time.perf_counter() - began
        parent_s = common.process_seconds(process.pid) - parent_s
    events = [after[pid][0] - before[pid][0] for pid in before]
    cpu_s = sum(after[pid][1] - before[pid][1] for pid in before)
    ours_s = cpu_s + parent_s + common.own_cpu_seconds() - own
    return Window(
        cpu_us=cpu_s / sum(events) * 1e6,
        events=min(events) / sum(events),
        connections=min(held) / sum(held),
        parent=parent_s / took_s,
        noise=common.noise(machine, common.machine_load(), ours_s, took_s),
    )


def _workers(admin: int) -> dict[int, tuple[int, float]]:
    """By process: events that it verified, and its CPU seconds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/stats") as answer:
        rows = json.load(answer)["per_worker"]
    return {row["pid"]: (row["counts"]["verified"], common.process_seconds(row["pid"])) for row in rows}


def _connections(pid: int, port: int) -> int:
    """The connections to a port that a process has open."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    to_port = {line[9] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == ESTABLISHED}
    links = [str(place.readlink()) for place in Path(f"/proc/{pid}/fd").iterdir()]
    return len(to_port & {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")})


def measure(rounds: int, seconds: int) -> dict[tuple[str, int], list[Window]]:
    """`rounds` windows of each engine with each number of workers, in turn."""
    cores = common.share_out()
    found: dict[tuple[str, int], list[Window]] = {(name, count): [] for name in ENGINES for count in WORKERS}
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as directory:
        for number in range(rounds):
            for (engine, workers), windows in found.items():
                seen = window(engine, workers, cores, Path(directory), seconds)
                windows.append(seen)
                text = f"{seen.cpu_us:.1f} µs per event, least share {seen.events:.0%}, noise {seen.noise:.0%}"
                common.say(f"round {number + 1} of {rounds}: {engine}, {workers}: {text}")
    return found


def document(found: dict[tuple[str, int], list[Window]]) -> dict[str, Any]:
    """Everything, for JSON."""
    rows = [
        {
            "engine": engine,
            "workers": workers,
            **{name: spread([getattr(seen, name) for seen in windows]).document() for name in Window._fields},
        }
        for (engine, workers), windows in found.items()
    ]
    ratios = {
        name: spread(
            [two.cpu_us / one.cpu_us for one, two in zip(found[name, 1], found[name, 2], strict=True)]
        ).document()
        for name in ENGINES
    }
    return {
        "environment": common.environment(),
        "noise": common.noise_note([seen.noise for windows in found.values() for seen in windows]),
        "rows": rows,
        "two_of_one": ratios,
    }


def markdown(found: dict[str, Any]) -> str:
    """The page."""
    rows = [
        (
            row["engine"],
            str(row["workers"]),
            f"{row['cpu_us']['median']:.1f}",
            f"{row['cpu_us']['low']:.1f} to {row['cpu_us']['high']:.1f}",
            f"{row['events']['median']:.1%}",
            f"{row['connections']['median']:.1%}",
            f"{row['parent']['median']:.1%}",
        )
        for row in found["rows"]
    ]
    ratios = [
        (name, f"{ratio['median']:.3f}", f"{ratio['low']:.3f} to {ratio['high']:.3f}", f"≤ {LIMIT:g}")
        for name, ratio in found["two_of_one"].items()
    ]
    told = (
        f"All workers on one core, wrk with {receivers.CONNECTIONS} connections for each worker on another, medians of "
        "interleaved windows. How many events two workers serve with a core for each needs three cores, and is not "
        "measured here: the CPU time of an event says what they could.\n"
    )
    shares = (
        "The parent's share is of a core. The kernel gives each connection to a worker by a hash of its addresses "
        "(SO_REUSEPORT), so the shares of few connections differ by chance.\n"
    )
    parts = [
        "# What a second worker costs a receiver\n",
        f"{common.environment_note(found['environment'])} {found['noise']}\n",
        told,
        common.table(_HEAD, rows),
        shares,
        common.table(("engine", "two workers / one, CPU per event", "min to max", "asked"), ratios),
    ]
    return "\n".join(parts)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="windows of each kind (%(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="length of a window (%(default)s)")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="(%(default)s)")
    given = parser.parse_args()
    if lack := common.missing("wrk", "taskset"):
        sys.exit(lack)
    result = document(measure(given.rounds, given.seconds))
    text = markdown(result)
    print(text)
    common.write(given.out, "receiver_workers", result, md=text)


if __name__ == "__main__":
    main()

"""The cost of reconciliation: comparing a million events with a user's own file, and noting one event in the ledger.

    python -m tests.benchmarks.ledger

Joining: `loadsim reconcile` on a run of a million events and on files in which one event in ten thousand is missing and
one stands twice; wall time and the greatest resident memory of the process, as the kernel has it. Noting: instructions
of the bare engine per verified event with the ledger and without, by callgrind, as the difference between a long and a
short stretch, so that starting up does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from loadsim.events import EventSource
from loadsim.measure.event_outcomes import FILE, Outcomes, dump_outcomes
from loadsim.measure.result import dump_result
from loadsim.measure.timing_statistics import spread
from loadsim.model import Secret
from loadsim.receiver.answer_choice import Rules
from loadsim.receiver.counters import SharedCounters
from loadsim.receiver.fault_plan import fault_plan
from loadsim.receiver.handler import WebhookHandler
from loadsim.receiver.http_bare import BareEngine
from loadsim.receiver.ledger import LedgerMemory
from loadsim.receiver.options import ReceiverOptions
from loadsim.signing import scheme
from tests.benchmarks import common
from tests.builders import run_result

SECONDS, MEGABYTES, SHARE = 10.0, 200.0, 0.03
"""What is asked: of joining a million events, and of noting one beside everything else."""
RUN = "20260504-091000-benchmark-3f2a"
EVERY = 10_000
SUCCEEDED = 5
SHORT, LONG = 2_000, 6_000
FIRST, ENTERED = 100_000, 1_000
"""Notes are entered as many at once as a bare engine at full speed has them in a fiftieth of a second."""
SECRET = Secret("whsec_benchmark")


class Joined(NamedTuple):
    """One command: what it read, how long it took, and the most memory that it held."""

    name: str
    mb_read: float
    seconds: float
    rss_mb: float


# -- joining --------------------------------------------------------------------------------------------------------


def write_run(directory: Path, events: int) -> tuple[str, int]:
    """A stored run of so many events that all succeeded: its id and its seed."""
    result = run_result()
    kept = run_result(by_event={common.EVENT: result.totals})
    outcomes = Outcomes(np.full(events, SUCCEEDED, np.uint8), np.ones(events, np.uint8))
    (directory / "result.json").write_bytes(dump_result(kept))
    (directory / FILE).write_bytes(dump_outcomes(outcomes, kept.run.id))
    return kept.run.id, kept.run.seed


def indexes(events: int) -> Iterator[int]:
    """What the endpoint processed: all but one in EVERY, and one in EVERY twice."""
    for index in range(events):
        if index % EVERY == 17:
            continue
        yield index
        if index % EVERY == 4_711:
            yield index


def write_files(directory: Path, events: int, run: str, seed: int) -> dict[str, tuple[Path, str]]:
    """Name → file and its field: the mark in both forms, the event's own id, and whole bodies."""
    source = EventSource(common.EVENT, seed)
    forms: dict[str, tuple[str, str, Callable[[int], bytes], bytes]] = {
        "NDJSON, X-Loadsim-Id": ("marks.ndjson", "id", lambda i: b'{"id":"%b/%d/1","at":1}' % (run.encode(), i), b""),
        "CSV, X-Loadsim-Id": ("marks.csv", "id", lambda i: b"processed,%b/%d/1" % (run.encode(), i), b"what,id\n"),
        "NDJSON, the event's own id": (
            "ids.ndjson",
            "order.id",
            lambda i: b'{"order":{"id":"%b"}}' % source.event_id(i).encode(),
            b"",
        ),
        "NDJSON of whole bodies": (
            "bodies.ndjson",
            "data.0.tracking.trackingId",
            lambda i: source.body(i, 1_777_885_800_000_000_000),
            b"",
        ),
    }
    written = {}
    for name, (file, field, line, head) in forms.items():
        path = directory / file
        with path.open("wb") as out:
            out.write(head)
            out.writelines(line(index) + b"\n" for index in indexes(events))
        written[name] = (path, field)
    return written


def join(directory: Path, name: str, path: Path, field: str, events: int) -> Joined:
    """Run the command once. Raises SystemExit when it does not find what is there to be found."""
    command = common.loadsim("reconcile", str(directory), str(path), "--id", field)
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=common.ROOT, env=common.child_environment(), stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    wrong = events // EVERY
    if process.returncode != 99 or f"{wrong:,} events answered 2xx, and not in" not in said:
        raise SystemExit(f"{name}: exit code {process.returncode}\n{said}")
    return Joined(name, path.stat().st_size / 1e6, took, usage.ru_maxrss / 1024)


def measure_joining(events: int, rounds: int) -> dict[str, list[Joined]]:
    """Every file, round after round; the first round, which warms the page cache, is left out."""
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as name:
        directory = Path(name)
        files = write_files(directory, events, *write_run(directory, events))
        found: dict[str, list[Joined]] = {form: [] for form in files}
        for number in range(rounds + 1):
            for form, (path, field) in files.items():
                once = join(directory, form, path, field, events)
                if number:
                    found[form].append(once)
                common.say(f"round {number}: {form}: {once.seconds:.2f} s, {once.rss_mb:.0f} MB")
    return found


# -- noting ---------------------------------------------------------------------------------------------------------


async def serve(*, ledger: bool) -> None:
    """A bare engine on a free port, which is printed, until stdin ends."""
    options = ReceiverOptions(engine="bare")
    verifier = scheme(options.scheme).verifier(SECRET, None, url="http://x/")
    memory = LedgerMemory.create(1, options.ledger_limit)
    memory.register(RUN)
    part = memory.part(0) if ledger else None
    counters = SharedCounters.create(1)
    handler = WebhookHandler(
        options, Rules(options.path, verifier), counters.row(0), fault_plan(options, 0), ledger=part
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, part.enter if part is not None else bool)
    listener = socket.create_server(("127.0.0.1", 0))
    await BareEngine(options, handler, None).serve(listener)
    print(listener.getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    if part is not None:
        part.enter()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
        (run,) = memory.runs()
        kept = memory.of_run(run)
        assert kept is not None
        assert int(kept.accepted.sum()) == counters.counts().verified


def instructions(events: int, *, ledger: bool) -> int:
    """Everything that a receiver executes, from its start to its end, around so many events."""
    own = [sys.executable, "-m", "tests.benchmarks.ledger", "--serve", "ledger" if ledger else "none"]
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *own]
    environment = common.child_environment({"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"})
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=common.ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        source, signer = EventSource(common.EVENT, 1), scheme("trackpilots").signer(SECRET)
        lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        for index in range(FIRST, FIRST + events):
            now_ns = time.time_ns()
            body = source.body(index, now_ns)
            head = (
                f"POST {common.PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: loadsim\r\nAccept: */*\r\n"
                f"Content-Type: application/json\r\nX-Loadsim-Id: {RUN}/{index}/1\r\n"
                f"Content-Length: {len(body)}\r\n"
            ).encode()
            line = lines[index % len(lines)]
            line.sendall(head + signer.headers(body, now_ns, "") + b"\r\n" + body)
            answer = line.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"the receiver answered {answer!r}")
            if index % ENTERED == 0:
                process.send_signal(signal.SIGUSR1)
        for line in lines:
            line.close()
        _, said = process.communicate()
    counted = re.search(r"Collected : (\d+)", said)
    if process.returncode or counted is None:
        raise SystemExit(f"callgrind failed: {said}")
    return int(counted[1])


def measure_noting() -> dict[str, float]:
    """Instructions per event, with the ledger and without."""
    found = {}
    for name, ledger in (("without", False), ("with", True)):
        short, long = (instructions(events, ledger=ledger) for events in (SHORT, LONG))
        found[name] = (long - short) / (LONG - SHORT)
        common.say(f"{name} the ledger: {found[name]:,.0f} instructions per event")
    return found


# -- the page -------------------------------------------------------------------------------------------------------


def document(events: int, joined: dict[str, list[Joined]], noting: dict[str, float], noises: Sequence[float]) -> Any:
    """Everything, for JSON."""
    rows = {
        name: {
            "mb_read": round(found[0].mb_read, 1),
            "seconds": spread([once.seconds for once in found]).document(3),
            "rss_mb": spread([once.rss_mb for once in found]).document(1),
        }
        for name, found in joined.items()
    }
    every = [once for found in joined.values() for once in found]
    return {
        "environment": common.environment(),
        "noise": common.noise_note(noises),
        "events": events,
        "joining": rows,
        "limits": {"seconds": SECONDS, "rss_mb": MEGABYTES, "share": SHARE},
        "met": all(once.seconds < SECONDS and once.rss_mb < MEGABYTES for once in every),
        "noting": {
            "instructions_without": round(noting["without"]),
            "instructions_with": round(noting["with"]),
            "share": round(noting["with"] / noting["without"] - 1, 4),
        }
        if noting
        else None,
    }


def markdown(found: dict[str, Any]) -> str:
    """The page."""
    rows = [
        (
            name,
            f"{row['mb_read']:,.0f} MB",
            f"{row['seconds']['median']:.2f} s",
            f"{row['seconds']['high']:.2f} s",
            f"{row['rss_mb']['high']:.0f} MB",
        )
        for name, row in found["joining"].items()
    ]
    parts = [
        "# Ledger\n",
        f"{common.environment_note(found['environment'])} {found['noise']}\n",
        (
            f"`loadsim reconcile` on a run of {found['events']:,} events, from starting the process to its end; under "
            f"{SECONDS:g} s and {MEGABYTES:g} MB each time: {'yes' if found['met'] else 'no'}.\n"
        ),
        common.table(("file", "size", "median", "longest", "most memory"), rows),
    ]
    if (noting := found["noting"]) is not None:
        parts.append(
            f"The bare engine executes {noting['instructions_without']:,} instructions for a verified event without a "
            f"ledger and {noting['instructions_with']:,} with it: {noting['share']:+.1%} (callgrind; asked: at most "
            f"{SHARE:.0%}).\n"
        )
    return "\n".join(parts)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the run (default 1,000,000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each file is joined (default 5)")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where ledger.json and .md go")
    parser.add_argument("--serve", choices=("ledger", "none"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        import uvloop

        uvloop.run(serve(ledger=given.serve == "ledger"))
        return
    if given.rounds < 1 or given.events < 2 * EVERY:
        parser.error(f"give at least 1 round and {2 * EVERY:,} events")
    load, own, began = common.machine_load(), common.own_cpu_seconds(), time.perf_counter()
    joined = measure_joining(given.events, given.rounds)
    used = common.own_cpu_seconds() - own
    noises = [common.noise(load, common.machine_load(), used, time.perf_counter() - began)]
    lack = common.missing("valgrind")
    if lack:
        common.say(f"instructions are not counted: {lack}")
    result = document(given.events, joined, {} if lack else measure_noting(), noises)
    text = markdown(result)
    print(text)
    common.write(given.out, "ledger", msgspec.to_builtins(result), md=text)


if __name__ == "__main__":
    main()

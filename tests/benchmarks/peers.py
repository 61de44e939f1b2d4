"""loadsim beside other load generators on the same work, on one machine, in one sitting.

    python -m tests.benchmarks.peers            (--install first, once: puts k6, Locust and autocannon into ~/.cache)

The work: unique app-tracking events, each built and signed when it is sent, POSTed over 64 kept connections to nginx
(`return 200`), over http and over https with one cipher for all; over HTTP/2 (h2c without TLS, h2 with it) the same
with 64 events in flight on 1, 8 or 64 connections. nginx has a core of its own, the generator with all its processes
and threads another. loadsim is the real `loadsim run`, recording everything that it always records.

How a rate is taken, alike for all: the tool is started for longer than the window; once nginx holds all connections
and SETTLE_S more have gone by, the window opens. nginx's own request count (`stub_status`) and the CPU time of the
generator's process tree (/proc, user and system, with ended children) are read at both ends of the window. So
start-up, preflight, connecting, TLS handshakes and the final report are counted for nobody. No figure is a tool's own.
Rounds are interleaved: every round runs every tool once, every other round in reverse order, so that a drift of the
machine meets all alike and neighbours stay neighbours. Ratios are of the same round; the spread is shown as quartiles
and extremes.

Before the rounds every tool proves its work: for CHECK_S it sends to the verifying companion receiver (over https
behind nginx's TLS). At least 1,000 events must arrive, all verify, no two be alike (but for the ceiling rows), and
their mean length be within 2 % of loadsim's; otherwise its row is refused. A tool that is not there is reported
missing.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import common, peer_report
from tests.benchmarks.common import Cores
from tests.benchmarks.nginx import CHECKED, SCHEMES, Nginx, serving
from tests.benchmarks.peer_report import Row, Sample, Sitting
from tests.benchmarks.peer_tools import TOOLS, Job, Tool, install
from tests.benchmarks.witness import Testimony, watching

SETTLE_S = 1.5
TAIL_S = 1.0
CHECK_S = 3
CHECK_EVENTS = 1_000
CHECK_LENGTH = 0.02


class Counters(NamedTuple):
    """What is read at each end of a window."""

    load: common.Load
    generator: float
    target: float
    events: int
    connections: int
    clock: float


class Bench:
    """One sitting."""

    def __init__(self, nginx: Nginx, cores: Cores, directory: Path, witness: int, seconds: float) -> None:
        self._nginx = nginx
        self._cores = cores
        self._directory = directory
        self._witness = witness
        self._seconds = seconds

    def check(self, row: Row, reference: float | None) -> None:
        """Let the tool prove its work; `reference` is loadsim's mean body length. Fills `checked` and `refused`.

        On a busy machine a slow starter gets a second, longer chance.
        """
        url = f"http://127.0.0.1:{self._witness}{common.PATH}"
        if row.asked != "http":
            url = self._nginx.url(row.asked, CHECKED + common.PATH)
        for seconds in (CHECK_S, 5 * CHECK_S):
            with watching(self._cores.target, self._witness) as witness:
                trouble = self._run_through(row.tool, self._job(url, seconds))
                row.checked = seen = witness.testimony()
            row.refused = trouble or verdict(row.tool, seen, reference)
            if seen.received >= CHECK_EVENTS:
                break

    def sample(self, row: Row) -> Sample:
        """One window. Raises RuntimeError when the tool fails."""
        nginx, seconds = self._nginx, self._seconds
        job = self._job(nginx.url(row.asked), math.ceil(SETTLE_S + seconds + TAIL_S))
        before = nginx.status().requests
        with self._started(row.tool, job) as (process, log):
            try:
                nginx.wait_for_load(row.tool.connections, before, process)
                time.sleep(SETTLE_S)
                first = self._counters(process.pid)
                time.sleep(seconds)
                last = self._counters(process.pid)
                if process.poll() is not None:
                    raise RuntimeError("it ended before the window did")
                process.wait(60)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                raise RuntimeError(f"{error}: {_last_words(log)}") from None
            if process.returncode:
                raise RuntimeError(f"it ended with exit code {process.returncode}: {_last_words(log)}")
        return _between(first, last)

    def _run_through(self, tool: Tool, job: Job) -> str:
        with self._started(tool, job) as (process, log):
            try:
                code = process.wait(job.seconds + 60)
            except subprocess.TimeoutExpired:
                return "it did not end"
            return f"it ended with exit code {code}: {_last_words(log)}" if code else ""

    def _job(self, url: str, seconds: int) -> Job:
        return Job(url, seconds, self._directory / "results", self._nginx.certificate)

    def _counters(self, pid: int) -> Counters:
        # always in this order: what reading costs then shifts both ends of the window alike
        load, generator, target = common.machine_load(), common.cpu_seconds(pid), common.cpu_seconds(self._nginx.pid)
        status = self._nginx.status()
        return Counters(load, generator, target, status.requests, status.connections, time.perf_counter())

    @contextlib.contextmanager
    def _started(self, tool: Tool, job: Job) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        path = self._directory / f"{tool.key}.log"
        command = common.pinned(self._cores.generator, tool.command(job))
        with path.open("wb") as log, common.running(command, log=log) as process:
            yield process, path


def _between(first: Counters, last: Counters) -> Sample:
    count, took = last.events - first.events, last.clock - first.clock
    if not count:
        raise RuntimeError("it sent nothing while the window was open")
    cpu, target_cpu = last.generator - first.generator, last.target - first.target
    noise = common.noise(first.load, last.load, cpu + target_cpu, took)
    return Sample(count / took, cpu / count * 1e6, cpu / took, target_cpu / took, noise, last.connections)


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


def verdict(tool: Tool, seen: Testimony, reference: float | None) -> str:
    """Why the row is refused; empty when the tool did the work. `reference` None: the tool sets the length."""
    if seen.received < CHECK_EVENTS:
        return f"only {seen.received} events arrived, {CHECK_EVENTS} are needed"
    if seen.refused:
        reasons = ", ".join(f"{name} {count}" for name, count in sorted(seen.refused.items()))
        return f"{seen.received - seen.verified} of {seen.received} events did not verify ({reasons})"
    if tool.signs and seen.repeated:
        return f"{seen.repeated} of {seen.received} bodies were sent before"
    if reference is not None and abs(seen.mean_length / reference - 1) > CHECK_LENGTH:
        return f"its bodies have {seen.mean_length:.0f} bytes on average, loadsim's {reference:.0f}"
    return ""


def prove(bench: Bench, rows: Sequence[Row]) -> None:
    """Every tool proves its work, loadsim first, whose body length the others are held to."""
    reference: dict[str, float] = {}
    for row in rows:
        bench.check(row, reference.get(row.scheme))
        if row.tool.key in peer_report.REFERENCES and row.scheme not in reference and row.checked is not None:
            if row.refused:
                raise SystemExit(f"loadsim itself did not prove its work over {row.scheme}: {row.refused}")
            reference[row.scheme] = row.checked.mean_length
        common.say(f"{row.scheme:5} {row.tool.name}: {f'refused: {row.refused}' if row.refused else 'does the work'}")


def measure(bench: Bench, rows: Sequence[Row], rounds: int) -> None:
    """All rounds, interleaved."""
    able = [row for row in rows if not row.refused]
    for number in range(rounds):
        for row in reversed(able) if number % 2 else able:
            try:
                sample = row.samples[number] = bench.sample(row)
            except RuntimeError as error:
                row.failures.append(f"round {number + 1}: {error}")
                common.say(f"{number + 1:2} {row.scheme:5} {row.tool.name}: failed: {error}")
                continue
            text = f"{sample.rate:9,.0f} events/s  {sample.cpu_us:6.2f} µs of CPU each"
            common.say(f"{number + 1:2} {row.scheme:5} {row.tool.name:32} {text}")


def main() -> None:
    """The command line."""
    names = [tool.key for tool in TOOLS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds (default 9)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a window (default 4)")
    parser.add_argument("--tools", nargs="+", choices=names, default=names, help="loadsim is always among them")
    parser.add_argument("--schemes", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where peers.json and peers.md go")
    parser.add_argument("--install", action="store_true", help="put the peers into ~/.cache/loadsim-bench, then end")
    given = parser.parse_args()
    if given.install:
        install()
        return
    if given.rounds < 1 or given.seconds < 0.5:
        parser.error("give at least 1 round of at least 0.5 seconds")
    chosen = [tool for tool in TOOLS if tool.key in {*given.tools, *peer_report.REFERENCES}]
    lacking = {tool.key: tool.lack() for tool in chosen}
    rows = [
        Row(tool, scheme, lacking[tool.key]) for scheme in given.schemes for tool in chosen if scheme in tool.schemes
    ]
    there = [row for row in rows if not row.missing]
    cores = common.share_out()
    port = common.free_port()
    with (
        tempfile.TemporaryDirectory(prefix="loadsim-bench-") as name,
        serving(Path(name), cores.target, port) as nginx,
    ):
        bench = Bench(nginx, cores, Path(name), port, given.seconds)
        prove(bench, there)
        measure(bench, there, given.rounds)
    sitting = Sitting(rows, given.rounds, given.seconds)
    document = peer_report.document(sitting)
    text = peer_report.markdown(document)
    print(text)
    common.write(given.out, "peers", document, md=text)


if __name__ == "__main__":
    main()

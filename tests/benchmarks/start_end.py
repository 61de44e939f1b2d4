"""The two ends of a run: the time until its first event, its first second, and what follows the last answer.

    python -m tests.benchmarks.start_end [--before COMMIT] [--rounds N] [--events N] [--long N] [--long-rounds N]

This tree against another commit, in turns, whose order changes with each round; the other tree is taken from git's own
store. Byte code is compiled, as an installation does it, and files are in the page cache: the first round is left out.

- help, simulate: from starting the process until it has ended. simulate sends one event to a plain loopback socket.
- first event: from starting `loadsim run` until the first bytes of the first request arrive, by that socket's process;
  the preflight's connection sends nothing and does not count. Once on all cores, as a user has it, and once with all
  of its processes on one.
- first second: nginx's own count of events in the first second from the first event on, over the mean of the next
  three, and in the whole four. nginx on one core, the generator on another.
- end: from nginx's last answer (its count is read every few ms) until the command has ended, all reports written.
- long end: the same of the events of an hour whose shards are simulated, see `long_run`.

Figures are medians of the rounds; a ratio is the median of the rounds' ratios, with the middle half of them beside it:
where that is wide, the machine was noisy. Of what has ended, the CPU time of all its processes is shown too, which
suffers less from that.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from loadsim.measure.timing_statistics import spread
from tests.benchmarks import common, nginx
from tests.benchmarks.coldstart import ANSWER

TREES = ("before", "now")
PATIENCE_S = 60.0
CONNECTIONS = 64
SECONDS = 4
"""Of the run whose first second is looked at."""
HOUR_S = 3600
LONG_SHARDS = 2
LOOK_S = 0.003
ALL_CORES = ",".join(map(str, sorted(os.sched_getaffinity(0))))
"""The harness itself moves to one of them."""
SHOWN = {
    "help": ("`loadsim --help`", "s", "0.06 s"),
    "simulate": ("`loadsim simulate`, one event", "s", "0.25 s"),
    "first_event": ("first event of `loadsim run`", "s", "0.35 s"),
    "first_event_one_core": ("first event, all on one core", "s", ""),
    "first_second": ("first second, share of the next three", "", ""),
    "four_seconds": ("events in the first four seconds", "events", ""),
    "end": ("end of a run", "s", "0.5 s"),
    "long_end": ("end of an hour, simulated", "s", "2 s"),
}
"""Figure → its words, unit, and the most that is asked."""


class Taken(NamedTuple):
    """One figure of one tree in one round."""

    value: float
    cpu_s: float | None = None
    """Of all processes of the command, where it has ended."""


class Bench:
    """One sitting: the trees and where things lie."""

    def __init__(self, trees: Mapping[str, Path], home: Path, cores: common.Cores, target: nginx.Nginx) -> None:
        self._trees, self._home, self._cores, self._target = trees, home, cores, target

    def help(self, tree: str) -> Taken:
        """See the module."""
        with self._started(tree, "--help") as child:
            return child.ended()

    def simulate(self, tree: str) -> Taken:
        """See the module."""
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            self._started(tree, "simulate", _url(listener), "-e", common.EVENT) as child,
        ):
            _first_bytes(listener, child)
            return child.ended()

    def first_event(self, tree: str, core: int | None = None) -> Taken:
        """See the module."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            words = ("run", _url(listener), "-n", "1", "-c", "1", "-e", common.EVENT, "-q")
            with self._started(tree, *words, core=core) as child:
                took = _first_bytes(listener, child) - child.began
                return Taken(took, child.ended().cpu_s)

    def first_event_one_core(self, tree: str) -> Taken:
        """See the module."""
        return self.first_event(tree, self._cores.generator)

    def seconds(self, tree: str) -> tuple[Taken, Taken]:
        """The first second over the mean of the next ones, and the events of all."""
        size = ("-c", str(CONNECTIONS), "-d", f"{SECONDS + 2}s", "-e", common.EVENT, "-w", "1", "-q")
        before = self._target.status().requests
        with self._started(tree, "run", self._target.url("http"), *size, core=self._cores.generator) as child:
            while self._target.status().requests == before:
                child.check()
                time.sleep(LOOK_S)
            began = time.perf_counter()
            looks = [(began, before)]
            for second in range(1, SECONDS + 1):
                time.sleep(max(0.0, began + second - time.perf_counter()))
                looks.append((time.perf_counter(), self._target.status().requests))
            child.ended()
        (_, none), (first_at, first), (last_at, last) = looks[0], looks[1], looks[-1]
        rate = (first - none) / (first_at - began)
        later = (last - first) / (last_at - first_at)
        return Taken(rate / later), Taken((last - none) / (last_at - began) * SECONDS)

    def end(self, tree: str, events: int) -> Taken:
        """See the module."""
        words = ("-c", str(CONNECTIONS), "-n", str(events), "-d", "1h", "-e", common.EVENT, "-w", "1", "-q")
        before = self._target.status().requests
        with self._started(tree, "run", self._target.url("http"), *words, core=self._cores.generator) as child:
            while (left := before + events - self._target.status().requests) > 0:
                child.check()
                time.sleep(0.5 if left > events // 4 else LOOK_S)
            answered = time.perf_counter()
            child.ended()
            return Taken(time.perf_counter() - answered)

    def long_end(self, tree: str, events: int) -> Taken:
        """See the module."""
        stamp = self._home / "stamp"
        shares = (str(LONG_SHARDS), str(HOUR_S), str(events // LONG_SHARDS // HOUR_S), str(stamp))
        size = ("-c", str(CONNECTIONS), "-d", "1h", "-e", common.EVENT, "-w", str(LONG_SHARDS), "-q")
        words = (*shares, "run", "http://127.0.0.1:9/", *size)
        with self._started(tree, *words, core=self._cores.generator, module="tests.benchmarks.long_run") as child:
            cpu_s = child.ended().cpu_s
            ended = time.monotonic_ns()
        at_ns, used = stamp.read_text("ascii").split()
        return Taken((ended - int(at_ns)) / 1e9, (cpu_s or 0.0) - float(used))

    @contextlib.contextmanager
    def _started(self, tree: str, *words: str, core: int | None = None, module: str = "loadsim") -> Iterator[Child]:
        environment = common.counting_environment(self._trees[tree])
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = str(self._home / "byte code")
        command = [sys.executable, "-P", "-m", module, *words]
        with tempfile.TemporaryDirectory(dir=self._home) as directory, tempfile.TemporaryFile() as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                ["taskset", "-c", ALL_CORES if core is None else str(core), *command],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            child = Child(process, began, log)
            try:
                yield child
            finally:
                child.kill()


class Child:
    """A command that was started at `began`, by the performance counter."""

    def __init__(self, process: subprocess.Popen[bytes], began: float, log: Any) -> None:
        self.began = began
        self._process, self._log = process, log

    def check(self) -> None:
        """Raises SystemExit with its last words when it has ended."""
        if self._process.poll() is not None:
            self._give_up(self._process.returncode)

    def ended(self) -> Taken:
        """Wait for its end: seconds since it began. Raises SystemExit when it failed."""
        _, status, usage = os.wait4(self._process.pid, 0)
        took = time.perf_counter() - self.began
        self._process.returncode = code = os.waitstatus_to_exitcode(status)
        if code:
            self._give_up(code)
        return Taken(took, usage.ru_utime + usage.ru_stime)

    def kill(self) -> None:
        """Where something went wrong in between."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _give_up(self, code: int) -> None:
        self._log.seek(0)
        sys.exit(
            f"{self._process.args!r} ended with exit code {code}: {self._log.read()[-1500:].decode(errors='replace')}"
        )


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}{common.PATH}"


def _first_bytes(listener: socket.socket, child: Child) -> float:
    """When the first bytes came, by the performance counter; they are answered. Raises SystemExit when none do."""
    listener.settimeout(PATIENCE_S)
    while True:
        try:
            line, _ = listener.accept()
        except TimeoutError:
            child.check()
            sys.exit("the command sent nothing")
        with line:
            line.settimeout(PATIENCE_S)
            if line.recv(65536):
                arrived = time.perf_counter()
                line.sendall(ANSWER)
                return arrived


def measure(before: str, rounds: int, events: int, long: int, long_rounds: int) -> list[dict[str, dict[str, Taken]]]:
    """By round, figure and tree."""
    cores = common.share_out()
    with common.compared(before) as trees, tempfile.TemporaryDirectory(prefix="loadsim-bench-") as directory:
        home = Path(directory)
        (home / "nginx").mkdir()
        with nginx.serving(home / "nginx", cores.target) as target:
            bench = Bench(trees, home, cores, target)
            found = []
            for number in range(rounds + 1):
                order = TREES if number % 2 else tuple(reversed(TREES))
                taken = _round(bench, order, events, long if number <= long_rounds else 0, warming=not number)
                if number:
                    found.append(taken)
                    common.say(f"round {number}: " + ", ".join(f"{name} {_ratio(taken[name]):.3f}" for name in taken))
            return found


def _round(bench: Bench, order: Sequence[str], events: int, long: int, *, warming: bool) -> dict[str, dict[str, Taken]]:
    """Every figure of both trees. The first round, which is left out, is a short one."""
    ways: dict[str, Callable[[str], Taken]] = {
        "help": bench.help,
        "simulate": bench.simulate,
        "first_event": bench.first_event,
        "first_event_one_core": bench.first_event_one_core,
    }
    if events:
        ways["end"] = lambda tree: bench.end(tree, 1_000 if warming else events)
    if long and not warming:
        ways["long_end"] = lambda tree: bench.long_end(tree, long)
    taken = {name: {tree: way(tree) for tree in order} for name, way in ways.items()}
    if not warming:
        seconds = {tree: bench.seconds(tree) for tree in order}
        for place, name in enumerate(("first_second", "four_seconds")):
            taken[name] = {tree: both[place] for tree, both in seconds.items()}
    return taken


def _ratio(taken: Mapping[str, Taken]) -> float:
    return taken["now"].value / taken["before"].value


def document(
    before: str, events: int, long: int, rounds: Sequence[Mapping[str, Mapping[str, Taken]]], noise: str
) -> dict[str, Any]:
    """The figures, as they are kept."""
    figures = {}
    for name in SHOWN:
        taken = [each[name] for each in rounds if name in each]
        if not taken:
            continue
        used = {tree: [cpu_s for each in taken if (cpu_s := each[tree].cpu_s) is not None] for tree in TREES}
        figures[name] = {
            "rounds": len(taken),
            **{tree: spread([each[tree].value for each in taken]).document(4) for tree in TREES},
            "ratio": spread([_ratio(each) for each in taken]).document(4),
            "cpu_s": {tree: round(statistics.median(values), 4) for tree, values in used.items() if values},
        }
    return {
        "environment": common.environment(),
        "noise": noise,
        "before": before,
        "events": events,
        "long_events": long,
        "figures": figures,
    }


def report(found: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    rows = []
    for name, figure in found["figures"].items():
        words, unit, asked = SHOWN[name]
        form = {"s": "{:.3f} s", "events": "{:,.0f}", "": "{:.3f}"}[unit]
        ratio, used = figure["ratio"], figure["cpu_s"]
        rows.append(
            (
                words,
                *(form.format(figure[tree]["median"]) for tree in TREES),
                f"{ratio['median']:.3f} ({ratio['q1']:.3f} to {ratio['q3']:.3f})",
                " → ".join(f"{used[tree]:.2f} s" for tree in TREES) if used else "",
                f"≤ {asked}" if asked else "",
            )
        )
    told = (
        f"Commit {found['before']} against this tree, in turns, byte code compiled. The end is that of a run of "
        f"{found['events']:,} events, the simulated hour has {found['long_events']:,} of {LONG_SHARDS} shards. How "
        "each figure is taken is described in `tests/benchmarks/start_end.py`."
    )
    head = ("figure", "before", "now", "ratio (middle half of rounds)", "CPU time", "asked")
    return "\n".join(
        (
            "# The two ends of a run\n",
            f"{common.environment_note(found['environment'])} {found['noise']}\n",
            f"{told}\n",
            common.table(head, rows),
        )
    )


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default="HEAD~1", metavar="COMMIT", help="what to compare with (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="(%(default)s)")
    parser.add_argument("--events", type=int, default=1_000_000, help="of the run whose end is timed; 0: none")
    parser.add_argument("--long", type=int, default=100_000_000, help="events of the simulated hour; 0: none")
    parser.add_argument("--long-rounds", type=int, default=3, help="rounds with the simulated hour (%(default)s)")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where start_end.json and .md go")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error("give at least 1 round")
    load, own, began = common.machine_load(), common.own_cpu_seconds(), time.perf_counter()
    rounds = measure(given.before, given.rounds, given.events, given.long, given.long_rounds)
    used = common.own_cpu_seconds() - own
    noises = [common.noise(load, common.machine_load(), used, time.perf_counter() - began)]
    found = document(given.before, given.events, given.long, rounds, common.noise_note(noises))
    text = report(found)
    print(text)
    common.write(given.out, "start_end", found, md=text)


if __name__ == "__main__":
    main()

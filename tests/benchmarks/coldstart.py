"""How long a command takes before it does anything: `loadsim --help`, and the first event on the wire; and its page.

    python -m tests.benchmarks.coldstart

Wall time from starting the process, but for the page: that is the processor time of drawing a run of 600 slices. The
first event is there when its first bytes arrive at a plain socket; the preflight's connection, which sends nothing,
does not count. Files are in the page cache: the first start of each is left out, for it would measure the disk.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loadsim.measure.timing_statistics import spread
from loadsim.report import packed_text, plotly_script
from loadsim.report.html_page import render
from loadsim.report.run_report import run_report
from tests.benchmarks import common
from tests.builders import run_result, with_course

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
LIMITS = {"help": 0.2, "first_event": 1.0, "page": 2.0}
SHOWN = {
    "help": "loadsim --help",
    "first_event": "first event of loadsim run",
    "simulate": "event of loadsim simulate",
    "page": "page of a run of 600 slices",
}
PATIENCE_S = 30.0


def time_help() -> float:
    """Seconds until `loadsim --help` has ended."""
    began = time.perf_counter()
    subprocess.run(
        common.loadsim("--help"), cwd=common.ROOT, env=common.child_environment(), check=True, capture_output=True
    )
    return time.perf_counter() - began


def time_page() -> float:
    """Seconds of the processor that the page of a long run takes."""
    result = with_course(run_result(), slices=600, per_slice=100)
    library = plotly_script.library()
    packed_text.packed_library.cache_clear()  # a command packs it once
    began = time.process_time()
    render(run_report(result), library)
    return time.process_time() - began


def time_first_bytes(arguments: Callable[[str], Sequence[str]]) -> float:
    """Seconds until the first bytes of what `arguments(url)` sends arrive. Raises RuntimeError when none do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}{common.PATH}"
        began = time.perf_counter()
        with common.running(common.loadsim(*arguments(url))) as process:
            while process.poll() is None:
                line, _ = listener.accept()
                with line:
                    line.settimeout(PATIENCE_S)
                    if line.recv(65536):
                        took = time.perf_counter() - began
                        line.sendall(ANSWER)
                        process.wait(PATIENCE_S)
                        return took
    raise RuntimeError("the command ended without sending anything")


def measure(rounds: int) -> dict[str, list[float]]:
    """Seconds by what was started; interleaved, the first round left out."""
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as out:
        ways: dict[str, Callable[[], float]] = {
            "help": time_help,
            "first_event": lambda: time_first_bytes(
                lambda url: ("run", url, "-n", "1", "-c", "1", "-e", common.EVENT, "-q", "--out", out)
            ),
            "simulate": lambda: time_first_bytes(lambda url: ("simulate", url, "-e", common.EVENT)),
            "page": time_page,
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, way in ways.items():
                took = way()
                if number:
                    found[name].append(took)
            common.say(f"round {number} of {rounds}")
    return found


def document(found: dict[str, list[float]], noises: Sequence[float]) -> dict[str, Any]:
    """Everything, for JSON; seconds."""
    return {
        "environment": common.environment(),
        "noise": common.noise_note(noises),
        "seconds": {name: spread(times).document(4) for name, times in found.items()},
        "limits": {
            name: {"limit": limit, "met": statistics.median(found[name]) < limit} for name, limit in LIMITS.items()
        },
    }


def markdown(found: dict[str, Any]) -> str:
    """The page."""
    rows = []
    for name, seconds in found["seconds"].items():
        limit = found["limits"].get(name)
        verdict = f"under {limit['limit']:g} s: {'yes' if limit['met'] else 'no'}" if limit else ""
        rows.append(
            (SHOWN[name], f"{seconds['median']:.3f} s", f"{seconds['low']:.3f} to {seconds['high']:.3f} s", verdict)
        )
    return "\n".join(
        (
            "# Cold start\n",
            f"{common.environment_note(found['environment'])} {found['noise']}\n",
            "Wall time from starting the process (the page: processor time), files in the page cache.\n",
            common.table(("until", "median", "min to max", "asked"), rows),
        )
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="how often each is started (default 15)")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where coldstart.json and .md go")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error("give at least 1 round")
    load, own, began = common.machine_load(), common.own_cpu_seconds(), time.perf_counter()
    found = measure(given.rounds)
    used = common.own_cpu_seconds() - own
    noises = [common.noise(load, common.machine_load(), used, time.perf_counter() - began)]
    result = document(found, noises)
    text = markdown(result)
    print(text)
    common.write(given.out, "coldstart", result, md=text)


if __name__ == "__main__":
    main()

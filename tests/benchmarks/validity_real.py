"""Verdicts of real runs beside real pauses: what no simulation of a kernel shows.

Four kinds, each against the bare receiver on a core of its own:

- `shared`: a healthy endpoint, and three busy loops on the generator's core. No run may FAIL.
- `frozen`: a healthy endpoint; a shard, or the parent and all its shards, is stopped for 0.2 s. No run may FAIL.
- `slow`: an endpoint that misses its objective, on a machine that is otherwise idle. All must FAIL.
- `healthy`: a healthy endpoint with the default objective, beside busy loops on every core. All must PASS.

    python -m tests.benchmarks.validity_real                  # 40 runs of each kind, some 15 minutes
    python -m tests.benchmarks.validity_real --runs 3 --only frozen
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import common
from tests.busy import busy_loops

LOOPS = 3
HELD_S = 0.2
HEALTHY_MS, SLOW_MS = 5, 40
WORD = {0: "PASS", 99: "FAIL", 3: "INVALID"}
ALLOWED = {
    "shared": {"PASS", "INVALID"},
    "frozen": {"PASS", "INVALID"},
    "slow": {"FAIL"},
    "healthy": {"PASS"},
}
OBJECTIVES = {
    "shared": ("p(99) < 10ms",),
    "frozen": ("max < 150ms", "p(99) < 30ms"),
    "slow": ("p(95) < 30ms",),
    "healthy": (),
}
LOADS = {
    "shared": ("-r", "200/s", "-d", "4s"),
    "frozen": ("-r", "100/s", "-d", "5s", "-w", "2"),
    "slow": ("-r", "100/s", "-d", "3s"),
    "healthy": ("-r", "20/s", "-d", "3s"),
}


@contextlib.contextmanager
def endpoint(core: int, delay_ms: int) -> Iterator[str]:
    """The bare receiver, which answers everything after so long."""
    port = common.free_port()
    wanted = ("receive", "--engine", "bare", "--port", str(port), "--admin", "127.0.0.1:0", "--delay", f"{delay_ms}ms")
    with common.running(common.pinned(core, common.loadsim(*wanted))) as process:
        common.wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}{common.PATH}"


def one(kind: str, number: int, url: str, core: int, out: Path) -> tuple[str, str]:
    """The verdict of one run, and what is to be said of it."""
    limits = [word for text in OBJECTIVES[kind] for word in ("--objective", text)]
    command = common.loadsim("run", url, *LOADS[kind], *limits, "-q", "--out", str(out))
    process = subprocess.Popen(
        common.pinned(core, command),
        cwd=common.ROOT,
        env=common.child_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if kind == "frozen":
        time.sleep(2.5 + 0.05 * (number % 20))
        members = common.tree(process.pid)
        chosen = members if number % 2 else members[-1:]
        for sign, then_s in ((signal.SIGSTOP, HELD_S), (signal.SIGCONT, 0.0)):
            for pid in chosen:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sign)
            time.sleep(then_s)
    _, said = process.communicate()
    word = WORD.get(process.returncode, f"exit {process.returncode}")
    return word, said.strip() if process.returncode not in WORD else _figures(out)


def _figures(out: Path) -> str:
    """The objectives of the latest run, as they were seen and without the generator."""
    newest = max(out.glob("*/result.json"), key=lambda path: path.stat().st_mtime)
    stored = json.loads(newest.read_bytes())
    rows = [
        f"{row['text']}: {row['observed']} / {row.get('without_generator')}"
        for row in stored["verdict"]["objectives"]
        if not row["default"]
    ]
    away = stored["limits"].get("away_s") or 0.0
    return f"away {1000 * away:.0f} ms; {'; '.join(rows)}"


def sitting(kind: str, runs: int, cores: common.Cores) -> Counter[str]:
    """So many runs of a kind, each with its verdict printed."""
    found: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        out = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(endpoint(cores.target, SLOW_MS if kind == "slow" else HEALTHY_MS))
        if kind in ("shared", "healthy"):
            stack.enter_context(busy_loops(LOOPS, cores.generator))
        if kind == "healthy":
            stack.enter_context(busy_loops(1, cores.target))
        for number in range(runs):
            word, said = one(kind, number, url, cores.generator, out)
            found[word] += 1
            print(f"{kind} {number + 1}: {word}  {said}", flush=True)
    return found


def main(arguments: list[str]) -> int:
    """Run all kinds; 1 where a verdict came that must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only", choices=list(ALLOWED))
    asked = parser.parse_args(arguments)
    wrong, cores = 0, common.share_out()
    for kind in [asked.only] if asked.only else list(ALLOWED):
        found = sitting(kind, asked.runs, cores)
        bad = sum(n for word, n in found.items() if word not in ALLOWED[kind])
        wrong += bad
        print(f"{kind}: {dict(found)}, {bad} of {asked.runs} wrong", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

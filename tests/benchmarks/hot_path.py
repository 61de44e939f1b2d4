"""What one event costs a shard: instructions, bytecodes and calls to the system, this tree against another commit.

    python -m tests.benchmarks.hot_path [--before COMMIT]

A shard runs under callgrind with its clock, loop, timer and sockets replaced (see `virtual_shard`), so that either tree
does the same work in the same virtual time, and the figures are the same on a busy machine and on an idle one. Counted
is what lies between two requests in the middle of the run, divided by the events between them: closed, with eight
answers ready at once; traced, the same with `traceparent`; one of two, a shard that sends every other event and has as
many connections; and open, with one event at each wake-up, which is where work per wake-up weighs most. The heartbeat
and the frame of each second are in it, as often as they come in that time. What the kernel does is not: the calls to it
are counted instead, and `commits` measures all CPU time. A second run without callgrind counts the bytecodes of each
function, which says where a difference comes from.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import common, virtual_shard

LIMIT, TRACED_LIMIT, PARTED_LIMIT = 0.02, 0.03, 0.05
SHOWN = 0.5
"""Functions are listed whose bytecodes per event changed by more."""
TREES = ("before", "now")


def counted(way: str, package: Path) -> dict[str, Any]:
    """Of one tree, per event: instructions, calls by name, bytecodes by function. `package` holds `loadsim/`."""
    instructions, found = between_marks("virtual_shard", way, package)
    events = virtual_shard.WAYS[way].counted
    each = {kind: {name: count / events for name, count in found[kind].items()} for kind in ("calls", "opcodes")}
    return {"instructions": instructions / events, **each}


def between_marks(module: str, way: str, package: Path) -> tuple[int, Any]:
    """The instructions of a benchmark's child between its marks, and what it prints with --opcodes."""
    child = [sys.executable, "-P", "-m", f"tests.benchmarks.{module}", way]
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as directory:
        dumps = Path(directory) / "out"
        valgrind = ["valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={dumps}"]
        _said([*valgrind, *child], directory, package)
        between = (dumps.with_name("out.2")).read_text("utf-8").splitlines()  # from the first mark to the second
        instructions = int(next(line for line in between if line.startswith("totals:")).split()[1])
        return instructions, _said([*child, "--opcodes"], directory, package)


def _said(command: Sequence[str], directory: str, package: Path) -> Any:
    done = subprocess.run(
        command, cwd=directory, env=common.counting_environment(package), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{package}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def measure(before: str) -> dict[str, dict[str, Any]]:
    """What was counted, by way and tree."""
    with common.compared(before) as trees:
        found: dict[str, dict[str, Any]] = {}
        for way in virtual_shard.WAYS:
            found[way] = {tree: counted(way, trees[tree]) for tree in TREES}
            common.say(f"{way}: {change(found[way], 'instructions'):+.2%} instructions")
        return found


def change(of: Mapping[str, Any], what: str) -> float:
    """The share by which it grew."""
    return float(of["now"][what] / of["before"][what] - 1)


def added(counts: Mapping[str, Any], way: str) -> float:
    """The share of instructions that an event of this way takes now beyond a closed one."""
    closed, other = (counts[each]["now"]["instructions"] for each in ("closed", way))
    return float(other / closed - 1)


def functions(of: Mapping[str, Any]) -> list[list[str]]:
    """Rows of the functions that changed, the greatest change first."""
    before, now = (of[tree]["opcodes"] for tree in TREES)
    differences = {name: now.get(name, 0) - before.get(name, 0) for name in {*before, *now}}
    names = sorted(differences, key=lambda name: (-abs(differences[name]), name))
    return [
        [f"`{name}`", f"{before.get(name, 0):.1f}", f"{now.get(name, 0):.1f}", f"{differences[name]:+.1f}"]
        for name in names
        if abs(differences[name]) > SHOWN
    ]


def tables_of_functions(counts: Mapping[str, Any]) -> Iterator[str]:
    """A section of the page for each way in which functions changed."""
    for way, of in counts.items():
        if changed := functions(of):
            head = ["function", "before", "now", "change"]
            yield from (f"## Bytecodes by function, {way}", "", common.table(head, changed))


def report(document: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    counts = document["per_event"]
    rows = []
    for way, of in counts.items():
        opcodes = {tree: sum(of[tree]["opcodes"].values()) for tree in TREES}
        figures = [of[tree]["instructions"] for tree in TREES]
        rows.append([way, "instructions", *(f"{x:,.0f}" for x in figures), f"{change(of, 'instructions'):+.2%}"])
        grown = opcodes["now"] / opcodes["before"] - 1
        rows.append([way, "bytecodes", *(f"{opcodes[tree]:,.1f}" for tree in TREES), f"{grown:+.2%}"])
        for call in sorted({*of["before"]["calls"], *of["now"]["calls"]}):
            figures = [of[tree]["calls"].get(call, 0) for tree in TREES]
            rows.append([way, f"calls: {call}", *(f"{x:.3f}" for x in figures), f"{figures[1] - figures[0]:+.3f}"])
    told = (
        f"Commit {document['before']} against this tree, per event. At most {LIMIT:.0%} more instructions are allowed. "
        "How each figure is taken is described in `tests/benchmarks/hot_path.py`."
    )
    more = (
        f"`traceparent` on every event costs {added(counts, 'traced'):.2%} more instructions; at most "
        f"{TRACED_LIMIT:.0%} more are allowed. An event of one shard of two costs {added(counts, 'one of two'):.2%} "
        f"more than one of a shard alone; at most {PARTED_LIMIT:.0%} more are allowed."
    )
    parts = [
        "# What one event costs a shard",
        "",
        common.environment_note(document["environment"]),
        "",
        told,
        "",
        more,
        "",
        common.table(["run", "counted", "before", "now", "change"], rows),
    ]
    return "\n".join([*parts, *tables_of_functions(counts)])


def main() -> None:
    """Count, write, and fail when an event costs more than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default="HEAD~1", metavar="COMMIT", help="what to compare with (%(default)s)")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="(%(default)s)")
    options = parser.parse_args()
    if text := common.missing("valgrind"):
        sys.exit(text)
    document = {
        "environment": common.environment(),
        "before": options.before,
        "per_event": measure(options.before),
    }
    common.write(options.out, "hot_path", document, md=report(document))
    counts = document["per_event"]
    costly = added(counts, "traced") > TRACED_LIMIT or added(counts, "one of two") > PARTED_LIMIT
    if costly or any(change(of, "instructions") > LIMIT for of in counts.values()):
        sys.exit(99)


if __name__ == "__main__":
    main()

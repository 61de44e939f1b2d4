"""What one event costs a receiver: instructions and bytecodes, this tree against another commit.

    python -m tests.benchmarks.receiver_path [--before COMMIT]

A receiver runs under callgrind and is fed in turns (see `virtual_receiver`), so that the figures are the same on a busy
machine and on an idle one. Counted is what lies between two of its rounds, divided by the events between them. What the
kernel does is not in it: `receivers` measures all CPU time. A second run without callgrind counts the bytecodes of each
function, which says where a difference comes from.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import common, virtual_receiver
from tests.benchmarks.hot_path import TREES, between_marks, change, tables_of_functions

LIMIT = 0.02


def counted(way: str, package: Path) -> dict[str, Any]:
    """Of one tree, per event: instructions, and bytecodes by function. `package` holds `loadsim/`."""
    instructions, opcodes = between_marks("virtual_receiver", way, package)
    events = virtual_receiver.EVENTS
    return {"instructions": instructions / events, "opcodes": {name: n / events for name, n in opcodes.items()}}


def measure(before: str, ways: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What was counted, by way and tree."""
    with common.compared(before) as trees:
        found: dict[str, dict[str, Any]] = {}
        for way in ways:
            found[way] = {tree: counted(way, trees[tree]) for tree in TREES}
            figures = " to ".join(f"{found[way][tree]['instructions']:,.0f}" for tree in TREES)
            common.say(f"{way}: {figures} instructions, {change(found[way], 'instructions'):+.2%}")
        return found


def report(document: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    counts = document["per_event"]
    rows = []
    for way, of in counts.items():
        figures = [of[tree]["instructions"] for tree in TREES]
        opcodes = [sum(of[tree]["opcodes"].values()) for tree in TREES]
        rows.append(
            [
                way,
                *(f"{figure:,.0f}" for figure in figures),
                f"{change(of, 'instructions'):+.2%}",
                *(f"{count:,.0f}" for count in opcodes),
            ]
        )
    told = (
        f"Commit {document['before']} against this tree, per event. How each figure is taken is described in "
        "`tests/benchmarks/receiver_path.py`; the kernel's part is in none of them. SHA-256 stands with more "
        "instructions than it takes: valgrind knows none of the processor's own for it."
    )
    head = ["receiver", "instructions before", "now", "change", "bytecodes before", "now"]
    parts = ["# What one event costs a receiver, counted", "", common.environment_note(document["environment"]), ""]
    parts += [told, "", common.table(head, rows)]
    return "\n".join([*parts, *tables_of_functions(counts)])


def main() -> None:
    """Count, write, and fail when an event costs more than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default="HEAD~1", metavar="COMMIT", help="what to compare with (%(default)s)")
    parser.add_argument("--only", action="append", choices=virtual_receiver.WAYS, help="count this alone; repeatable")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="(%(default)s)")
    options = parser.parse_args()
    if text := common.missing("valgrind"):
        sys.exit(text)
    document = {
        "environment": common.environment(),
        "before": options.before,
        "per_event": measure(options.before, options.only or list(virtual_receiver.WAYS)),
    }
    common.write(options.out, "receiver_path", document, md=report(document))
    if any(change(of, "instructions") > LIMIT for of in document["per_event"].values()):
        sys.exit(99)


if __name__ == "__main__":
    main()

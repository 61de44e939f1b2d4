"""What a change costs a run: CPU per event and memory of a shard, this tree against another commit, in turns.

    python -m tests.benchmarks.commits [--before COMMIT] [--rounds N] [--events N]

Both send the same events to the same nginx, on a core of their own: as fast as they can (closed) and at a fixed rate
(open). In each round each tree sends few and many events of either kind, and the difference in the shard's CPU time is
divided by the difference in events: what start-up costs cancels out. The order of the trees changes with each round.
Figures are medians of the rounds; the ratio is the median of the rounds' ratios, with the middle half of them beside
it: where that is wide, the machine was noisy. The other tree is taken from git's own store. `hot_path` counts
instructions, which no noise touches, but none of the kernel's.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks import common, event_cost, nginx

FEW = 2_000
OPEN_RATE = 4_000
"""Events per second: well below what either core can do."""
WAYS: Mapping[str, Sequence[str]] = {"closed": ("-c", "32"), "open": ("-c", "256", "-r", f"{OPEN_RATE}/s")}
TREES = ("before", "now")


class Cost(NamedTuple):
    """Of one tree in one round."""

    us: float
    """CPU time of the shard per event, µs."""
    rss_mb: float
    """Resident memory of the shard at the end of its many events."""


def round_of(trees: Mapping[str, Path], order: Sequence[str], core: int, port: int, events: int) -> dict[str, Any]:
    """Cost by way and tree."""
    costs: dict[str, Any] = {}
    for way in WAYS:

        def used(name: str, count: int, way: str = way) -> event_cost.Used:
            words = (f"http://127.0.0.1:{port}/", *WAYS[way], "-n", str(count), "--seed", "7")
            return event_cost.used(core, words, tree=trees[name])

        few = {name: used(name, FEW) for name in order}
        many = {name: used(name, events) for name in order}
        costs[way] = {name: Cost(event_cost.per_event_us(few[name], many[name]), many[name].rss_mb) for name in TREES}
    return costs


def measure(before: str, rounds: int, events: int) -> list[dict[str, Any]]:
    """Cost by round, way and tree."""
    cores = common.share_out()
    with common.compared(before) as trees, tempfile.TemporaryDirectory(prefix="loadsim-bench-") as directory:
        home = Path(directory)
        (home / "nginx").mkdir()
        with nginx.serving(home / "nginx", cores.target) as target:
            found = []
            for number in range(rounds):
                order = TREES if number % 2 else tuple(reversed(TREES))
                found.append(round_of(trees, order, cores.generator, target.port, events))
                common.say(
                    f"round {number + 1}: " + ", ".join(f"{way} {ratio(found[-1:], way)[0]:.3f}" for way in WAYS)
                )
            return found


def ratio(rounds: Sequence[Mapping[str, Any]], way: str) -> tuple[float, float, float]:
    """CPU per event now, over before: median, lower and upper quarter of the rounds."""
    ratios = [each[way]["now"].us / each[way]["before"].us for each in rounds]
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return statistics.median(ratios), low, high


def document(before: str, events: int, rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures, as they are kept."""
    costs = {
        way: {
            name: {
                "cpu_us": statistics.median(each[way][name].us for each in rounds),
                "rss_mb": statistics.median(each[way][name].rss_mb for each in rounds),
            }
            for name in TREES
        }
        | {"ratio": ratio(rounds, way)}
        for way in WAYS
    }
    return {
        "environment": common.environment(),
        "before": before,
        "events": events,
        "rounds": len(rounds),
        "cost": costs,
    }


def report(found: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    rows = []
    for way, cost in found["cost"].items():
        before, now = cost["before"], cost["now"]
        median, low, high = cost["ratio"]
        rows.append(
            [
                way,
                *(f"{each['cpu_us']:.2f} µs" for each in (before, now)),
                f"{median - 1:+.1%} ({low - 1:+.1%} to {high - 1:+.1%})",
                *(f"{each['rss_mb']:.1f} MB" for each in (before, now)),
            ]
        )
    head = ["run", "CPU per event before", "now", "change (middle half of rounds)", "memory before", "now"]
    told = f"Commit {found['before']} against this tree, {found['rounds']} rounds of {found['events']:,} events each."
    return "\n".join(
        [
            "# What a change costs a run that does not use it",
            "",
            common.environment_note(found["environment"]),
            "",
            f"{told} How each figure is taken is described in `tests/benchmarks/commits.py`.",
            "",
            common.table(head, rows),
            "",
        ]
    )


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default="HEAD~1", metavar="COMMIT", help="what to compare with (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="(%(default)s)")
    parser.add_argument("--events", type=int, default=60_000, help="many events (%(default)s)")
    parser.add_argument("--out", type=Path, default=common.ROOT / "reports" / "benchmarks", help="(%(default)s)")
    options = parser.parse_args()
    found = document(options.before, options.events, measure(options.before, options.rounds, options.events))
    print(report(found))
    common.write(options.out, "commits", found, md=report(found))


if __name__ == "__main__":
    main()

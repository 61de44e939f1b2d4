"""How often 95 % intervals hold the truth, and how often two runs of one thing are said to differ.

    nice -n 19 python -m tests.benchmarks.coverage_grid

Runs of processes whose percentiles are known in closed form, at 200/s, are counted as a real run is: outcome rows
through a shard's tally into slices of HDR histograms. Of each run are taken the intervals that its report would state,
and of each pair of runs what `compare` would say. The seed is fixed: the same figures come out on any machine.
Writes `reports/benchmarks/intervals.md` and `.json`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from loadsim.judge.compare import Ratio
from loadsim.judge.slowdown_gates import parse_gate
from loadsim.measure.cells import Metric, layout
from loadsim.measure.hdr import PERCENTILES
from loadsim.measure.intervals import Intervals, intervals, ratio_interval
from loadsim.measure.latency_stats import stats_of
from loadsim.measure.merged_counts import Merged
from tests.benchmarks import common
from tests.processes import PROCESSES, Process, measured

NAMES = ("p50", "p90", "p95", "p99")
SECONDS = (10, 60, 300)
REPLICATES = 300
SEED = 20_261
MOST_MISSED = 0.135
"""Of all replicates of a cell. At a true rate of 10 % fewer than 3 in 100 cells of 300 replicates exceed it."""
MOST_DIFFERENT = 0.06
OFTEN = 0.95
STATED_OFTEN = {
    **{("independent", seconds): NAMES for seconds in SECONDS},
    ("M/M/1 0.5", 60): NAMES[:3],
    ("M/M/1 0.7", 300): NAMES[:3],
}
"""Where intervals have to be stated in at least OFTEN of the replicates: the rule must not hide in refusals."""


class Cell(NamedTuple):
    """One percentile of one process at one length, as shares of all replicates (of all pairs)."""

    process: str
    seconds: int
    name: str
    stated: float
    missed: float
    different: float
    failed: float
    """Pairs in which `compare --fail NAME:10%` fails."""
    needs_s: float | None
    """Median of the lengths that the others are said to need."""

    @property
    def problems(self) -> list[str]:
        """What the goals are missed by, in words."""
        found = []
        if self.missed > MOST_MISSED:
            found.append(f"{self.missed:.1%} miss")
        if self.different > MOST_DIFFERENT or self.failed > MOST_DIFFERENT:
            found.append(f"{max(self.different, self.failed):.1%} false differences")
        if self.name in STATED_OFTEN.get((self.process, self.seconds), ()) and self.stated < OFTEN:
            found.append(f"stated in {self.stated:.1%}")
        return found


class Replicate(NamedTuple):
    """What is said of one run."""

    bounds: Intervals
    ci95: dict[str, tuple[float, float]]
    needs_s: dict[str, float]


def replicate(process: Process, seconds: int, seed: Sequence[int]) -> Replicate:
    """One run, and what its report and `compare` take from it."""
    merged = measured(process.draw(seconds, np.random.default_rng(seed)))
    stats = stats_of(merged, Metric.response, [0], with_intervals=True)
    return Replicate(_bounds(merged), stats.ci95 or {}, stats.needs_s or {})


def _bounds(merged: Merged) -> Intervals:
    quantiles = {name: PERCENTILES[name] for name in NAMES}
    return intervals(merged.sliced(Metric.response, [0]), layout(Metric.response), quantiles)


def cells(process: Process, seconds: int, runs: Sequence[Replicate]) -> Iterator[Cell]:
    """One cell for each percentile. Each run is compared with the next one."""
    n = len(runs)
    for name in NAMES:
        truth_ms = 1000 * process.truth(float(PERCENTILES[name]))
        said = [run.ci95[name] for run in runs if name in run.ci95]
        ratios = [ratio(name, runs[i - 1].bounds, run.bounds) for i, run in enumerate(runs)]
        different = [row for row in ratios if row is not None and row.direction != "unsure"]
        gate = parse_gate(f"{name}:10%")
        needs = [run.needs_s[name] for run in runs if name in run.needs_s]
        yield Cell(
            process.name,
            seconds,
            name,
            len(said) / n,
            sum(not low <= truth_ms <= high for low, high in said) / n,
            len(different) / n,
            sum(row.direction == "higher" and row.ratio >= 1 + gate.effect for row in different) / n,
            float(np.median(needs)) if needs else None,
        )


def ratio(name: str, base: Intervals, new: Intervals) -> Ratio | None:
    """What `compare` says of two runs; None without an interval."""
    if name not in base.stated or name not in new.stated:
        return None
    a, b = base.stated[name], new.stated[name]
    return Ratio("response", name, a.value, b.value, b.value / a.value, ratio_interval(a, b))


def grid(replicates: int, seconds: Sequence[int] = SECONDS, processes: Sequence[Process] = PROCESSES) -> Iterator[Cell]:
    """All cells, process by process."""
    for process in processes:
        number = [each.name for each in PROCESSES].index(process.name)
        for length in seconds:
            runs = [replicate(process, length, (SEED, number, length, i)) for i in range(replicates)]
            yield from cells(process, length, runs)


def table(found: Sequence[Cell]) -> str:
    """Stated, missed and different by process, length and percentile; Markdown."""
    lines = [f"| process | length | {' | '.join(NAMES)} |", f"| --- | ---: |{' --- |' * len(NAMES)}"]
    for process, seconds in dict.fromkeys((cell.process, cell.seconds) for cell in found):
        row = [cell for cell in found if (cell.process, cell.seconds) == (process, seconds)]
        lines.append(f"| {process} | {seconds} s | {' | '.join(map(_words, row))} |")
    return "\n".join(lines)


def _words(cell: Cell) -> str:
    return f"{cell.stated:.0%} · {cell.missed:.1%} · {cell.different:.1%}"


ABOUT = (
    "The processes: independent log-normal latencies; M/M/1 queues at load 0.5, 0.7 and 0.9 from their stationary "
    "state; log-normal latencies with a correlation of 0.9 and 0.99 from event to event; a server that is fast (5 ms, "
    "for 2 s on average) or slow (50 ms, for 0.5 s)."
)
ENTRIES = (
    "Each entry: runs with an interval · runs whose interval misses the truth · pairs of runs that `compare` says "
    "differ. All three are shares of all runs, those without an interval included."
)
GOALS = (
    f"Goals: in every cell at most {MOST_MISSED:.1%} of the runs state an interval that misses (10 %, and what 300 "
    f"replicates vary by), and at most {MOST_DIFFERENT:.0%} of the pairs differ; an interval in at least {OFTEN:.0%} "
    "of the runs of independent latencies, of M/M/1 0.5 at 60 s up to p95 and of M/M/1 0.7 at 300 s up to p95."
)


def page(found: Sequence[Cell], replicates: int) -> str:
    """The table with what it shows; Markdown."""
    worst, false, failed = (max(found, key=key) for key in (_missed, _different, _failed))
    problems = [f"- {_place(cell)}: {'; '.join(cell.problems)}" for cell in found if cell.problems]
    seen = (
        f"At worst {worst.missed:.1%} of the runs state an interval that misses ({_place(worst)}), "
        f"{false.different:.1%} of the pairs are said to differ ({_place(false)}), and {failed.failed:.1%} of them "
        f"fail `compare --fail PERCENTILE:10%` ({_place(failed)})."
    )
    paragraphs = (
        "# How often 95 % intervals hold the truth",
        f"{replicates} runs of each process and length at 200/s, seed {SEED}, counted as a real run is. {ABOUT}",
        ENTRIES,
        table(found),
        seen,
        GOALS,
        "\n".join(problems) or "All goals are met.",
        "Made by `python -m tests.benchmarks.coverage_grid`; the same seed gives the same table.",
    )
    return "\n\n".join(paragraphs) + "\n"


def _missed(cell: Cell) -> float:
    return cell.missed


def _different(cell: Cell) -> float:
    return cell.different


def _failed(cell: Cell) -> float:
    return cell.failed


def _place(cell: Cell) -> str:
    return f"{cell.process}, {cell.seconds} s, {cell.name}"


def main() -> None:
    """The whole grid, its table on stdout and in the reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    parser.add_argument("--seconds", type=int, nargs="*", default=SECONDS)
    parser.add_argument("--no-report", action="store_true", help="Print the table only.")
    options = parser.parse_args()
    began, found = time.process_time(), []
    for cell in grid(options.replicates, options.seconds):
        found.append(cell)
        print(*cell[:3], _words(cell), f"{cell.failed:.1%}", cell.needs_s, *cell.problems, flush=True)
    print(f"\n{table(found)}\n\n{time.process_time() - began:.0f} s of CPU time")
    if not options.no_report:
        document = {"seed": SEED, "replicates": options.replicates, "cells": [cell._asdict() for cell in found]}
        common.write(common.REPORTS, "intervals", document, md=page(found, options.replicates))


if __name__ == "__main__":
    main()

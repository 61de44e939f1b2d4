"""How often a pause of the generator decides a verdict: simulated runs on a virtual clock, and the truth beside them.

Each run is a Poisson stream of events at a queue of one or four servers, with fixed or exponential service times, while
the generator is away up to three times. The truth is the same run without the pauses: the same arrivals and the same
service times. Everything from the heartbeat to the verdict is loadsim's own code.

    python -m tests.benchmarks.validity                # 10,000 runs, to reports/benchmarks/validity.md
    python -m tests.benchmarks.validity --runs 200
    python -m tests.benchmarks.validity --known    # as if the disturbed events were known: what no heartbeat can better
"""

from __future__ import annotations

import argparse
import heapq
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadsim.engine.engine import BEATS
from loadsim.judge import evaluate
from loadsim.judge.objectives import parse_objective
from loadsim.measure.cells import Metric
from loadsim.measure.hdr import MICROSECONDS, Ints, rank
from loadsim.measure.histogram_codec import encode
from loadsim.measure.latency_stats import stats_of
from loadsim.measure.merged_counts import Merged
from loadsim.measure.outcome_columns import Column
from loadsim.measure.pauses import MOST_LENGTHS, Pauses
from loadsim.measure.result import RunResult
from loadsim.measure.strata import StratumNames
from loadsim.measure.tally import Tally
from loadsim.measure.without_generator_merge import LatenessMerge
from loadsim.measure.without_generator_tally import LatenessTally
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.plan.scenario import ValidityRules
from tests.builders import run_result

PAGE = Path("reports/benchmarks/validity.md")
START_NS = 1_000 * NS_PER_S
LIMIT_NS = 10 * NS_PER_MS
TICK_NS = LIMIT_NS // BEATS
FIGURES = {"p(50)": 0.5, "p(95)": 0.95, "p(99)": 0.99, "max": 1.0}
TIMES = (0.5, 3.0)
"""Limits lie at so many times the truth."""
KEPT_RUNS = 10_000
Pause = tuple[int, int]
LIKE = run_result()
"""What there is in a result beside what is judged here: accounts that balance, and no failures."""
NAMES = StratumNames(("load",), ("t",), ("genuine",), (True,), (None,), ("accept",))


@dataclass(frozen=True)
class Case:
    """One run: when events are due and how long each is served (ns since the start), and when the generator is away."""

    due: Ints
    service: Ints
    servers: int
    pauses: list[Pause]

    @property
    def end_ns(self) -> int:
        """When the phase is over."""
        return int(self.due[-1]) + 1


def a_case(random: np.random.Generator) -> Case:
    """One of the runs."""
    servers, load = int(random.choice([1, 4])), random.uniform(0.1, 0.9)
    mean_ns = 10 ** random.uniform(0, 1.3) * NS_PER_MS
    events = int(random.integers(1000, 4000))
    due = np.cumsum(random.exponential(mean_ns / servers / load, events)).astype(np.int64)
    service = np.full(events, mean_ns) if random.random() < 0.5 else random.exponential(mean_ns, events)
    pauses: list[Pause] = []
    for _ in range(int(random.integers(0, 4))):
        start = int(random.integers(0, due[-1]))
        length = int(10 ** random.uniform(np.log10(0.012), 0) * NS_PER_S)
        if all(start > end + LIMIT_NS or start + length + LIMIT_NS < begin for begin, end in pauses):
            pauses.append((start, start + length))
    return Case(due, service.astype(np.int64), servers, sorted(pauses))


def served(released: Ints, service: Ints, servers: int) -> Ints:
    """When a queue of so many servers, first come, first served, has answered each event."""
    free = [0] * servers
    done = []
    for at, takes in zip(released.tolist(), service.tolist(), strict=True):
        end = max(at, heapq.heappop(free)) + takes
        done.append(end)
        heapq.heappush(free, end)
    return np.array(done, dtype=np.int64)


def _back(times: Ints, pauses: list[Pause]) -> Ints:
    """The instants, and for those within a pause its end."""
    for start, end in pauses:
        times = np.where((times > start) & (times < end), end, times)
    return times


class KnownPauses(Pauses):
    """Pauses of which it is known whom they disturbed: `slower` says it for each event of a run, in order."""

    def __init__(self, slower: NDArray[np.bool]) -> None:
        super().__init__(LIMIT_NS)
        self._slower = slower

    def disturbed(self, due: Ints, left: Ints) -> NDArray[np.bool] | None:
        """Those that the endpoint served later after their release than it would have after they were due."""
        return self._slower


def rows_of(case: Case, random: np.random.Generator, known: bool) -> tuple[Ints, Pauses]:
    """The outcome rows of the run, and what its heartbeat found, or what there was to find."""
    due = case.due
    released = _back(due, case.pauses)
    done = served(released, case.service, case.servers)
    read = _back(done, case.pauses)
    alone = served(due, case.service, case.servers) - due
    pauses = KnownPauses(done - released > alone) if known else Pauses(LIMIT_NS)
    _beat(case, released, read, pauses, random)
    rows = np.zeros((len(due), len(Column)), dtype=np.int64)
    rows[:, Column.code], rows[:, Column.attempt] = 200, 1
    rows[:, Column.due] = START_NS + due
    for column in (Column.woken, Column.slot, Column.ready, Column.sent):
        rows[:, column] = START_NS + released
    rows[:, Column.first_byte] = rows[:, Column.done] = START_NS + read
    rows[:, Column.receipt] = read - done
    return rows, pauses


def _beat(case: Case, released: Ints, read: Ints, pauses: Pauses, random: np.random.Generator) -> None:
    """Everything that the engine's loop would have done, in order, with the heartbeat that it gives; but for the time
    in which no pause can matter."""
    due = case.due.tolist()
    for window_start, window_end, away in _windows(case.pauses):
        ticks = np.arange(window_start, window_end, TICK_NS)
        for start, end in away:
            ticks = ticks[(ticks <= start) | (ticks >= end)]
        first = int(random.integers(0, 2))  # after a pause, timers come first, then whichever socket
        begun, ended = int((released < window_start).sum()), int((read < window_start).sum())
        at, over = released[released >= window_start], read[read >= window_start]
        at, over = at[at <= window_end], over[over <= window_end]
        times = np.concatenate((ticks, at, over))
        kinds = np.concatenate((np.full(len(ticks), -1), np.full(len(at), first), np.full(len(over), 1 - first)))
        order = np.lexsort((kinds, times))
        flying = begun - ended
        pauses.beaten_ns = START_NS + window_start
        for now, kind in zip(times[order].tolist(), kinds[order].tolist(), strict=True):
            away_now = pauses.beat(START_NS + now, partial(int, flying))
            if kind == first:
                begun, flying = begun + 1, flying + 1
                continue
            flying -= kind == 1 - first
            behind = begun < len(due) and due[begun] <= now
            if pauses.recovering and not (away_now and kind == -1) and not behind:
                pauses.settle(START_NS + now, flying)


def _windows(pauses: list[Pause]) -> list[tuple[int, int, list[Pause]]]:
    """Stretches of time from before a pause until it counts as recovered in any case, with the pauses in them."""
    found: list[tuple[int, int, list[Pause]]] = []
    for start, end in pauses:
        until = end + (MOST_LENGTHS + 1) * (end - start + TICK_NS)
        if found and found[-1][1] >= start - TICK_NS:
            found[-1] = (found[-1][0], max(found[-1][1], until), [*found[-1][2], (start, end)])
        else:
            found.append((max(0, start - TICK_NS), until, [(start, end)]))
    return found


def result_of(rows: Ints, pauses: Pauses, end_ns: int) -> RunResult:
    """What there is to judge of one shard that had these rows: response times, lag and the second look."""
    tally = Tally(1, START_NS, [end_ns])
    lateness = LatenessTally(START_NS, 3600 * NS_PER_S, pauses.disturbed)
    tally.fold(rows)
    lateness.fold(rows)
    merged, looked = Merged(1), LatenessMerge(1, 1)
    merged.add(0, tally.drain())
    last = int(rows[:, Column.done].max())
    looked.add(0, last - START_NS, lateness.drain(*pauses.take(last)))
    response = stats_of(merged, Metric.response, [0])
    totals = msgspec.structs.replace(LIKE.totals, latency_ms={**LIKE.totals.latency_ms, "response": response})
    return msgspec.structs.replace(
        LIKE,
        totals=totals,
        histograms={"lag": encode(merged.counts(Metric.lag, [0]), MICROSECONDS)},
        second_look=looked.look(merged, NAMES),
    )


@dataclass(frozen=True)
class Verdict:
    """One objective of one run."""

    figure: str
    healthy: bool
    paused: bool
    outcome: str


def verdicts_of(case: Case, random: np.random.Generator, known: bool) -> Iterator[Verdict]:
    """Each figure against a limit of its own, and whether the endpoint alone would have met it."""
    truth = np.sort(served(case.due, case.service, case.servers) - case.due)
    rows, pauses = rows_of(case, random, known)
    result = result_of(rows, pauses, case.end_ns)
    for figure, share in FIGURES.items():
        true_ms = float(truth[rank(share, len(truth)) - 1]) / NS_PER_MS
        limit_ms = round(true_ms * random.uniform(*TIMES), 3)
        if abs(limit_ms - true_ms) < 0.002 * true_ms:
            continue  # closer than a bucket
        objective = parse_objective(f"{figure} <= {limit_ms}ms")
        outcome = evaluate(result, [objective], ValidityRules(lag=LIMIT_NS)).verdict.outcome
        yield Verdict(figure, true_ms <= limit_ms, bool(case.pauses), outcome)


def verdicts(runs: int, seed: int, known: bool = False) -> Iterator[Verdict]:
    """The verdicts of so many runs; `known` as in KnownPauses."""
    for number in range(runs):
        random = np.random.Generator(np.random.Philox(key=[seed, number]))
        yield from verdicts_of(a_case(random), random, known)


def table(found: list[Verdict]) -> list[str]:
    """How often each outcome came, in Markdown."""
    lines = ["| endpoint | generator | figure | PASS | FAIL | INVALID | wrong |", "|---|---|---|---:|---:|---:|---:|"]
    for healthy in (True, False):
        for paused in (True, False):
            for figure in (*FIGURES, "all"):
                mine = [v for v in found if v.healthy == healthy and v.paused == paused and figure in (v.figure, "all")]
                n = Counter(verdict.outcome for verdict in mine)
                wrong = n["fail"] if healthy else n["pass"] + n["invalid"]
                cells = [f"{n[outcome]:,}" for outcome in ("pass", "fail", "invalid")]
                cells.append(f"{wrong / len(mine):.2%}" if mine else "-")
                who = "meets its limit" if healthy else "misses it"
                lines.append(f"| {who} | {'away' if paused else 'always there'} | {figure} | {' | '.join(cells)} |")
    return lines


def main(arguments: list[str]) -> int:
    """Run, print the table, and keep that of all runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--known", action="store_true")
    asked = parser.parse_args(arguments)
    found = list(verdicts(asked.runs, asked.seed, asked.known))
    lines = table(found)
    print("\n".join(lines))
    if asked.runs >= KEPT_RUNS and not asked.known:
        PAGE.write_text(page(asked.runs, asked.seed, lines))
    return 0


def page(runs: int, seed: int, lines: list[str]) -> str:
    """What is kept."""
    return f"""# Verdicts beside pauses of the generator

{runs:,} simulated runs on a virtual clock (seed {seed}): 1,000 to 4,000 Poisson events at a queue of one or four
servers at load 0.1 to 0.9, fixed or exponential service times of 1 to 20 ms, the generator away up to three times for
12 ms to 1 s. Each run is judged by a limit on p50, p95, p99 and max, each at 0.5 to 3 times the figure of the same run
without the pauses. Heartbeat, tally, second look and verdict are loadsim's own.

Made again by `python -m tests.benchmarks.validity`.

*Wrong* is FAIL where the endpoint alone meets its limit, and anything but FAIL where it does not.

{chr(10).join(lines)}
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Compares two targets by interleaved pairs of runs on one host, in random order.

`judgement` decides whether B is slower. The result of each run is stored before the next one starts; its warm-up is not
measured.
"""

from __future__ import annotations

import contextlib
import datetime
import statistics
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from loadsim import __version__
from loadsim.judge.slowdown_gates import Gate
from loadsim.judge.without_generator import disturbed_words
from loadsim.launch.environment import environment
from loadsim.launch.result_files import run_directory, write_whole
from loadsim.launch.run_lifecycle import Run
from loadsim.measure.result import RunResult
from loadsim.measure.stored_json import stored_json
from loadsim.model import NS_PER_S, counted
from loadsim.plan import Phase, RunSpec, Scenario, Target, redact_url
from loadsim.plan.arrivals import process_of
from loadsim.report.report_formats import report_files
from loadsim.run.run_ids import new_id
from loadsim.run.run_store_judge import run_load
from loadsim.studies.ab.judgement import compare_pairs, self_check
from loadsim.studies.ab.report import ab_report
from loadsim.studies.ab.result import SCHEMA, AbResult, CheckRow, Ending, GateRow, PairRow, SideRow
from loadsim.studies.steps_left import step_line

Side = Literal["a", "b"]
RUNS = "runs"
AB = "ab.json"


@dataclass(frozen=True)
class AbRequest:
    """The settings of a comparison. With `same`, B is A, and the noise of the machine is measured."""

    a: RunSpec
    b: RunSpec
    gates: tuple[Gate, ...]
    pairs: int
    seed: int
    same: bool
    warm_up_ns: int
    out: Path


@dataclass(frozen=True)
class AbOutcome:
    """The result of a comparison, and its directory."""

    result: AbResult
    directory: Path


@dataclass
class AbComparison:
    """A comparison that can be interrupted."""

    request: AbRequest
    say: Callable[[str], None]
    """Gets what has to stay on a terminal."""
    progress: Callable[[str], None] = lambda _: None
    """Gets a line at the start of each run; the next one replaces it on a terminal."""
    interrupted: bool = False
    pairs: list[PairRow] = field(default_factory=list)
    repeated: list[PairRow] = field(default_factory=list)
    _invalid: list[str] = field(default_factory=list)
    _run: Run | None = None

    def interrupt(self) -> None:
        """First call: let the run in progress end, and start no other. Second: end at once."""
        self.interrupted = True
        if self._run is not None:
            self._run.interrupt()

    async def execute(self) -> AbOutcome:
        """Run the pairs and judge them. Raises UnreachableError when an endpoint cannot be reached for a run."""
        request = self.request
        started = _now()
        directory = run_directory(request.out, new_id(f"ab-{request.a.scenario.name}"))
        orders = np.random.Generator(np.random.Philox(key=request.seed)).integers(0, 2, request.pairs)
        try:
            for number, coin in enumerate(orders.tolist(), start=1):
                if self.interrupted or self._invalid:
                    break
                await self._pair(number, "b" if coin else "a", directory)
                while self._again():
                    self._repeat()
                    await self._pair(number, "b" if coin else "a", directory)
        finally:
            result = self._result(directory.name, started)
            if self.pairs:
                write_whole(directory / AB, stored_json(result))
                for name, content in report_files(ab_report(result)).items():
                    write_whole(directory / name, content)
            else:
                _remove(directory)
        return AbOutcome(result, directory)

    def _again(self) -> bool:
        """Whether the pair just run says nothing because the generator was disturbed, and may be run once more."""
        if not self.pairs:
            return False
        pair = self.pairs[-1]
        disturbed = any(side is not None and side.disturbed for side in (pair.a, pair.b))
        return disturbed and not self.interrupted and len(self.repeated) < self.request.pairs

    def _repeat(self) -> None:
        """Leave the pair just run out."""
        pair = self.pairs.pop()
        self.repeated.append(pair)
        self._invalid.clear()
        why = next(side.disturbed for side in (pair.a, pair.b) if side is not None and side.disturbed)
        self.say(f"pair {pair.number} is run again: {why}")

    async def _pair(self, number: int, first: Side, directory: Path) -> None:
        sides: dict[Side, SideRow] = {}
        order: tuple[Side, Side] = ("a", "b") if first == "a" else ("b", "a")
        try:
            for place, side in enumerate(order):
                if self.interrupted or self._invalid:
                    break
                self.progress(self._step_line(number, side, place))
                sides[side] = await self._side(number, side, place, directory)
        finally:
            if sides:
                self.pairs.append(PairRow(number, first, sides.get("a"), sides.get("b")))

    def _step_line(self, number: int, side: Side, place: int) -> str:
        pairs = self.request.pairs
        step, most = 2 * (number + len(self.repeated) - 1) + place + 1, 2 * (pairs + len(self.repeated))
        scenario = with_warm_up(self.request.a.scenario, self.request.warm_up_ns)
        each_ns = msgspec.structs.replace(self.request.a, scenario=scenario).plan().duration_ns
        left_s = None if each_ns is None else (most - step + 1) * each_ns / NS_PER_S
        return step_line(step, most, left_s, f"pair {number} of {pairs}, {side.upper()}")

    async def _side(self, number: int, side: Side, place: int, directory: Path) -> SideRow:
        serial = 2 * (number + len(self.repeated) * self.request.pairs) + place
        load = self.request.a if side == "a" else self.request.b
        load = msgspec.structs.replace(
            load,
            scenario=with_warm_up(load.scenario, self.request.warm_up_ns),
            seed=load.seed + serial,  # other ids each time: an endpoint may drop what it knows
            out=directory / RUNS,
            drawn=False,
            # every run is as long as the others
            objectives=tuple(replace(objective, abort=False) for objective in load.objectives),
        )
        outcome = await run_load(load, self._watching)
        result = outcome.result
        row = SideRow(
            run=f"{RUNS}/{outcome.directory.name}",
            outcome=result.verdict.outcome,
            success_rate=result.totals.success_rate,
            rate_completed=result.totals.rate_completed,
            figures={gate.text: gate.of(result) for gate in self.request.gates},
            disturbed=disturbed_words(result),
        )
        if not self.interrupted:
            self._invalid += [f"pair {number}, {side.upper()}: {why}" for why in _unusable(result, row)]
        return row

    @contextlib.asynccontextmanager
    async def _watching(self, run: Run) -> AsyncIterator[None]:
        self._run = run
        try:
            yield
        finally:
            self._run = None

    def _result(self, name: str, started: str) -> AbResult:
        request = self.request
        ending, gates, reasons = self._judged()
        checks = []
        if request.same and ending in ("pass", "fail"):
            checks = [
                CheckRow(check.gate.text, check.gate.label, check.noise, check.alarms, check.detectable)
                for check in self_check(self._figures())
            ]
        return AbResult(
            schema=SCHEMA,
            id=name,
            name=request.a.scenario.name,
            started_at=started,
            ended_at=_now(),
            version=__version__,
            seed=request.seed,
            a=_shown(request.a.scenario.target, request.b.scenario.target),
            b=_shown(request.b.scenario.target, request.a.scenario.target),
            same=request.same,
            pairs_planned=request.pairs,
            warm_up_s=request.warm_up_ns / NS_PER_S,
            pairs=self.pairs,
            repeated=self.repeated,
            gates=gates,
            checks=checks,
            ending=ending,
            reasons=reasons,
            environment=environment(),
        )

    def _judged(self) -> tuple[Ending, list[GateRow], list[str]]:
        if self._invalid:
            return "invalid", [], self._invalid
        if len(self._whole()) < self.request.pairs:
            return "interrupted", [], [f"{len(self._whole())} of {self.request.pairs} pairs were made"]
        figures = self._figures()
        rows = []
        for found in compare_pairs(figures):
            a, b = zip(*figures[found.gate], strict=True)
            rows.append(
                GateRow(
                    text=found.gate.text,
                    label=found.gate.label,
                    effect=found.gate.effect,
                    a_ms=statistics.median(a),
                    b_ms=statistics.median(b),
                    ratio=found.ratio,
                    interval=found.interval,
                    p=found.p,
                    p_adjusted=found.p_adjusted,
                    outcome=found.outcome,
                )
            )
        reasons = [f"B is slower: {row.label} by {row.ratio - 1:.1%}" for row in rows if row.outcome == "slower"]
        reasons += self._worse_answers()
        return "fail" if reasons else "pass", rows, reasons

    def _worse_answers(self) -> list[str]:
        """Fast errors must not pass: B also fails if it mostly fails its objectives, and more often than A."""
        a, b = (sum(row.outcome == "fail" for row in side) for side in zip(*self._whole(), strict=True))
        if 2 * b > self.request.pairs and b > a:
            return [f"B failed its objectives in {b} of {self.request.pairs} runs, A in {a}"]
        return []

    def _whole(self) -> list[tuple[SideRow, SideRow]]:
        return [(pair.a, pair.b) for pair in self.pairs if pair.a is not None and pair.b is not None]

    def _figures(self) -> dict[Gate, list[tuple[float, float]]]:
        found: dict[Gate, list[tuple[float, float]]] = {}
        for gate in self.request.gates:
            pairs = [(a.figures[gate.text], b.figures[gate.text]) for a, b in self._whole()]
            found[gate] = [(a, b) for a, b in pairs if a is not None and b is not None]
        return found


def with_warm_up(scenario: Scenario, warm_up_ns: int) -> Scenario:
    """The scenario with a phase before it that is not recorded, with the load of its first phase, unless it starts with
    one.

    Recorded arrivals get none, since a capture has its own start.
    """
    first = scenario.phases[0]
    if not warm_up_ns or not first.record or not process_of(first).has_rate:
        return scenario
    name = "warm-up"
    while any(phase.name == name for phase in scenario.phases):
        name += "'"
    warm_up = Phase(
        name=name,
        duration=warm_up_ns,
        rate=first.rate or first.from_ or first.to,
        connections=first.connections,
        record=False,
    )
    return msgspec.structs.replace(scenario, phases=(warm_up, *scenario.phases))


def _unusable(result: RunResult, row: SideRow) -> list[str]:
    """Why a run cannot stand in a comparison."""
    if result.verdict.outcome == "invalid":
        return list(result.validity.reasons)
    return [
        f"too few samples for {text} ({counted(result.totals.completed, 'answer')})"
        for text, value in row.figures.items()
        if value is None
    ]


def _remove(directory: Path) -> None:
    """Remove the directory of a comparison without any run."""
    for path in (directory / RUNS, directory):
        with contextlib.suppress(OSError):
            path.rmdir()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(target: Target, other: Target) -> str:
    """The URL of a side, redacted; with the version of HTTP where the two sides differ in it."""
    url = redact_url(target.url)
    return url if target.http == other.http else f"{url} over HTTP/{target.http}"

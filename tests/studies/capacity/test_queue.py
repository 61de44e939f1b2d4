"""Whole searches at an M/M/1 queue, of which the true answer is known: steps that pass or fail by chance.

A queue that serves 100/s has a p95 of ln 20 / (100/s - rate), which is 100 ms at 70.04/s. The procedure, the judgement
and the result are those of `loadsim capacity`; only the shards are replaced by the queue.
"""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest

from loadsim.judge import objectives_of, vocabulary_of_scenario
from loadsim.launch.environment import environment
from loadsim.measure.assemble import LimitInputs, assemble
from loadsim.measure.merged_counts import Merged
from loadsim.measure.outcome_columns import Column
from loadsim.measure.result import RunInfo, RunResult
from loadsim.measure.strata import StratumNames
from loadsim.measure.tally import Tally
from loadsim.model import NS_PER_S, Secret
from loadsim.plan import RunSpec, from_document
from loadsim.studies.capacity import procedure
from loadsim.studies.capacity.procedure import CapacityRequest, CapacitySearch
from loadsim.studies.capacity.report import capacity_report
from loadsim.studies.capacity.result import CapacityResult
from tests.processes import Drawn, rows_of

SERVICES = 100.0
TRUTH = SERVICES - math.log(20) / 0.1


def offered(rate: float, settle_s: float, seconds: float, random: np.random.Generator) -> Drawn:
    """The recorded events of a step: Poisson arrivals at an idle queue, which first settles."""
    n = int(random.poisson(rate * (settle_s + seconds)))
    due = np.sort(random.random(n)) * (settle_s + seconds)
    took = random.exponential(1 / SERVICES, n)
    total = np.cumsum(np.concatenate(([0.0], took[:-1])) - np.diff(due, prepend=0.0))
    latency = total - np.minimum(np.minimum.accumulate(total), 0.0) + took
    recorded = due >= settle_s
    return Drawn(due[recorded] - settle_s, latency[recorded])


class QueueRun:
    """A run of one step, as `launch.run_lifecycle.Run`."""

    def __init__(self, spec: RunSpec, seed: int, late: bool) -> None:
        self.spec = spec
        self._late_ns = 2 * NS_PER_S if late else 0
        """How much later than due the last quarter of the events is released."""
        self._random = np.random.default_rng((seed, spec.seed))

    async def execute(self, _: Callable[[], None]) -> RunResult:
        settle, step = self.spec.scenario.phases
        assert step.rate is not None
        settle_s, step_s = (int(phase.duration or 0) / NS_PER_S for phase in (settle, step))
        rows = rows_of(offered(float(step.rate), settle_s, step_s, self._random))
        for column in (Column.woken, Column.slot, Column.sent):
            rows[:, column] = rows[:, Column.due]
            rows[-len(rows) // 4 :, column] += self._late_ns
        rows[-len(rows) // 4 :, Column.done] += self._late_ns
        tally, merged = Tally(1, 0, [-1]), Merged(1)
        tally.fold(rows)
        merged.add(0, tally.drain())
        durations = (int(step.duration or 0),)
        names = StratumNames(("step",), ("a",), ("genuine",), (True,), durations, ("accept",))
        run = RunInfo(self.spec.run_id, "queue", "", "", 1, "0", "open", 1, interrupted=False, scenario={})
        return assemble(
            *(merged, names),
            planned=[len(rows)],
            run=run,
            environment=environment(),
            shards=[],
            samples=[],
            limits=LimitInputs(256, 3),
        )


def found(
    seed: int,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    objective: str = "p(95) < 100ms",
    *,
    highest: int | None = None,
    late: Callable[[RunSpec], bool] = lambda _: False,
    say: Callable[[str], None] = lambda _: None,
) -> CapacityResult:
    monkeypatch.setattr(procedure, "Run", lambda spec, **_: QueueRun(spec, seed, late(spec)))
    document = {
        "name": "queue",
        "target": {"url": "http://127.0.0.1:9/"},
        "events": [{"type": "desktop.activity_tracking.captured"}],
        "phases": [{"name": "unused", "rate": "1/s", "duration": "1s", "arrivals": "poisson"}],
        "objectives": [objective],
    }
    scenario = from_document(document, "test")
    objectives = objectives_of(scenario.objectives, vocabulary_of_scenario(scenario))
    load = RunSpec(scenario=scenario, seed=seed, objectives=objectives, secret=Secret("whsec_test"), out=out)
    request = CapacityRequest(
        load, Fraction(50), Fraction(highest) if highest else None, 10 * NS_PER_S, 2 * NS_PER_S, Fraction(25, 1000)
    )
    return asyncio.run(CapacitySearch(request, say, say).execute()).result


@pytest.mark.slow
@pytest.mark.long
def test_a_queue_is_found_without_bias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = [found(seed, tmp_path, monkeypatch) for seed in range(9)]
    rates = [result.rate for result in results]
    assert all(result.ending == "found" for result in results)
    assert statistics.median(rate or 0.0 for rate in rates) == pytest.approx(TRUTH, rel=0.05), rates
    intervals = [result.rate_ci95 for result in results]
    held = [ends is not None and ends[0] <= TRUTH <= ends[1] for ends in intervals]
    assert sum(held) >= 7, intervals
    assert all(
        ends is not None and rate and ends[0] <= rate <= ends[1] for ends, rate in zip(intervals, rates, strict=True)
    )
    assert any(result.estimated for result in results)


@pytest.mark.slow
def test_a_rate_that_fails_is_tried_again_and_what_is_judged_stands_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = found(3, tmp_path, monkeypatch)
    by_rate: dict[float, list[str]] = {}
    for row in result.steps:
        if row.kind != "refining":
            by_rate.setdefault(row.rate, []).append(row.outcome)
        assert list(row.judged_ms) == ["p95"]
        assert row.judged_ms["p95"] is not None
        assert row.excess is not None
    assert all(len(outcomes) > 1 for outcomes in by_rate.values() if outcomes[0] == "unclear")
    assert any(outcomes[0] == "unclear" for outcomes in by_rate.values())
    report = capacity_report(result)
    assert "(95 % " in report.headline
    table = next(block for section in report.sections for block in section.blocks if hasattr(block, "columns"))
    assert [column.title for column in table.columns][:4] == ["Rate", "p50", "p95", "p99"]
    assert msgspec.json.decode(msgspec.json.encode(result), type=CapacityResult) == result


def test_a_rate_that_the_generator_disturbed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first: list[str] = []
    said: list[str] = []

    def late(spec: RunSpec) -> bool:
        first.append(spec.run_id)
        return len(first) == 1

    result = found(3, tmp_path, monkeypatch, highest=50, late=late, say=said.append)
    assert [row.outcome for row in result.steps][:2] == ["invalid", "pass"]
    assert {row.rate for row in result.steps} == {50.0}
    assert [line.strip() for line in said if "again" in line] == ["50/s is tried again: the generator was disturbed"]
    assert result.rate == 50

"""What moved with latency or failures is named with its figures, and nothing else is: on processes that are known."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from loadsim.measure.assemble import LimitInputs, assemble
from loadsim.measure.change_points import Floats
from loadsim.measure.merged_counts import Merged
from loadsim.measure.moved_with import LEAST_S, moved_with
from loadsim.measure.outcome_columns import Column
from loadsim.measure.result import RunResult
from loadsim.measure.result_generator import SecondLook
from loadsim.measure.result_watches import WatchSeries
from loadsim.measure.strata import StratumNames
from loadsim.measure.tally import Tally
from loadsim.model import NS_PER_S
from tests.conftest import slow_but
from tests.measure.runs import HERE, RUN
from tests.processes import PROCESSES, Drawn, Process, rows_of

SECONDS = 60
SECOND = np.arange(SECONDS)


def result_of(drawn: Drawn, *, failing_from_s: float | None = None, seconds: int = SECONDS) -> RunResult:
    """The result of a run with these latencies, whose events fail with 503 from some time on."""
    names = StratumNames(("load",), ("a",), ("genuine",), (True,), (seconds * NS_PER_S,), ("accept",))
    rows = rows_of(drawn)
    if failing_from_s is not None:
        rows[drawn.due_s >= failing_from_s, Column.code] = 503
    tally = Tally(1, 0, [-1])
    tally.fold(rows)
    merged = Merged(1)
    merged.add(0, tally.drain())
    planned = [len(rows)]
    return assemble(
        merged, names, planned=planned, run=RUN, environment=HERE, shards=[], samples=[], limits=LimitInputs(10, 3)
    )


def watched(result: RunResult, **series: Floats) -> RunResult:
    """The run with gauges that were read each second."""
    rows = [
        WatchSeries(
            name=name,
            kind="url",
            place="p",
            metric=name,
            reading="gauge",
            unit="",
            every_s=1.0,
            t_s=[float(t) for t in range(len(values))],
            values=[None if np.isnan(value) else float(value) for value in values],
            samples=len(values),
        )
        for name, values in series.items()
    ]
    return msgspec.structs.replace(result, watches=rows)


def slower(process: Process, random: np.random.Generator, from_s: float, factor: float) -> Drawn:
    """A process whose latencies are greater from some time on."""
    drawn = process.draw(SECONDS, random)
    return Drawn(drawn.due_s, drawn.latency_s * np.where(drawn.due_s >= from_s, factor, 1.0))


def wandering(random: np.random.Generator, coefficient: float = 0.8) -> Floats:
    values = random.standard_normal(SECONDS)
    for number in range(1, SECONDS):
        values[number] = coefficient * values[number - 1] + np.sqrt(1 - coefficient**2) * values[number]
    return 50 + 10 * values


@pytest.mark.parametrize("process", slow_but(PROCESSES[-2:], PROCESSES), ids=lambda process: process.name)
def test_of_a_run_without_a_change_nothing_is_said(process: Process) -> None:
    random, claims = np.random.default_rng(7), 0
    for _ in range(5):
        unrelated = {
            f"{kind}-{number}": values
            for number in range(5)
            for kind, values in (
                ("still", 50 + random.standard_normal(SECONDS)),
                ("wandering", wandering(random)),
                ("walk", np.cumsum(random.standard_normal(SECONDS))),
                ("growing", SECOND * 3.0 + random.standard_normal(SECONDS)),
            )
        }
        run = watched(result_of(process.draw(SECONDS, random)), **unrelated)
        claims += len({row.name for row in moved_with(run).rows})
    assert claims <= 5, "of 100 pairs at most 5 %; those of one run come together"


@pytest.mark.parametrize("process", PROCESSES[:2], ids=lambda process: process.name)
def test_the_series_that_changed_is_named_with_both_figures(process: Process) -> None:
    random, named, others = np.random.default_rng(8), 0, 0
    for _ in range(4):
        run = watched(
            result_of(slower(process, random, 25, 20)),
            queue=np.where(SECOND >= 25, 180.0, 3.0) + random.standard_normal(SECONDS),
            still=50 + random.standard_normal(SECONDS),
            wandering=wandering(random),
            walk=np.cumsum(random.standard_normal(SECONDS)),
            elsewhere=np.where(SECOND >= 40, 180.0, 3.0) + random.standard_normal(SECONDS),
        )
        rows = moved_with(run).rows
        mine = [row for row in rows if row.name == "queue"]
        named += len(mine)
        others += len(rows) - len(mine)
        for row in mine:
            assert row.at_s == pytest.approx(25, abs=2)
            assert row.figure_at_s == pytest.approx(25, abs=2)
            assert row.before == pytest.approx(3, abs=2)
            assert row.after == pytest.approx(180, abs=2)
            assert row.figure in ("p50", "p99")
            assert row.figure_after > 5 * row.figure_before
    assert named >= 3
    assert others <= 1


@pytest.mark.parametrize("factor", [4.0, 0.25])
def test_latency_need_not_change_by_more_than_what_is_said(factor: float) -> None:
    """By a fifth of itself and three times its scatter, whatever its unit: not by a fifth of its logarithm."""
    random, named = np.random.default_rng(13), 0
    for _ in range(4):
        drawn = slower(PROCESSES[0], random, 25, factor)
        slow = Drawn(drawn.due_s, drawn.latency_s * 20)
        run = watched(result_of(slow), queue=np.where(SECOND >= 25, 180.0, 3.0))
        named += any(row.name == "queue" and row.at_s == 25 for row in moved_with(run).rows)
    assert named == 4


def test_a_series_that_moved_with_failures_is_named() -> None:
    random = np.random.default_rng(9)
    errors = np.where(SECOND >= 30, 0.0, 8.0)
    run = watched(result_of(PROCESSES[0].draw(SECONDS, random), failing_from_s=30), workers=errors)
    (row,) = moved_with(run).rows
    assert (row.name, row.figure, row.before, row.after) == ("workers", "errors", 8.0, 0.0)
    assert row.figure_before == pytest.approx(0, abs=0.01)
    assert row.figure_after == pytest.approx(1, abs=0.01)


def test_a_rate_is_about_the_time_before_its_reading() -> None:
    random = np.random.default_rng(10)
    drawn = slower(PROCESSES[0], random, 25, 20)
    run = watched(result_of(drawn), work=np.where(SECOND > 25, 90.0, 10.0))
    series = msgspec.structs.replace(run.watches[0], reading="rate")
    (row,) = moved_with(msgspec.structs.replace(run, watches=[series])).rows
    assert row.at_s == 25


def moving(seconds: int = SECONDS) -> RunResult:
    """A run in which a series and latency change half way."""
    drawn = PROCESSES[0].draw(seconds, np.random.default_rng(12))
    half = seconds / 2
    late = Drawn(drawn.due_s, drawn.latency_s * np.where(drawn.due_s >= half, 20.0, 1.0))
    return watched(result_of(late, seconds=seconds), queue=np.where(np.arange(seconds) >= half, 9.0, 1.0))


def test_nothing_is_said_of_disturbed_and_of_short_runs() -> None:
    run = moving()
    assert moved_with(run).rows
    disturbed = SecondLook(histograms={}, disturbed={"response": 3}, excused={})
    found = moved_with(msgspec.structs.replace(run, second_look=disturbed))
    assert found.rows == []
    assert found.why_not.startswith("3 events were disturbed by pauses of the generator")
    found = moved_with(moving(seconds=int(LEAST_S) - 2))
    assert (found.rows, found.why_not) == ([], "the run is shorter than 30 s")


@pytest.mark.parametrize("changed", [{"series": []}, {"series_histograms": {}}, {"watches": []}])
def test_results_that_hold_less_say_less(changed: dict[str, Any]) -> None:
    found = moved_with(msgspec.structs.replace(moving(), **changed))
    assert [row for row in found.rows if row.figure != "errors"] == []

"""Figures of many runs: one line for each run, and a chart of a scenario's runs over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from loadsim.measure.result import RunResult, target_url
from loadsim.measure.result_events import Stats
from loadsim.model import counted
from loadsim.report import facts, numbers, run_charts
from loadsim.report.blocks import Chart
from loadsim.report.chart_sections import point_table

LEAST = 2
"""The fewest runs that make a trend."""
HEADER = ("Run", "Verdict", "Sent", "Completed", "2xx", "p50", "p99", "max")


class RunLine(NamedTuple):
    """One run in a list; latencies in ms of its headline metric, None where there are too few samples."""

    id: str
    name: str
    started_at: str
    outcome: str
    target: str
    scale: float
    """Below 1: the run was shortened."""
    interrupted: bool
    sent: int
    rate: float | None
    success_rate: float | None
    p50: float | None
    p99: float | None
    max: float | None

    @property
    def verdict(self) -> str:
        """`PASS`, `FAIL`, `INVALID` or `NOT JUDGED`."""
        return facts.VERDICTS[self.outcome]

    @property
    def began(self) -> str:
        """The start of the run: `2026-11-24 09:10:03`, UTC."""
        return self.started_at[:19].replace("T", " ")

    def cells(self) -> tuple[str, ...]:
        """Events, completed rate, share of 2xx, p50, p99 and max, as text."""
        return (
            numbers.count(self.sent),
            numbers.per_second(self.rate),
            numbers.share(self.success_rate),
            *map(numbers.milliseconds, (self.p50, self.p99, self.max)),
        )


def run_line(result: RunResult) -> RunLine:
    """The figures of one run."""
    totals = result.totals
    stats = totals.latency_ms.get("response") or Stats(count=0)
    return RunLine(
        id=result.run.id,
        name=result.run.name,
        started_at=result.run.started_at,
        outcome=result.verdict.outcome,
        target=target_url(result),
        scale=result.run.scale,
        interrupted=result.run.interrupted,
        sent=totals.sent,
        rate=totals.rate_completed,
        success_rate=totals.success_rate,
        p50=stats.p50,
        p99=stats.p99,
        max=stats.max,
    )


def trend(lines: Sequence[RunLine]) -> Chart | None:
    """A chart of the runs of one scenario, given in any order, against the target of the latest and of its scale; None
    where there are too few."""
    every = sorted(lines, key=lambda line: line.started_at)
    same = [line for line in every if line.target == every[-1].target]
    ordered = [line for line in same if line.scale == every[-1].scale]
    if len(ordered) < LEAST or all(line.p50 is None for line in ordered):
        return None
    columns = {name: [getattr(line, name) for line in ordered] for name in ("p50", "p99", "max")}
    drawn = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    figure = run_charts.trend_figure(
        drawn,
        [line.began[5:16] for line in ordered],
        [f"{line.id}: {line.verdict}, {numbers.per_second(line.rate)}" for line in ordered],
        [line.outcome for line in ordered],
    )
    last = ordered[-1]
    which = f"{last.name} at scale {last.scale:g}" if last.scale < 1 else last.name
    words = (
        f"{len(ordered)} runs of {which} against {last.target or 'an unknown target'}, oldest first; the symbol of a "
        "point is the run's verdict. Runs on different machines or with different loads are not comparable: the table "
        "says what each was."
    )
    left_out = {"against other targets": len(every) - len(same), "of another scale": len(same) - len(ordered)}
    for whose, others in left_out.items():
        if others:
            words += f" {counted(others, 'run')} {whose} {'is' if others == 1 else 'are'} not drawn."
    rows = [(line.began, line.verdict, *line.cells()) for line in ordered]
    return Chart("trend", figure, words, point_table("Runs, oldest first", HEADER, rows, words=(0, 1)))

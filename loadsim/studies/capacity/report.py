"""The report of a search for the highest rate, from its stored result."""

from __future__ import annotations

import math
from collections.abc import Sequence

from loadsim.model import counted
from loadsim.report import numbers, run_charts
from loadsim.report.blocks import Cell, Chart, Column, Figure, Lines, Report, Row, Section, Table, Tone, sections
from loadsim.report.chart_sections import point_table
from loadsim.studies.capacity.result import CapacityResult, StepRow

VERDICTS: dict[str, tuple[str, Tone]] = {
    "found": ("FOUND", "good"),
    "none": ("NONE", "bad"),
    "generator": ("INVALID", "warn"),
    "interrupted": ("INTERRUPTED", "warn"),
    "lost": ("LOST", "bad"),
}
OUTCOMES: dict[str, tuple[str, Tone]] = {
    "pass": ("✓ pass", "good"),
    "fail": ("✗ fail", "bad"),
    "unclear": ("? unclear", "warn"),
    "invalid": ("! invalid", "warn"),
    "interrupted": ("- interrupted", "warn"),
}
BAR = 10
"""Largest number of characters of a bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉"


def capacity_report(result: CapacityResult) -> Report:
    """The whole report."""
    word, tone = VERDICTS[result.ending]
    return Report(
        outcome=word,
        tone=tone,
        name=result.name,
        headline=headline(result),
        about=[" · ".join(_words(result))],
        sections=sections(
            Section("reason", "Result of the search", [Lines([result.reason] if result.reason else [], bullets=False)]),
            Section("objectives", "Objectives", [Lines(result.objectives)]),
            _chart(result),
            Section("steps", "Rate against latency", [_steps(result)]),
        ),
        key=_key(result),
        footer=f"loadsim {result.version} · search {result.id}",
    )


def rate_words(rate: float) -> str:
    """A rate as the search writes it: `394/s`, `1,580/s`, `12.5/s`."""
    return f"{numbers.significant(rate, 4 if rate >= 1000 else 3).removesuffix('.0').removesuffix('.00')}/s"


def headline(result: CapacityResult) -> str:
    """The outcome in a few words."""
    if result.ending == "found" and result.rate is not None:
        least = "at least " if result.at_least else "about " if result.estimated else ""
        return f"{least}{rate_words(result.rate)} meet every objective{_interval(result, ' (95 % ', ')')}"
    if result.rate is not None:
        return f"no answer; {rate_words(result.rate)} is the highest rate that passed"
    return "no answer"


def _interval(result: CapacityResult, before: str = "", after: str = "") -> str:
    """The interval of the answer, `66.1–74.0/s`; empty without one."""
    if result.rate_ci95 is None:
        return ""
    low, high = map(rate_words, result.rate_ci95)
    return f"{before}{low.removesuffix('/s')}–{high}{after}"


def by_rate(steps: Sequence[StepRow]) -> list[StepRow]:
    """The steps from the lowest rate to the highest; steps of one rate in the order in which they were made."""
    return sorted(steps, key=lambda row: (row.rate, row.number))


def bar(value: float | None, scale: tuple[float, float] | None, long: int = BAR) -> str:
    """The value on a logarithmic scale as a bar of at most `long` characters; empty when there is none."""
    if value is None or scale is None or value <= 0:
        return ""
    low, high = scale
    eighths = round(8 * long * (math.log10(value) - low) / (high - low))
    whole, rest = divmod(max(1, min(eighths, 8 * long)), 8)
    return "█" * whole + _EIGHTHS[rest].strip()


def _steps(result: CapacityResult) -> Table:
    named = judged_names(result)
    shown = named[0] if named else "p99"
    scale = _scale([_percentile(row, shown) for row in result.steps])
    rows: list[Row] = []
    for row in by_rate(result.steps):
        word, tone = OUTCOMES[row.outcome]
        early = " (stopped early)" if row.stopped_early else ""
        confirmed = ", confirmed" if _confirms(result, row) else ""
        outcome = Cell(f"{word}{early}{confirmed}", tone)
        drawn = bar(_percentile(row, shown), scale)
        rows.append((*_cells(row, _columns(named)), drawn, outcome, row.why, row.result))
    titles = ("Rate", *_columns(named), "2xx", "Completed")
    spare = (Column("Why", words=True, long=True, spare=True), Column("Result", words=True, long=True, spare=True))
    columns = (*map(Column, titles), Column(f"{shown} (log)", words=True), Column("Outcome", words=True), *spare)
    return Table("Rate against latency", columns, rows)


def _chart(result: CapacityResult) -> Section | None:
    """Rate against p50, p99 and the percentiles that were judged, as far as they are known."""
    names = _columns(judged_names(result))
    known = [row for row in by_rate(result.steps) if row.p99_ms is not None]
    if not known:
        return None
    rates = [row.rate for row in known]
    lines = {name: [_percentile(row, name) for row in known] for name in names}
    points = [
        (rate_words(row.rate), *(numbers.milliseconds(_percentile(row, name)) for name in names)) for row in known
    ]
    words = "Response time by rate, one point for each step."
    chart = Chart(
        "steps", run_charts.rate_latency_figure(rates, lines), words, point_table("Steps", ("Rate", *names), points)
    )
    return Section("curve", "Latency by rate", [chart])


def _key(result: CapacityResult) -> list[Figure]:
    if result.rate is None:
        return []
    name = "highest rate" if result.ending == "found" else "highest rate that passed"
    return [
        Figure(name, f"{'≥ ' if result.at_least else ''}{rate_words(result.rate)}", under=_interval(result, "95 % "))
    ]


def _scale(values: Sequence[float | None]) -> tuple[float, float] | None:
    """From half a decade below the smallest value to the largest, as logarithms."""
    logarithms = [math.log10(value) for value in values if value]
    return (min(logarithms) - 0.5, max(logarithms)) if logarithms else None


def judged_names(result: CapacityResult) -> list[str]:
    """The percentiles that the objectives name, from the lowest to the highest as they came."""
    return list(dict.fromkeys(name for row in result.steps for name in row.judged_ms))


def _columns(judged: Sequence[str]) -> list[str]:
    """p50, what was judged, p99; each once."""
    return list(dict.fromkeys(("p50", *judged, "p99")))


def _percentile(row: StepRow, name: str) -> float | None:
    """One percentile of a step, ms; None where it is not known."""
    named: dict[str, float | None] = {"p50": row.p50_ms, "p99": row.p99_ms}
    return named[name] if name in named else row.judged_ms.get(name)


def _cells(row: StepRow, names: Sequence[str]) -> tuple[str, ...]:
    return (
        rate_words(row.rate),
        *(numbers.milliseconds(_percentile(row, name)) for name in names),
        numbers.share(row.success_rate),
        numbers.per_second(row.rate_completed),
    )


def _confirms(result: CapacityResult, row: StepRow) -> bool:
    return result.ending == "found" and row.kind == "confirming" and row.outcome == "pass" and row.rate == result.rate


def _words(result: CapacityResult) -> list[str]:
    steps = len(result.steps)
    words = [
        result.target,
        f"started {result.started_at}",
        f"search {result.id}",
        counted(steps, "step"),
        f"seed {result.seed}",
    ]
    return [*words, f"to {100 * result.precision:g} %"]

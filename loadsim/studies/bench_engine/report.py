"""What is said of the generator's own cost on one machine."""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.measure.result import Environment, GeneratorLimits
from loadsim.report import figures
from loadsim.report.blocks import Column, Lines, Report, Section, Table, sections
from loadsim.report.facts import BUSY_CORE

_FIGURES = (Column("What", words=True), Column("Figure", words=True), Column("Note", words=True, long=True))
_COLUMNS = (Column("Rate", words=True), *map(Column, ("Lag p50", "Lag p99", "Service p50", "Service p99")))


def floor_report(floor: GeneratorLimits, where: Environment, reasons: Sequence[str] = ()) -> Report:
    """The whole report; with `reasons`, why the calibration is invalid."""
    rows = []
    for pace in floor.paces:
        found = (pace.lag_p50_ms, pace.lag_p99_ms, pace.service_p50_ms, pace.service_p99_ms)
        rows.append((figures.per_second(pace.rate), *map(figures.milliseconds, found)))
    highest = ("highest rate", f"{figures.count(floor.rate_max)} signed events/s per process", _bound(floor))
    service = [figures.milliseconds(ms) for ms in (floor.service_p50_ms, floor.service_p99_ms)]
    floors = ("floor", f"service p50 {service[0]}, p99 {service[1]}", "")
    most = Table("Highest rate and floor", _FIGURES, [highest, floors])
    paces = Table("Lateness and floor by rate", _COLUMNS, rows)
    return Report(
        outcome="INVALID" if reasons else "MEASURED",
        tone="warn" if reasons else "good",
        name="loadsim's own cost",
        headline="not kept" if reasons else f"{figures.count(floor.rate_max)} signed events/s per process",
        about=[f"{where.cpu_model}, {where.cpu_count} cores, Python {where.python}"],
        sections=sections(
            Section("reasons", "Invalid because", [Lines(reasons, tone="warn")]),
            Section("figures", most.caption, [most]),
            Section("paces", paces.caption, [paces]),
        ),
    )


def _bound(floor: GeneratorLimits) -> str:
    """Whether that was the generator's limit at all."""
    share = floor.generator_cpu_share
    if share is None:
        return ""
    used = f"{100 * share:.0f} % of its core"
    return used if share >= BUSY_CORE else f"{used}: the receiver or the machine was the limit"

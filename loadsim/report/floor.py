"""What is said of the generator's own cost on one machine."""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.measure.result import Environment, Floor
from loadsim.report import figures
from loadsim.report.blocks import Column, Figure, Figures, Lines, Report, Section, Table, sections
from loadsim.report.facts import BUSY_CORE

_COLUMNS = (Column("Rate", words=True), *map(Column, ("Lag p50", "Lag p99", "Service p50", "Service p99")))


def floor_report(floor: Floor, where: Environment, reasons: Sequence[str] = ()) -> Report:
    """The whole report; with `reasons`, why the calibration is invalid."""
    rows = []
    for pace in floor.paces:
        found = (pace.lag_p50_ms, pace.lag_p99_ms, pace.service_p50_ms, pace.service_p99_ms)
        rows.append((figures.per_second(pace.rate), *map(figures.milliseconds, found)))
    quoted = [
        Figure("signed events/s per process, at most", figures.count(floor.rate_max), _bound(floor)),
        Figure("least service time, p50", figures.milliseconds(floor.service_p50_ms)),
        Figure("p99", figures.milliseconds(floor.service_p99_ms)),
    ]
    return Report(
        outcome="INVALID" if reasons else "MEASURED",
        tone="warn" if reasons else "good",
        name="loadsim's own cost",
        headline="not kept" if reasons else f"{figures.count(floor.rate_max)} signed events/s per process",
        about=[f"{where.cpu_model}, {where.cpu_count} cores, Python {where.python}"],
        sections=sections(
            Section("reasons", "Invalid because", [Lines(reasons, tone="warn")]),
            Section("figures", "Highest rate and floor", [Figures(quoted)]),
            Section("paces", "Lateness and floor by rate", [Table("Lateness and floor by rate", _COLUMNS, rows)]),
        ),
    )


def _bound(floor: Floor) -> str:
    """Whether that was the generator's limit at all."""
    share = floor.generator_cpu_share
    if share is None:
        return ""
    used = f"{100 * share:.0f} % of its core"
    return used if share >= BUSY_CORE else f"{used}: the receiver or the machine was the limit"

"""The report of `loadsim bench engine`: the limits of the generator on one machine."""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.measure.generator_limits import StoredLimits
from loadsim.measure.result import Environment
from loadsim.measure.result_generator import GeneratorLimits
from loadsim.report import numbers
from loadsim.report.blocks import Column, Lines, Report, Section, Table, sections
from loadsim.report.what_limited import BUSY_CORE

_FIGURES = (Column("What", words=True), Column("Figure", words=True), Column("Note", words=True, long=True))
_COLUMNS = (Column("Rate", words=True), *map(Column, ("Lag p50", "Lag p99", "Service p50", "Service p99")))


def engine_report(limits: GeneratorLimits, where: Environment, reasons: Sequence[str] = ()) -> Report:
    """The whole report. `reasons`: why the measurement is invalid; empty when it is valid."""
    rows = []
    for pace in limits.paces:
        found = (pace.lag_p50_ms, pace.lag_p99_ms, pace.service_p50_ms, pace.service_p99_ms)
        rows.append((numbers.per_second(pace.rate), *map(numbers.milliseconds, found)))
    highest = ("highest rate", f"{numbers.count(limits.rate_max)} signed events/s per process", _bound(limits))
    service = [numbers.milliseconds(ms) for ms in (limits.service_p50_ms, limits.service_p99_ms)]
    least = ("least latency", f"service p50 {service[0]}, p99 {service[1]}", "")
    extremes = Table("Highest rate and least latency", _FIGURES, [highest, least])
    paces = Table("Lag and service time by rate", _COLUMNS, rows)
    return Report(
        outcome="INVALID" if reasons else "MEASURED",
        tone="warn" if reasons else "good",
        name="limits of the generator",
        headline="not saved" if reasons else f"{numbers.count(limits.rate_max)} signed events/s per process",
        about=[f"{where.cpu_model}, {where.cpu_count} cores, Python {where.python}, {limits.measured_at[:10]}"],
        sections=sections(
            Section("reasons", "Invalid because", [Lines(reasons, tone="warn")]),
            Section("figures", extremes.caption, [extremes]),
            Section("paces", paces.caption, [paces]),
        ),
    )


def stored_engine_report(stored: StoredLimits) -> Report:
    """The report of stored limits, which are always valid."""
    return engine_report(stored.limits, stored.environment)


def _bound(limits: GeneratorLimits) -> str:
    """The generator's CPU share, which shows whether the highest rate was its own limit."""
    share = limits.generator_cpu_share
    if share is None:
        return ""
    used = f"{100 * share:.0f} % of its core"
    return used if share >= BUSY_CORE else f"{used}: the receiver or the machine was the limit"

"""What the generator costs on one machine, as a page of text."""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.measure.result import Environment, GeneratorLimits
from loadsim.report import figures
from loadsim.report.facts import BUSY_CORE


def render_floor(floor: GeneratorLimits, where: Environment, reasons: Sequence[str] = ()) -> str:
    """The calibration in a few lines, and why it proves nothing if it does not. Ends in a newline."""
    lines = [f"loadsim's own cost on {where.cpu_model}, {where.cpu_count} cores, Python {where.python}", ""]
    lines.append(f"highest rate   {figures.count(floor.rate_max)} signed events/s per process{_bound(floor)}")
    lines.append(
        f"floor          service p50 {figures.milliseconds(floor.service_p50_ms)}, "
        f"p99 {figures.milliseconds(floor.service_p99_ms)}"
    )
    header = ("rate", "lag p50", "lag p99", "service p50", "service p99")
    rows = [header]
    for pace in floor.paces:
        found = (pace.lag_p50_ms, pace.lag_p99_ms, pace.service_p50_ms, pace.service_p99_ms)
        p = [figures.milliseconds(value) for value in found]
        rows.append((figures.per_second(pace.rate), p[0], p[1], p[2], p[3]))
    lines += ["", "Lateness and floor by rate"]
    lines += ["  ".join(f"{cell:>11}" for cell in row) for row in rows]
    if reasons:
        lines += ["", "INVALID, and not kept, because", *(f"  {figures.printable(reason)}" for reason in reasons)]
    return "\n".join(lines) + "\n"


def _bound(floor: GeneratorLimits) -> str:
    """Whether that was the generator's limit at all."""
    share = floor.generator_cpu_share
    if share is None:
        return ""
    used = f" ({100 * share:.0f} % of its core"
    return f"{used})" if share >= BUSY_CORE else f"{used}: the receiver or the machine was the limit)"

"""The live view as text: a small table for a terminal, one line for everything else. Pure: progress in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadsim.measure.progress import HostProgress, Progress
from loadsim.model import NS_PER_S
from loadsim.plan import Plan, PlannedPhase
from loadsim.report.figures import milliseconds

PHASES_SHOWN = 5
_BARS = "▁▂▃▄▅▆▇█"


def progress_line(plan: Plan, progress: Progress) -> str:
    """One line, without colour."""
    last, phase = progress.last_second, _current(plan, progress)
    return (
        f"{progress.elapsed_s:6.1f} s  {'draining' if phase is None else phase.name}"
        f"  planned {progress.planned:,}  sent {progress.sent:,}  done {progress.done:,}"
        f"  in flight {progress.in_flight:,}  {progress.rate_done:,.0f}/s  p50 {milliseconds(last.p50_ms)}"
        f"  p99 {milliseconds(last.p99_ms)}  max {milliseconds(last.max_ms)}  lag p99 {milliseconds(last.lag_p99_ms)}"
        f"  not 2xx {progress.failed_status:,}  errors {progress.errors:,}"
    )


def host_lines(progress: Progress) -> list[str]:
    """One line per host of a cluster, without colour; none for a run on this machine."""
    lines = [
        f"         {host.name}  done {host.done:,}  in flight {host.in_flight:,}  p50 {milliseconds(host.p50_ms)}"
        f"  p99 {milliseconds(host.p99_ms)}{'  LOST' if host.lost else ''}"
        for host in progress.hosts
    ]
    return [*lines, f"         and {progress.more_hosts} more hosts"] if progress.more_hosts else lines


def render_progress(plan: Plan, progress: Progress, *, stopping: str = "") -> RenderableType:
    """The view that a terminal redraws: phases with the time left, counts, the last second, the whole run.

    `stopping`: why the run is about to end before its time, if it is.
    """
    lost = [Text(f"lost shards: {', '.join(map(str, progress.lost_shards))}", style="red bold")]
    return Group(
        _head(plan, progress),
        *_phases(plan, progress),
        _counts(progress),
        _times(progress),
        _failures(progress),
        *([_hosts(progress)] if progress.hosts else []),
        *(lost if progress.lost_shards else []),
        *([Text(stopping, style="yellow")] if stopping else []),
    )


def sparkline(values: Sequence[float]) -> str:
    """One bar per value, from nothing to the greatest of them."""
    most = max(values, default=0.0)
    return "".join(_BARS[round((len(_BARS) - 1) * value / most)] if most else _BARS[0] for value in values)


def _current(plan: Plan, progress: Progress) -> PlannedPhase | None:
    """The phase that the clock is in; None when only the drain is left."""
    elapsed_ns = progress.elapsed_s * NS_PER_S
    return next((phase for phase in plan.phases if phase.end_ns is None or elapsed_ns < phase.end_ns), None)


def _head(plan: Plan, progress: Progress) -> RenderableType:
    phase = _current(plan, progress)
    name = "draining" if phase is None else phase.name
    if plan.duration_ns is None:
        return Text.assemble((plan.scenario.name, "bold"), f"  {name}  {progress.elapsed_s:.1f} s")
    total_s = plan.duration_ns / NS_PER_S
    line = Table.grid(padding=(0, 2))
    line.add_row(
        Text(plan.scenario.name, style="bold"),
        name,
        ProgressBar(total=total_s, completed=min(progress.elapsed_s, total_s), width=24),
        _left(progress.elapsed_s, total_s),
    )
    return line


def _left(elapsed_s: float, total_s: float) -> str:
    return f"{min(elapsed_s, total_s):.0f} of {total_s:g} s, {max(0.0, total_s - elapsed_s):.0f} s left"


def _phases(plan: Plan, progress: Progress) -> Iterator[RenderableType]:
    """Where each phase of several stands; of many, those around the current one."""
    if len(plan.phases) < 2:
        return
    current = _current(plan, progress)
    at = len(plan.phases) if current is None else current.number
    first = max(0, min(at - 1, len(plan.phases) - PHASES_SHOWN))
    rows = Table.grid(padding=(0, 2))
    for phase in plan.phases[first : first + PHASES_SHOWN]:
        length_s = None if phase.end_ns is None else (phase.end_ns - phase.start_ns) / NS_PER_S
        length = "until its last event" if length_s is None else f"{length_s:g} s"
        if phase.number == at and length_s is not None:
            length = _left(progress.elapsed_s - phase.start_ns / NS_PER_S, length_s)
        mark = "✓" if phase.number < at else "▸" if phase.number == at else " "
        style = "" if phase.number == at else "dim"
        rows.add_row(Text(f"  {mark}", style), Text(phase.name, style), Text(length, style))
    yield rows


def _counts(progress: Progress) -> RenderableType:
    counts = Table.grid(padding=(0, 2))
    for _ in range(5):
        counts.add_column(justify="right")
    names = ("planned", "sent", "done", "in flight", "done/s")
    counts.add_row(*(Text(name, style="dim") for name in names), "")
    counts.add_row(
        f"{progress.planned:,}",
        f"{progress.sent:,}",
        Text(f"{progress.done:,}", style="bold"),
        f"{progress.in_flight:,}",
        f"{progress.rate_done:,.0f}",
        Text(sparkline(progress.rates), style="cyan"),
    )
    return counts


def _times(progress: Progress) -> RenderableType:
    times = Table.grid(padding=(0, 2))
    for _ in range(5):
        times.add_column(justify="right")
    times.add_row("", *(Text(name, style="dim") for name in ("p50", "p99", "max", "lag p99")))
    for name, seen in (("last second", progress.last_second), ("so far", progress.total)):
        shown = (seen.p50_ms, seen.p99_ms, seen.max_ms, seen.lag_p99_ms)
        times.add_row(Text(name, style="dim"), *(milliseconds(value) for value in shown))
    return times


def _failures(progress: Progress) -> RenderableType:
    return Text.assemble(
        ("not 2xx ", "dim"),
        (f"{progress.failed_status:,}", "red bold" if progress.failed_status else ""),
        ("   errors ", "dim"),
        (f"{progress.errors:,}", "red bold" if progress.errors else ""),
        ("   waiting for a connection ", "dim"),
        f"{progress.queued:,}",
    )


def _hosts(progress: Progress) -> RenderableType:
    """One row per host of a cluster; times are of its last second."""
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "right", "right", "right"):
        table.add_column(justify=justify)
    table.add_row(*(Text(name, style="dim") for name in ("host", "done", "in flight", "p50", "p99")))
    for host in progress.hosts:
        table.add_row(*_host_cells(host), style="red" if host.lost else "")
    if progress.more_hosts:
        table.add_row(Text(f"and {progress.more_hosts} more", style="dim"))
    return table


def _host_cells(host: HostProgress) -> tuple[str, ...]:
    name = f"{host.name} (lost)" if host.lost else host.name
    return name, f"{host.done:,}", f"{host.in_flight:,}", milliseconds(host.p50_ms), milliseconds(host.p99_ms)

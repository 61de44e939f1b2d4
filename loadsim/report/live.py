"""The live view as text: a small table for a terminal, one line for everything else. Pure: progress in, text out."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadsim.measure.progress import HostProgress, Progress
from loadsim.model import NS_PER_S
from loadsim.plan import Plan
from loadsim.report.figures import milliseconds


def progress_line(progress: Progress) -> str:
    """One line, without colour."""
    last = progress.last_second
    return (
        f"{progress.elapsed_s:6.1f} s  planned {progress.planned:,}  sent {progress.sent:,}  done {progress.done:,}"
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


def render_progress(plan: Plan, progress: Progress, *, interrupted: bool) -> RenderableType:
    """The view that a terminal redraws: phase and time, counts, the last second, the whole run."""
    last = progress.last_second
    counts = Table.grid(padding=(0, 2))
    for _ in range(5):
        counts.add_column(justify="right")
    counts.add_row(*(Text(name, style="dim") for name in ("planned", "sent", "done", "in flight", "done/s")))
    done = Text(f"{progress.done:,}", style="bold")
    numbers = (f"{progress.planned:,}", f"{progress.sent:,}")
    counts.add_row(*numbers, done, f"{progress.in_flight:,}", f"{progress.rate_done:,.0f}")
    times = Table.grid(padding=(0, 2))
    for _ in range(5):
        times.add_column(justify="right")
    times.add_row("", *(Text(name, style="dim") for name in ("p50", "p99", "max", "lag p99")))
    shown = (last.p50_ms, last.p99_ms, last.max_ms, last.lag_p99_ms)
    times.add_row(Text("last second", style="dim"), *(milliseconds(value) for value in shown))
    whole = (progress.total_p50_ms, progress.total_p99_ms)
    times.add_row(Text("so far", style="dim"), *(milliseconds(value) for value in whole), "", "")
    failures = Text.assemble(
        ("not 2xx ", "dim"),
        (f"{progress.failed_status:,}", "red bold" if progress.failed_status else ""),
        ("   errors ", "dim"),
        (f"{progress.errors:,}", "red bold" if progress.errors else ""),
        ("   waiting for a connection ", "dim"),
        f"{progress.queued:,}",
    )
    lost = [Text(f"lost shards: {', '.join(map(str, progress.lost_shards))}", style="red bold")]
    stopping = [Text("stopping: what is under way may still end (Ctrl-C again ends at once)", style="yellow")]
    return Group(
        _head(plan, progress),
        counts,
        times,
        failures,
        *([_hosts(progress)] if progress.hosts else []),
        *(lost if progress.lost_shards else []),
        *(stopping if interrupted else []),
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


def _head(plan: Plan, progress: Progress) -> RenderableType:
    elapsed_ns = progress.elapsed_s * NS_PER_S
    phase = next((p for p in plan.phases if p.end_ns is None or elapsed_ns < p.end_ns), None)
    name = "draining" if phase is None else phase.name
    if plan.duration_ns is None:
        return Text.assemble((plan.scenario.name, "bold"), f"  {name}  {progress.elapsed_s:.1f} s")
    total_s = plan.duration_ns / NS_PER_S
    line = Table.grid(padding=(0, 2))
    left_s = max(0.0, total_s - progress.elapsed_s)
    line.add_row(
        Text(plan.scenario.name, style="bold"),
        name,
        ProgressBar(total=total_s, completed=min(progress.elapsed_s, total_s), width=30),
        f"{min(progress.elapsed_s, total_s):.0f} of {total_s:g} s, {left_s:.0f} s left",
    )
    return line

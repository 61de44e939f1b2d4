"""The live view of a run as text: a table for a terminal, one line for other outputs.

Nothing wraps and columns keep their places while figures grow, so that the view, redrawn four times a second, does not
jump. Below NARROW columns, rows and columns of the tables are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import Group, JustifyMethod, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadsim.measure.progress import EffectCounts, HostProgress, Latencies, Progress
from loadsim.model import NS_PER_S
from loadsim.plan import Plan, PlannedPhase
from loadsim.report.numbers import NOT_KNOWN, milliseconds, outcome_name, per_second, printable

PHASES_SHOWN = 5
NARROW = 64
_LABEL, _FIGURE = 11, 9
"""Least columns of a row's name and of a figure."""
_NAME = 32
"""Most columns of a name."""
_LENGTH = 26
"""Columns beside a phase's name: its mark, how long it is, what is left."""
_BARS = "▁▂▃▄▅▆▇█"


def progress_line(plan: Plan, progress: Progress) -> str:
    """One line, without colour."""
    last, phase = progress.last_second, _current(plan, progress)
    return (
        f"{max(0.0, progress.elapsed_s):6.1f} s  {_stage(phase, progress)}{_left_words(progress)}"
        f"  planned {progress.planned:,}  sent {progress.sent:,}  done {progress.done:,}"
        f"  in flight {progress.in_flight:,}  {progress.rate_done:,.0f}/s  p50 {milliseconds(last.p50_ms)}"
        f"  p99 {milliseconds(last.p99_ms)}  max {milliseconds(last.max_ms)}  lag p99 {milliseconds(last.lag_p99_ms)}"
        f"  not 2xx {progress.failed_status:,}  no answer {progress.errors:,}{_effects_words(progress)}"
    )


def host_lines(progress: Progress) -> list[str]:
    """One line per host of a cluster, without colour; none for a run on this machine."""
    lines = [
        f"         {host.name}  done {host.done:,}  in flight {host.in_flight:,}  p50 {milliseconds(host.p50_ms)}"
        f"  p99 {milliseconds(host.p99_ms)}{'  LOST' if host.lost else ''}"
        for host in progress.hosts
    ]
    return [*lines, f"         and {progress.more_hosts} more hosts"] if progress.more_hosts else lines


def render_progress(plan: Plan, progress: Progress, *, width: int = 80, stopping: str = "") -> RenderableType:
    """The view that a terminal of `width` columns redraws: phases with the time left, counts and rates, the last
    second, the whole run.

    `stopping`: why the run is about to end before its time, if it is.
    """
    narrow = width < NARROW
    if _waits(progress):
        progress = replace(progress, rates=(), last_second=Latencies())  # of the last second that had any
    lost = [Text(f"lost shards: {', '.join(map(str, progress.lost_shards))}", style="red bold")]
    return Group(
        *_head(plan, progress, narrow=narrow, ending=bool(stopping)),
        *_phases(plan, progress, width, ending=bool(stopping)),
        *(_counts_upright(progress, width) if narrow else [_counts(progress, width)]),
        _times_upright(progress) if narrow else _times(progress),
        *_failures(progress, narrow=narrow),
        *([_effects(progress.effects, narrow=narrow)] if progress.effects is not None else []),
        *([_hosts(progress)] if progress.hosts else []),
        *(lost if progress.lost_shards else []),
        *([Text(printable(stopping), style="yellow")] if stopping else []),
    )


def sparkline(values: Sequence[float]) -> str:
    """One bar per value, from nothing to the greatest of them."""
    most = max(values, default=0.0)
    return "".join(_BARS[round((len(_BARS) - 1) * value / most)] if most else _BARS[0] for value in values)


def _current(plan: Plan, progress: Progress) -> PlannedPhase | None:
    """The phase that the clock is in; None when only the drain is left."""
    elapsed_ns = progress.elapsed_s * NS_PER_S
    return next((phase for phase in plan.phases if phase.end_ns is None or elapsed_ns < phase.end_ns), None)


def _stage(phase: PlannedPhase | None, progress: Progress) -> str:
    if phase is not None:
        return printable(phase.name)
    if progress.in_flight:
        return "draining"
    return "waiting for effects" if _waits(progress) else "judging"


def _waits(progress: Progress) -> bool:
    """Whether nothing but effects is waited for."""
    found = progress.effects
    return found is not None and found.waited_s is not None and found.backlog > 0


def wait_words(progress: Progress) -> str:
    """How many effects are waited for, and how long yet; empty where nothing or something else is waited for."""
    found = progress.effects
    if found is None or found.waited_s is None or not _waits(progress):
        return ""
    return f"{found.backlog:,} left, {min(found.waited_s, found.wait_s):.0f} s of {found.wait_s:g} s"


def _left_words(progress: Progress) -> str:
    words = wait_words(progress)
    return f": {words}" if words else ""


def _effects_words(progress: Progress) -> str:
    found = progress.effects
    if found is None:
        return ""
    return f"  acknowledged {found.acknowledged:,}  effects {found.done:,}  backlog {found.backlog:,}"


def _effects(found: EffectCounts, *, narrow: bool) -> RenderableType:
    """The work behind the answers: how much was acknowledged, is done, and is left."""
    names = ("acknowledged", "effects", "backlog")
    figures: tuple[str | Text, ...] = (
        f"{found.acknowledged:,}",
        f"{found.done:,}",
        Text(f"{found.backlog:,}", style="bold"),
    )
    if narrow:
        upright = _grid(len(names[0]), _LABEL)
        for name, figure in zip(names, figures, strict=True):
            upright.add_row(*_dim(name), figure)
        return upright
    table = _grid(_LABEL, len(names[0]), _FIGURE, _FIGURE)
    table.add_row("", *_dim(*names))
    table.add_row(*_dim("work"), *figures)
    return table


def _head(plan: Plan, progress: Progress, *, narrow: bool, ending: bool) -> Iterator[RenderableType]:
    """Name, phase, and progress: by time, or by events where their number ends the run."""
    title = _line((_short(plan.scenario.name), "bold"), "  ", _short(_stage(_current(plan, progress), progress)))
    at, whole, words = _progress_of(plan, progress, ending=ending)
    if not whole:
        yield title if narrow else _line(title, "  ", words)
        return
    bar = ProgressBar(total=whole, completed=min(at, whole), width=12 if narrow else 24)
    line = Table.grid(padding=(0, 2))
    for _ in range(2 if narrow else 3):
        line.add_column(no_wrap=True)
    if narrow:
        yield title
        line.add_row(bar, words)
    else:
        line.add_row(title, bar, words)
    yield line


def _progress_of(plan: Plan, progress: Progress, *, ending: bool) -> tuple[float, float, str]:
    """The amount done, the total, and both in words. The total is 0 where it is not known."""
    if progress.effects is not None and _waits(progress):
        return progress.effects.waited_s or 0.0, progress.effects.wait_s, wait_words(progress)
    elapsed_s = max(0.0, progress.elapsed_s)
    if plan.duration_ns is not None:
        total_s = plan.duration_ns / NS_PER_S
        return elapsed_s, total_s, _left(elapsed_s, total_s, ending=ending)
    limits = [phase.limit for phase in plan.phases]
    events = sum(limit for limit in limits if limit is not None)
    if None in limits or not events:
        return 0.0, 0.0, f"{elapsed_s:.1f} s"
    left = ", ending early" if ending else ""
    if progress.rate_done and not ending:
        left = f", about {max(0.0, (events - progress.done) / progress.rate_done):,.0f} s left"
    return progress.done, events, f"{min(progress.done, events):,} of {events:,}{left}"


def _left(elapsed_s: float, total_s: float, *, ending: bool) -> str:
    left = "ending early" if ending and elapsed_s < total_s else f"{max(0.0, total_s - elapsed_s):.0f} s left"
    return f"{min(elapsed_s, total_s):.0f} of {total_s:g} s, {left}"


def _line(*parts: str | tuple[str, str] | Text) -> Text:
    """Text that is cut off where the terminal ends."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _short(name: str, most: int = _NAME) -> str:
    text = printable(name)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _grid(*least: int, left: int = 1) -> Table:
    """A table without lines, its first `left` columns to the left; a column is at least so wide, and never wraps."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for number, width in enumerate(least):
        justify: JustifyMethod = "left" if number < left else "right"
        table.add_column(justify=justify, min_width=width, no_wrap=True, overflow="ellipsis")
    return table


def _dim(*names: str) -> list[Text]:
    return [Text(name, style="dim") for name in names]


def _phases(plan: Plan, progress: Progress, width: int, *, ending: bool) -> Iterator[RenderableType]:
    """Where each phase of several stands; of many, those around the current one."""
    if len(plan.phases) < 2:
        return
    current = _current(plan, progress)
    at = len(plan.phases) if current is None else current.number
    first = max(0, min(at - 1, len(plan.phases) - PHASES_SHOWN))
    shown = plan.phases[first : first + PHASES_SHOWN]
    most = min(_NAME, width - _LENGTH)
    rows = _grid(3, min(most, max(len(phase.name) for phase in shown)), 0, left=3)
    for phase in shown:
        length_s = None if phase.end_ns is None else (phase.end_ns - phase.start_ns) / NS_PER_S
        length = "until its last event" if length_s is None else f"{length_s:g} s"
        if phase.number == at and length_s is not None:
            length = _left(max(0.0, progress.elapsed_s - phase.start_ns / NS_PER_S), length_s, ending=ending)
        mark = "✓" if phase.number < at else "▸" if phase.number == at else " "
        style = "" if phase.number == at else "dim"
        rows.add_row(Text(f"  {mark}", style), Text(_short(phase.name, most), style), Text(length, style))
    yield rows


def _counts(progress: Progress, width: int) -> RenderableType:
    counts = _grid(_LABEL, *(_FIGURE,) * 4, 0)
    bars = max(0, width - _LABEL - 4 * _FIGURE - 12)
    counts.add_row("", *_dim("planned", "sent", "done", "in flight"))
    counts.add_row(*_dim("last second"), *_rates(progress), "", Text(sparkline(progress.rates[-bars:]), style="cyan"))
    counts.add_row(
        *_dim("so far"),
        f"{progress.planned:,}",
        f"{progress.sent:,}",
        Text(f"{progress.done:,}", style="bold"),
        f"{progress.in_flight:,}",
    )
    return counts


def _rates(progress: Progress) -> list[str]:
    if not progress.rates:
        return [NOT_KNOWN] * 3
    return [per_second(round(rate)) for rate in (progress.rate_planned, progress.rate_sent, progress.rate_done)]


def _counts_upright(progress: Progress, width: int) -> Iterator[RenderableType]:
    counts = _grid(_FIGURE, _LABEL, _LABEL)
    counts.add_row("", *_dim("last second", "so far"))
    totals = (progress.planned, progress.sent, progress.done)
    for name, rate, total in zip(("planned", "sent", "done"), _rates(progress), totals, strict=True):
        counts.add_row(*_dim(name), rate, f"{total:,}")
    counts.add_row(*_dim("in flight"), "", f"{progress.in_flight:,}")
    yield counts
    yield _line((sparkline(progress.rates[-width:]), "cyan"))


def _times(progress: Progress) -> RenderableType:
    times = _grid(_LABEL, *(_FIGURE,) * 4)
    times.add_row("", *_dim("p50", "p99", "max", "lag p99"))
    for name, seen in (("last second", progress.last_second), ("so far", progress.total)):
        times.add_row(*_dim(name), *_shown(seen))
    return times


def _times_upright(progress: Progress) -> RenderableType:
    times = _grid(_FIGURE, _LABEL, _LABEL)
    columns = (_shown(progress.last_second), _shown(progress.total))
    for name, recent, so_far in zip(("p50", "p99", "max", "lag p99"), *columns, strict=True):
        times.add_row(*_dim(name), recent, so_far)
    return times


def _shown(seen: Latencies) -> list[str]:
    return [milliseconds(value) for value in (seen.p50_ms, seen.p99_ms, seen.max_ms, seen.lag_p99_ms)]


def _failures(progress: Progress, *, narrow: bool) -> Iterator[RenderableType]:
    failed = [
        ("not 2xx ", "dim"),
        (f"{progress.failed_status:,}", "red bold" if progress.failed_status else ""),
        ("   no answer ", "dim"),
        (f"{progress.errors:,}", "red bold" if progress.errors else ""),
    ]
    queued = [("waiting for a connection ", "dim"), (f"{progress.queued:,}", "")]
    if narrow:
        yield _line(*failed)
        yield _line(*queued)
    else:
        yield _line(*failed, "   ", *queued)
    if progress.failures:
        kinds = ", ".join(f"{outcome_name(name)} × {times:,}" for name, times in progress.failures)
        yield _line((f"  {kinds}", "red"))


def _hosts(progress: Progress) -> RenderableType:
    """One row per host of a cluster; times are of its last second."""
    table = _grid(_LABEL, *(_FIGURE,) * 4)
    table.add_row(*_dim("host", "done", "in flight", "p50", "p99"))
    for host in progress.hosts:
        table.add_row(*_host_cells(host), style="red" if host.lost else "")
    if progress.more_hosts:
        table.add_row(*_dim(f"and {progress.more_hosts} more"))
    return table


def _host_cells(host: HostProgress) -> tuple[str, ...]:
    name = f"{host.name} (lost)" if host.lost else host.name
    return name, f"{host.done:,}", f"{host.in_flight:,}", milliseconds(host.p50_ms), milliseconds(host.p99_ms)

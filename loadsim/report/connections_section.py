"""The connections of a run over HTTP/2: how the load was spread over them, and what held it up on them."""

from __future__ import annotations

from loadsim.measure.result import RunResult
from loadsim.model import MS_PER_S, counted
from loadsim.report import numbers
from loadsim.report.blocks import Cell, Column, Section, Table

_MOST = 10
"""Connections that the report shows; the result has more."""
_STALL_SHARE = 0.01
"""From this share of the recorded time on, a connection that waited for a window was limited by it."""


def connections_section(result: RunResult) -> Section:
    """The busiest connections; empty over HTTP/1.1, where each event has one of its own."""
    named = sum(row.events for row in result.connections)
    total = max(named, sum(shard.completed for shard in result.shards))  # a result names the busiest only
    rows = [
        (
            row.address,
            numbers.count(row.streams),
            numbers.count(row.events),
            numbers.share(row.events / total if total else None),
            Cell(numbers.milliseconds(row.window_stall_ms), "warn" if _stalled(result, row.window_stall_ms) else ""),
        )
        for row in result.connections[:_MOST]
    ]
    titles = ("In flight", "Events", "Share", "Waited for a window")
    columns = (Column("Address", words=True), *map(Column, titles))
    note = "in flight: the most at once"
    if len(result.connections) > _MOST:
        note += f"; the {_MOST} busiest of {numbers.count(max(len(result.connections), _opened(result)))}"
    return Section("connections", "Connections over HTTP/2", [Table("Connections over HTTP/2", columns, rows)], note)


def shared_lines(result: RunResult) -> list[str]:
    """How events shared the connections of a run over HTTP/2, in sentences."""
    rows = result.connections
    if not rows:
        return []
    most = max(row.streams for row in rows)
    lines = [
        f"HTTP/2: {counted(_opened(result), 'connection')} opened, at most {counted(most, 'event')} in flight on one"
    ]
    stalled = [row for row in rows if _stalled(result, row.window_stall_ms)]
    if stalled:
        longest = max(row.window_stall_ms for row in stalled)
        lines.append(
            f"limited by the endpoint's window: on {counted(len(stalled), 'connection')} bodies waited for it, "
            f"up to {numbers.milliseconds(longest)}"
        )
    return lines


def _opened(result: RunResult) -> int:
    return sum(shard.connections_opened or 0 for shard in result.shards)


def _stalled(result: RunResult, stall_ms: float) -> bool:
    seconds = result.totals.duration_s
    return seconds is not None and stall_ms / MS_PER_S >= _STALL_SHARE * seconds > 0

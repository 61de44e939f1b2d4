"""The hosts of a run on a cluster: one row each, and sentences on how much they differ. Empty for one machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from loadsim.judge.validity import loss_allowed
from loadsim.measure.result import RunResult
from loadsim.measure.result_generator import ShardRow
from loadsim.model import counted
from loadsim.report import numbers

HEADER = ("Host", "Processes", "Events", "Answered", "p50", "Start delay", "Clock ahead", "Note")
APART_MS = 50.0
"""Shards that start further apart than this do not make one load together."""
UNLIKE = 2.0
"""Medians, or counts of a closed run, that differ by this factor are reported."""


class HostRow(NamedTuple):
    """One host as text, in the columns of HEADER."""

    name: str
    processes: str
    sent: str
    completed: str
    p50: str
    start_delay: str
    clock: str
    note: str


def on_cluster(result: RunResult) -> bool:
    """Whether the run's shards were started through a cluster: only then clocks were compared, or a host was lost
    before that."""
    return any(row.clock_residual_ms is not None for row in result.shards)


def host_rows(result: RunResult) -> list[HostRow]:
    """One row per host, in the order of their first shards; none for a run on one machine."""
    if not on_cluster(result):
        return []
    hosts: dict[str, list[ShardRow]] = {}
    for row in result.shards:
        hosts.setdefault(row.host, []).append(row)
    return [_row(name, rows) for name, rows in hosts.items()]


def _row(name: str, rows: Sequence[ShardRow]) -> HostRow:
    ahead, residual = rows[0].clock_ahead_ms, rows[0].clock_residual_ms
    clock = numbers.NOT_KNOWN
    if ahead is not None and residual is not None:
        clock = f"{'-' * (ahead < 0)}{numbers.milliseconds(abs(ahead))} ± {numbers.milliseconds(residual)}"
    offsets = [row.start_offset_ms for row in rows if row.start_offset_ms is not None]
    notes = dict.fromkeys(row.reason for row in rows if row.reason)
    return HostRow(
        name,
        numbers.count(len(rows)),
        numbers.count(sum(row.sent for row in rows)),
        numbers.count(sum(row.completed for row in rows)),
        _span([row.p50_ms for row in rows if row.p50_ms is not None]),
        numbers.milliseconds(max(offsets, default=None)),
        clock,
        "; ".join(("lost: " if any(row.lost for row in rows) else "") + note for note in notes),
    )


def _span(values: Sequence[float]) -> str:
    if len(values) < 2:
        return numbers.milliseconds(values[0] if values else None)
    return numbers.interval(min(values), max(values))


def skew_lines(result: RunResult) -> list[str]:
    """Sentences on how far apart the hosts started, and how much their figures differ."""
    return list(_skew(result)) if on_cluster(result) else []


def _skew(result: RunResult) -> Iterator[str]:
    offsets = [row.start_offset_ms for row in result.shards if row.start_offset_ms is not None]
    residual = max((row.clock_residual_ms or 0.0 for row in result.shards), default=0.0)
    if len(offsets) > 1:
        apart = max(offsets) - min(offsets) + 2 * residual
        most = numbers.milliseconds(apart)
        word = f"the shards started within {most} of each other (clocks agree to ± {numbers.milliseconds(residual)})"
        yield word if apart <= APART_MS else f"{word}: too far apart to be one load"
    medians = [(row.p50_ms, row.host) for row in result.shards if row.p50_ms]
    if len(medians) > 1 and max(medians)[0] > UNLIKE * min(medians)[0]:
        (low, fast), (high, slow) = min(medians), max(medians)
        yield (
            f"the endpoint is not the same from everywhere: p50 {numbers.milliseconds(high)} from {slow}, "
            f"{numbers.milliseconds(low)} from {fast}"
        )
    # by the plan's own residues the shares of an open run are equal to within one event
    whole = [(row.sent, row.host) for row in result.shards if not row.lost]
    if len(whole) > 1 and max(whole)[0] > UNLIKE * min(whole)[0] and max(whole)[0] > len(whole):
        (few, slow), (many, fast) = min(whole), max(whole)
        yield f"the load was uneven: {counted(many, 'event')} from {fast}, {numbers.count(few)} from {slow}"
    if loss_allowed(result):
        lost = {row.host for row in result.shards if row.lost}
        yield f"{len(lost)} of {counted(len({row.host for row in result.shards}), 'host')} lost, which was allowed"

"""What each webhook provider would have made of this run: which share of the answers came within its deadline.

Decides what counts as in time. Service time is the provider's clock: it starts when the request is sent. Events without
a whole answer are never in time; where a timeout of ours hid how late an answer was, it is taken as too late.
"""

from __future__ import annotations

from typing import NamedTuple

from loadsim.measure.counts import whole_of
from loadsim.measure.result import RunResult
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.plan.providers import PROVIDERS, Provider
from loadsim.plan.units import UnitError, parse_duration
from loadsim.report import facts, figures

DEFAULT_TIMEOUT_NS = 10 * NS_PER_S


class DeadlineCells(NamedTuple):
    """A row as every report shows it."""

    provider: str
    deadline: str
    in_time: str
    """Share of the events sent."""
    late: str
    afterwards: str
    """What the provider would do with those."""
    good: bool


class DeadlineRow(NamedTuple):
    """One provider: how many of the events sent were answered in time, and how many were not. At the least."""

    provider: Provider
    in_time: int
    late: int


def deadline_rows(result: RunResult) -> list[DeadlineRow]:
    """Shortest deadline first; none where nothing was sent."""
    whole = whole_of(result, "service") or whole_of(result, "response")
    totals = result.totals
    if whole is None or not totals.sent:
        return []
    slow = totals.errors.get("timeout", 0) + totals.errors.get("connect_timeout", 0) + totals.unfinished
    quick = max(0, sum(totals.errors.values()) + totals.unfinished - slow - totals.unsent)
    rows = []
    for provider in PROVIDERS:
        ended = whole.n - whole.above(provider.deadline_ns / NS_PER_MS)
        unanswered = quick + (slow if provider.deadline_ns >= _timeout_ns(result) else 0)
        in_time = min(max(0, ended - unanswered), totals.completed)
        rows.append(DeadlineRow(provider, in_time, totals.sent - in_time))
    return rows


def deadline_cells(result: RunResult) -> list[DeadlineCells]:
    """`deadline_rows` in words."""
    return [
        DeadlineCells(
            row.provider.title,
            f"{row.provider.deadline_ns / NS_PER_S:g} s",
            figures.share(row.in_time / result.totals.sent),
            figures.count(row.late),
            row.provider.afterwards,
            good=not row.late,
        )
        for row in deadline_rows(result)
    ]


def _timeout_ns(result: RunResult) -> int:
    try:
        return parse_duration(str(facts.target_of(result).get("timeout")))
    except UnitError:
        return DEFAULT_TIMEOUT_NS

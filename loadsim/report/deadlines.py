"""The share of answers that came within each webhook provider's deadline.

The deadline is compared with service time, since a provider's clock starts when the request is sent. Events without a
complete answer are past every deadline; so is an event that ended by our own timeout, however long that is.
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
    """One provider's row in a report, as text."""

    provider: str
    deadline: str
    in_time: str
    """Share of the events sent."""
    past_deadline: str
    afterwards: str
    """What the provider would do with the others."""
    good: bool


class DeadlineRow(NamedTuple):
    """One provider: events answered within its deadline (a lower bound), and all other events sent."""

    provider: Provider
    in_time: int
    past_deadline: int


def deadline_rows(result: RunResult) -> list[DeadlineRow]:
    """One row for each provider, shortest deadline first; none where nothing was sent."""
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
    """`deadline_rows` as text."""
    return [
        DeadlineCells(
            row.provider.title,
            f"{row.provider.deadline_ns / NS_PER_S:g} s",
            figures.share(row.in_time / result.totals.sent),
            figures.count(row.past_deadline),
            row.provider.afterwards,
            good=not row.past_deadline,
        )
        for row in deadline_rows(result)
    ]


def _timeout_ns(result: RunResult) -> int:
    try:
        return parse_duration(str(facts.target_of(result).get("timeout")))
    except UnitError:
        return DEFAULT_TIMEOUT_NS

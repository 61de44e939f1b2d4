"""What each webhook provider would have made of this run: which share of the events was answered within its deadline.

Service time is the provider's clock: it starts when the request is sent. An event is in time when its whole answer, of
any status, came within the deadline; the others were answered later, or not at all.
"""

from __future__ import annotations

from typing import NamedTuple

from loadsim.measure.result import RunResult
from loadsim.measure.stored_histograms import whole_of
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.plan.providers import DEADLINES_NS, PROVIDERS, Provider
from loadsim.report import numbers


class DeadlineCells(NamedTuple):
    """One provider's row in a report, as text."""

    provider: str
    deadline: str
    in_time: str
    """Share of the events sent."""
    past: str
    """Answered past the deadline."""
    unanswered: str
    afterwards: str
    """What the provider would do with those two."""
    good: bool


class DeadlineRow(NamedTuple):
    """One provider: how many of the events sent were answered in time, past the deadline, and not at all."""

    provider: Provider
    in_time: int
    past: int
    unanswered: int


def deadline_rows(result: RunResult) -> list[DeadlineRow]:
    """Shortest deadline first; none where nothing was sent, or where the result cannot tell answers from errors."""
    totals = result.totals
    past = _answered_past(result)
    if not totals.sent or past is None:
        return []
    unanswered = totals.sent - totals.completed
    return [
        DeadlineRow(provider, totals.completed - past[provider.deadline_ns], past[provider.deadline_ns], unanswered)
        for provider in PROVIDERS
    ]


def _answered_past(result: RunResult) -> dict[int, int] | None:
    """Answers past each deadline. Results of earlier versions have only a histogram of answers and errors together,
    which will do where there are no errors."""
    counted = {each.deadline_ns: each.past for each in result.deadlines or ()}
    if counted.keys() >= set(DEADLINES_NS):
        return counted
    whole = whole_of(result, "service")
    n = 0 if whole is None else whole.n
    if n != result.totals.completed:
        return None
    return {ns: 0 if whole is None else whole.above(ns / NS_PER_MS) for ns in DEADLINES_NS}


def deadline_cells(result: RunResult) -> list[DeadlineCells]:
    """`deadline_rows` as text."""
    return [
        DeadlineCells(
            row.provider.title,
            f"{row.provider.deadline_ns / NS_PER_S:g} s",
            numbers.share(row.in_time / result.totals.sent),
            numbers.count(row.past),
            numbers.count(row.unanswered),
            row.provider.afterwards,
            good=not row.past and not row.unanswered,
        )
        for row in deadline_rows(result)
    ]

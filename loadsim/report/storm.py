"""What a retry profile made of a run, in words and figures, before any layout.

Decides which rows there are and how each reads: the storm, what became of the events, the attempts by their number.
`text.py`, `summary.py` and `sections.py` draw the same rows.
"""

from __future__ import annotations

from typing import NamedTuple

from loadsim.measure.result import AttemptRow, Retries, RunResult
from loadsim.report import figures


class StormRow(NamedTuple):
    """One figure and what it means."""

    name: str
    value: str
    meaning: str
    bad: bool = False


class Attempt(NamedTuple):
    """The deliveries of one attempt number."""

    name: str
    deliveries: str
    delivered: str
    answers: str


def profile_words(result: RunResult) -> str:
    """By whose rules events were delivered; empty without a retry profile."""
    found = result.retries
    if found is None:
        return ""
    words = found.title if found.profile == "custom" else f"as {found.title} delivers"
    if found.time_scale != 1:
        words += f", its time passing {found.time_scale:,.6g} times as fast"
    return words + ("; its pauses are a model, only their number and sum are published" if found.modelled else "")


def storm_rows(result: RunResult) -> list[StormRow]:
    """The storm and its end; none without a retry profile."""
    found = result.retries
    if found is None:
        return []
    rows = [StormRow("deliveries", figures.count(found.attempts), _retried(found))]
    if found.peak_rate is not None:
        rows.append(StormRow("peak arrivals", figures.per_second(found.peak_rate), _peak(found)))
    if found.retried:
        rows.append(StormRow("backlog", figures.count(found.backlog), _backlog(found)))
        drained = found.drain_s is not None
        value = figures.milliseconds(1000 * found.drain_s) if found.drain_s is not None else figures.NOT_KNOWN
        meaning = "from the greatest backlog to none" if drained else "the run was over before the backlog was empty"
        rows.append(StormRow("time to drain", value, meaning, not drained))
    if found.delivered:
        rows.append(StormRow("delivered late", figures.count(found.delivered), _late(found)))
    return [*rows, *_lost(found)]


def _retried(found: Retries) -> str:
    return f"{figures.count(found.retried)} events had to be delivered again"


def _peak(found: Retries) -> str:
    when = "" if found.peak_s is None else f", in the second that began at {found.peak_s:g} s"
    if not found.base_rate or not found.peak_rate:
        return f"deliveries per second{when}"
    times = figures.significant(found.peak_rate / found.base_rate)
    return f"{times} times the base rate of {figures.per_second(found.base_rate)}{when}"


def _backlog(found: Retries) -> str:
    when = "" if found.backlog_s is None else f", at {found.backlog_s:g} s"
    return f"most events at once that had failed and were not yet through{when}"


def _late(found: Retries) -> str:
    spans = [("p50", found.delivery_p50_ms), ("p99", found.delivery_p99_ms), ("at most", found.delivery_max_ms)]
    told = ", ".join(f"{name} {figures.milliseconds(ms)}" for name, ms in spans if ms is not None)
    return f"by a later attempt, {told} after they were due"


def _lost(found: Retries) -> list[StormRow]:
    rows = [StormRow("given up", figures.count(found.given_up), "their last attempt failed", found.given_up > 0)]
    off = "" if found.off_s is None else f"switched off at {figures.milliseconds(1000 * found.off_s)}: {found.why}"
    for name, n, meaning in (
        ("cut off", found.cut_off, f"no further attempt was made, the endpoint was {off}"),
        ("not sent", found.undelivered, f"they fell due after the endpoint was {off}"),
        ("no room", found.no_room, "given up, because too many events waited already"),
        ("still waiting", found.waiting, "for another attempt when the run was over; counted as unfinished"),
    ):
        if n:
            rows.append(StormRow(name, figures.count(n), meaning, bad=True))
    if found.off_s is not None and not found.cut_off and not found.undelivered:
        rows.append(StormRow("switched off", figures.milliseconds(1000 * found.off_s), found.why, bad=True))
    doubt = "sent, not answered whole, and sent again: the endpoint may have them twice"
    return [*rows, StormRow("in doubt", figures.count(found.in_doubt), doubt, found.in_doubt > 0)]


def attempt_rows(result: RunResult) -> list[Attempt]:
    """Deliveries by attempt number; none where nothing was delivered again."""
    rows = result.retries.by_attempt if result.retries is not None else []
    return [_attempt(row) for row in rows] if len(rows) > 1 else []


def _attempt(row: AttemptRow) -> Attempt:
    counts = {**row.status, **row.errors} | ({"unfinished": row.unfinished} if row.unfinished else {})
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Attempt(
        f"{row.attempt} and later" if row.and_later else str(row.attempt),
        figures.count(row.deliveries),
        figures.share(row.delivered / row.deliveries if row.deliveries else None),
        ", ".join(f"{name}: {figures.count(n)}" for name, n in ranked),
    )

"""The rows that a report has on retries: peak and backlog, what happened to the events, and attempts by number."""

from __future__ import annotations

from typing import NamedTuple

from loadsim.measure.result import RunResult
from loadsim.measure.result_deliveries import AttemptRow, RetryTotals
from loadsim.model import counted
from loadsim.report import numbers


class RetryRow(NamedTuple):
    """One figure and what it means."""

    name: str
    value: str
    meaning: str
    bad: bool = False


class AttemptLine(NamedTuple):
    """The deliveries of one attempt number."""

    name: str
    deliveries: str
    delivered: str
    answers: str


def profile_words(result: RunResult) -> str:
    """The provider whose retry profile the run used; empty without one."""
    found = result.retries
    if found is None:
        return ""
    words = found.title if found.profile == "custom" else f"like {found.title}"
    if found.time_scale != 1:
        words += f", with time {found.time_scale:,.6g} times as fast"
    return words + ("; its pauses are modelled: only their number and sum are published" if found.modelled else "")


def retry_rows(result: RunResult) -> list[RetryRow]:
    """The figures on retries; none without a retry profile."""
    found = result.retries
    if found is None:
        return []
    rows = [RetryRow("deliveries", numbers.count(found.attempts), _retried(found))]
    if found.peak_rate is not None:
        rows.append(RetryRow("peak arrivals", numbers.per_second(found.peak_rate), _peak(found)))
    if found.retried:
        rows.append(RetryRow("retry backlog", numbers.count(found.backlog), _backlog(found)))
        drained = found.drain_s is not None
        value = numbers.milliseconds(1000 * found.drain_s) if found.drain_s is not None else numbers.NOT_KNOWN
        meaning = "from the largest retry backlog to none" if drained else "the run ended before it was empty"
        rows.append(RetryRow("time to drain", value, meaning, not drained))
    if found.delivered:
        rows.append(RetryRow("2xx by retry", numbers.count(found.delivered), _delivered(found)))
    return [*rows, *_lost(found)]


def _retried(found: RetryTotals) -> str:
    return f"{counted(found.retried, 'event')} had to be delivered again"


def _peak(found: RetryTotals) -> str:
    when = "" if found.peak_s is None else f", in the second that started at {found.peak_s:g} s"
    if not found.base_rate or not found.peak_rate:
        return f"deliveries per second{when}"
    times = numbers.significant(found.peak_rate / found.base_rate)
    return f"{times} times the base rate of {numbers.per_second(found.base_rate)}{when}"


def _backlog(found: RetryTotals) -> str:
    when = "" if found.backlog_s is None else f", at {found.backlog_s:g} s"
    return f"the most events at one time that had failed and were not delivered yet{when}"


def _delivered(found: RetryTotals) -> str:
    spans = [("p50", found.delivery_p50_ms), ("p99", found.delivery_p99_ms), ("at most", found.delivery_max_ms)]
    words = ", ".join(f"{name} {numbers.milliseconds(ms)}" for name, ms in spans if ms is not None)
    return f"after a failed attempt, {words} after they were due"


def _lost(found: RetryTotals) -> list[RetryRow]:
    rows = [RetryRow("given up", numbers.count(found.given_up), "the last attempt failed", found.given_up > 0)]
    off = "" if found.off_s is None else f"switched off at {numbers.milliseconds(1000 * found.off_s)}: {found.why}"
    for name, n, meaning in (
        ("cut off", found.cut_off, f"no further attempt: the endpoint was {off}"),
        ("not sent", found.undelivered, f"due after the endpoint was {off}"),
        ("limit reached", found.no_room, "given up: too many events were waiting for a retry"),
        ("still waiting", found.waiting, "for another attempt when the run ended; counted as unfinished"),
    ):
        if n:
            rows.append(RetryRow(name, numbers.count(n), meaning, bad=True))
    if found.off_s is not None and not found.cut_off and not found.undelivered:
        rows.append(RetryRow("switched off", numbers.milliseconds(1000 * found.off_s), found.why, bad=True))
    doubt = "sent, no complete answer, and sent again: the endpoint may have them twice"
    return [*rows, RetryRow("in doubt", numbers.count(found.in_doubt), doubt, found.in_doubt > 0)]


def attempt_rows(result: RunResult) -> list[AttemptLine]:
    """Deliveries by attempt number; none where nothing was retried."""
    rows = result.retries.by_attempt if result.retries is not None else []
    return [_attempt(row) for row in rows] if len(rows) > 1 else []


def _attempt(row: AttemptRow) -> AttemptLine:
    return AttemptLine(
        f"{row.attempt} and later" if row.and_later else str(row.attempt),
        numbers.count(row.deliveries),
        numbers.share(row.delivered / row.deliveries if row.deliveries else None),
        numbers.answers(row.status, row.errors, row.unfinished),
    )

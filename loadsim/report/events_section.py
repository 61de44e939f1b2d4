"""The section with the counts of a run's events."""

from __future__ import annotations

from loadsim.measure.result import RunResult
from loadsim.model import counted
from loadsim.report import numbers
from loadsim.report.blocks import Figure, Figures, Lines, Section


def events_section(result: RunResult) -> Section:
    """The counts, and sentences on forged events and on what the embedded receiver counted."""
    notes = [_forged_words(result), _receiver_words(result)]
    counts = Figures(_count_figures(result))
    return Section("events", "Events", [counts, Lines([note for note in notes if note], "dim", bullets=False)])


def _count_figures(result: RunResult) -> list[Figure]:
    """The counts of events: each with its rate or share below it, and its meaning."""
    totals = result.totals
    planned, sent, completed = map(numbers.per_second, (totals.rate_planned, totals.rate_sent, totals.rate_completed))
    received = f"{numbers.size(totals.bytes_received)} in"
    return [
        Figure("planned", numbers.count(totals.planned), planned, "events that became due"),
        Figure("sent", numbers.count(totals.sent), sent, "started, including those that waited for a connection"),
        Figure(
            "completed",
            numbers.count(totals.completed),
            completed,
            "complete answers; the rate counts those that came while recording",
        ),
        Figure(
            "2xx",
            numbers.count(totals.succeeded),
            numbers.share(totals.success_rate),
            "the share is of those sent",
        ),
        Figure("failed", numbers.count(totals.failed), "", "sent and not answered 2xx"),
        Figure(
            "dropped",
            numbers.count(totals.dropped),
            "",
            "no connection was free, and the scenario says not to wait",
        ),
        Figure("unfinished", numbers.count(totals.unfinished), "", "still in flight when the drain ended"),
        Figure("bytes out", numbers.size(totals.bytes_sent), received, "bytes of requests and, below, of answers"),
    ]


def _receiver_words(result: RunResult) -> str:
    """The embedded receiver's own counts beside the number of deliveries; empty for other targets."""
    seen = result.receiver
    if seen is None:
        return ""
    made = sum(phase.attempts + (phase.refusals_due or 0) for phase in result.by_phase.values())
    recorded = result.totals.attempts + (result.totals.refusals_due or 0)
    counts = f"{numbers.deliveries(seen['received'])}, {seen['verified']:,} verified"
    words = f"the receiver counted {counts}; the run made {made:,}" + (", warm-up included" if made != recorded else "")
    cost = seen.get("verify")
    if not cost or cost["p50_us"] is None:
        return words
    p99 = "" if cost["p99_us"] is None else f", p99 {numbers.milliseconds(cost['p99_us'] / 1e3)}"
    return f"{words}; checking a signature took it p50 {numbers.milliseconds(cost['p50_us'] / 1e3)}{p99}"


def _forged_words(result: RunResult) -> str:
    """The answers to events that were to be refused; empty where there were none."""
    totals = result.totals
    if not totals.refusals_due:
        return ""
    accepted = (
        f"{numbers.count(totals.forged_accepted)} accepted (at most {numbers.share(totals.forged_accepted_upper)}"
    )
    share = numbers.share(totals.refused_badly_upper)
    wrong = f"{counted(totals.refused_badly or 0, 'wrong refusal')} (at most {share}"
    return f"of {counted(totals.refusals_due, 'event')} to be refused: {accepted} at 95 %), {wrong})"

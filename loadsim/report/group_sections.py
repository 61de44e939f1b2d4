"""The sections that compare groups of events: event types, phases, cases, and the copies of duplicated events."""

from __future__ import annotations

from loadsim.judge.vocabulary import unrecorded_phases
from loadsim.measure.result import RunResult
from loadsim.measure.result_deliveries import DuplicateRow
from loadsim.measure.result_events import Stats, Totals
from loadsim.model import counted
from loadsim.report import facts, numbers
from loadsim.report.blocks import Cell, Column, Lines, Row, Section, Table, words

_NO_STATS = Stats(count=0)


def group_section(result: RunResult, which: str, title: str) -> Section:
    """The table by `event` (type) or `phase`; empty where there is only one phase."""
    skipped = unrecorded_phases(result) if which == "phase" else ()
    forged = which == "phase" and bool(result.totals.refusals_due)
    rows: list[Row] = []
    for name, totals in _groups(result, which).items():
        stats = totals.latency_ms.get("response", _NO_STATS)
        counts = (
            numbers.count(totals.sent),
            numbers.share(totals.success_rate),
            numbers.count(totals.failed),
        )
        latencies = [facts.latency_text(stats, each) for each in ("p50", "p90", "p99", "p99_9", "max")]
        latencies.append(facts.latency_text(facts.ok_stats(totals), "p99"))
        due = (numbers.count(totals.refusals_due), numbers.count(totals.forged_accepted)) if forged else ()
        rows.append((Cell(name, note="not recorded" if name in skipped else ""), *counts, *latencies, *due))
    titles = [("Sent", False), ("2xx", False), ("Failed", True), ("p50", False), ("p90", True), ("p99", False)]
    titles += [
        ("p99.9", True),
        ("max", False),
        ("2xx p99", True),
        *([("Forged", False), ("Accepted", False)] if forged else []),
    ]
    columns = (
        Column("Event type" if which == "event" else "Phase", words=True),
        *(Column(name, spare=spare) for name, spare in titles),
    )
    return Section(f"by-{which}", title, [Table(title, columns, rows)], facts.headline_metric(result))


def _groups(result: RunResult, which: str) -> dict[str, Totals]:
    if which == "event":
        return result.by_event
    return result.by_phase if len(result.by_phase) > 1 else {}


def cases_section(result: RunResult) -> Section:
    """For each case, genuine first, the expected answer, the counts of the answers, and their latency."""
    rows = [_case_row(name, totals) for name, totals in result.by_case.items()] if len(result.by_case) > 1 else []
    titles = ("Sent", "2xx", "4xx", "Wrong", "Accepted (95 %)", "p50", "p99")
    columns = (*words("Case", "Expects"), *(Column(title) for title in titles))
    return Section("by-case", "By case", [Table("By case", columns, rows)], facts.headline_metric(result))


def _case_row(name: str, totals: Totals) -> Row:
    refused = sum(n for code, n in totals.status.items() if code.startswith("4"))
    expects, wrong, upper = "accept", totals.failed, ""
    if totals.forged_accepted is not None:
        bound = totals.forged_accepted_upper
        expects, wrong = "refuse", totals.forged_accepted + (totals.refused_badly or 0)
        upper = numbers.NOT_KNOWN if bound is None else f"≤ {numbers.share(bound)}"
    stats = totals.latency_ms.get("response", _NO_STATS)
    return (
        name,
        expects,
        *(numbers.count(number) for number in (totals.sent, totals.succeeded, refused)),
        Cell(numbers.count(wrong), "bad" if wrong else ""),
        upper,
        *(facts.latency_text(stats, each) for each in ("p50", "p99")),
    )


def duplicates_section(result: RunResult) -> Section:
    rows = [
        (
            name,
            numbers.count(row.deliveries),
            numbers.milliseconds(row.p50_ms),
            numbers.milliseconds(row.p99_ms),
            numbers.answers(row.status, row.errors, row.unfinished),
        )
        for name, row in _duplicate_rows(result)
    ]
    figures_of = (Column("Deliveries"), Column("p50"), Column("p99"))
    columns = (Column("Copy", words=True), *figures_of, Column("Answers", words=True, long=True))
    spread = Lines([_spread_words(result)] if rows else [], "dim", bullets=False)
    return Section("duplicates", "Duplicates", [Table("Duplicates", columns, rows), spread], "service time")


def _spread_words(result: RunResult) -> str:
    """The times between the copies of duplicated events; empty where there were none."""
    found = result.duplicates
    if found is None:
        return ""
    p50, p99, most = (
        numbers.milliseconds(ms) for ms in (found.spread_p50_ms, found.spread_p99_ms, found.spread_max_ms)
    )
    return f"the copies of {counted(found.events, 'event')} were sent within {p50} (p50), {p99} (p99), {most} at most"


def _duplicate_rows(result: RunResult) -> list[tuple[str, DuplicateRow]]:
    """The answers to duplicated events, by when a copy came; none in a run without duplicates."""
    found = result.duplicates
    if found is None:
        return []
    rows = [
        ("answered first", found.first),
        ("at the same time", found.same_time),
        ("already committed", found.afterwards),
    ]
    return [(name, row) for name, row in rows if row.deliveries]


def after_pause_section(result: RunResult) -> Section:
    """The first events after each pause, and the others of the same phase."""
    rows: list[Row] = []
    for found in result.after_pause:
        after = f"first {numbers.span(found.first_s)} of {found.phase}, after {numbers.span(found.pause_s)} of pause"
        for name, part in ((after, found.first), (f"the rest of {found.phase}", found.rest)):
            share = part.succeeded / part.count if part.count else None
            latencies = map(numbers.milliseconds, (part.p50_ms, part.max_ms))
            rows.append((name, numbers.count(part.count), numbers.share(share), *latencies))
    columns = (Column("Events", words=True, long=True), *map(Column, ("Due", "2xx", "p50", "max")))
    table = Table("After a pause", columns, rows)
    return Section("after-pause", "After a pause", [table], facts.headline_metric(result))

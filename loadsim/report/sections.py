"""The page's sections that are words and tables: verdict, limits, key figures, answers, groups, deadlines, environment.

Decides which figures stand in which table; the rows and words are those of `facts`. Refuses to know charts and style.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from loadsim.measure.result import Reconciliation, RunResult, ShardRow, Stats
from loadsim.report import facts, figures, hosts
from loadsim.report.books import book_rows, source_words
from loadsim.report.deadlines import deadline_cells
from loadsim.report.diagnosis import diagnosis
from loadsim.report.findings import findings
from loadsim.report.markup import Markup, Text, join, safe, table, tag
from loadsim.report.storm import attempt_rows, profile_words, storm_rows

MARKS = {True: ("met", "good"), False: ("failed", "bad"), None: ("not judged", "warn")}
COLUMNS = ("min", "mean", "p50", "p75", "p90", "p95", "p99", "p99_9", "p99_99", "max")


def verdict(result: RunResult) -> Markup:
    """Reasons, diagnosis, and every objective with what was seen, its interval and its limit."""
    return join([*_reasons(result), *_objectives(result)])


def _reasons(result: RunResult) -> Iterator[Markup]:
    for title, lines, kind in (
        ("Invalid because", result.validity.reasons, "warn"),
        ("Diagnosis", [*diagnosis(result), *findings(result)], "bad"),
    ):
        if lines:
            yield tag("div", tag("h3", title), _bullets(lines), class_=f"note {kind}")


def _bullets(lines: Sequence[str]) -> Markup:
    return tag("ul", *(tag("li", line) for line in lines))


def _objectives(result: RunResult) -> Iterator[Markup]:
    rows = []
    for line in facts.objective_lines(result):
        word, kind = MARKS[line.passed]
        objective = join([tag("code", line.text), *([tag("small", line.note)] if line.note else [])], " ")
        rows.append((objective, tag("span", word, class_=f"chip {kind}"), line.observed, line.interval, line.limit))
    if rows:
        header = ("Objective", "Result", "Observed", "95 % interval", "Limit")
        yield table("Objectives", header, rows, words=(0, 1))
    for rows_of in facts.window_tables(result):
        lines = table(rows_of.title, ("From", "Samples", "Observed"), rows_of.rows)
        yield tag("details", tag("summary", rows_of.title), lines)


def limits(result: RunResult) -> Markup:
    """What kept the run from going faster, in sentences."""
    return _bullets(facts.limit_lines(result))


def key_figures(result: RunResult) -> Markup:
    """The figures that people quote, the books, and every latency metric."""
    response = result.totals.latency_ms.get("response", Stats(count=0))
    metric = facts.headline_metric(result)
    cards = [(f"{name} {metric}", figures.milliseconds(getattr(response, name))) for name in ("p50", "p99", "max")]
    cards += [("2xx answers", figures.share(result.totals.success_rate))]
    cards += [("completed rate", figures.per_second(result.totals.rate_completed))]
    cards += [("events sent", figures.count(result.totals.sent))]
    shown = tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in cards), class_="cards")
    return join([shown, _books(result), _latency(result)])


def _books(result: RunResult) -> Markup:
    totals = result.totals
    share = figures.share(totals.success_rate)
    rows = [
        ("planned", figures.count(totals.planned), figures.per_second(totals.rate_planned), "events that fell due"),
        ("sent", figures.count(totals.sent), figures.per_second(totals.rate_sent), "taken on, also while they queued"),
        (
            "completed",
            figures.count(totals.completed),
            figures.per_second(totals.rate_completed),
            "whole answers; the rate is of those that came while recording",
        ),
        ("succeeded", figures.count(totals.succeeded), share, "answered 2xx; the share is of those sent"),
        ("failed", figures.count(totals.failed), "", "sent and not answered 2xx"),
        ("dropped", figures.count(totals.dropped), "", "no connection was free, and the scenario said not to wait"),
        ("unfinished", figures.count(totals.unfinished), "", "still under way when the drain ended"),
        ("bytes sent", figures.size(totals.bytes_sent), "", ""),
        ("bytes received", figures.size(totals.bytes_received), "", ""),
    ]
    return table("Events", ("Events", "Count", "Rate", "Meaning"), rows, words=(0, 3))


def _latency(result: RunResult) -> Markup:
    rows = []
    known = facts.latency_rows(result)
    for row in known:
        cells = [_latency_cell(row.stats, name) for name in COLUMNS]
        rows.append([row.label, figures.count(row.stats.count), *cells])
    for name in ("connect", "tls", "first_byte", "sign"):
        stats = result.totals.latency_ms.get(name)
        if stats is not None and stats.count and not any(row.stats is stats for row in known):
            cells = [_latency_cell(stats, column) for column in COLUMNS]
            rows.append([name.replace("_", " "), figures.count(stats.count), *cells])
    header = ["Metric", "samples", *(facts.percentile_label(name) for name in COLUMNS)]
    return table("Latency, with 95 % confidence intervals", header, rows) if rows else Markup("")


def _latency_cell(stats: Stats, name: str) -> Text:
    value = getattr(stats, name)
    bounds = (stats.ci95 or {}).get(name)
    if value is None or bounds is None:
        return figures.milliseconds(value)
    return join([figures.milliseconds(value), tag("small", figures.interval(*bounds, like=value))], " ")


def answers(result: RunResult) -> Markup:
    """Statuses and errors, and what the endpoint said first."""
    rows = [
        (
            tag("span", row.name, class_=f"chip {'good' if row.good else 'bad'}"),
            figures.count(row.times),
            row.share,
            row.meaning,
        )
        for row in facts.outcome_rows(result)
    ]
    parts = [table("Answers and errors", ("Answer", "Events", "Share", "Meaning"), rows, words=(0, 3))]
    said = [(row.kind, which, tag("pre", text)) for row in facts.answer_rows(result) for which, text in row.said]
    if said:
        parts.append(table("What the endpoint said first", ("Answer", "Event", "Said"), said, words=(0, 1, 2)))
    notes = [facts.forged_words(result), facts.spread_words(result), facts.receiver_words(result)]
    parts += [tag("p", f"{words[0].upper()}{words[1:]}.", class_="after") for words in notes if words]
    if result.reconciliation is not None:
        parts.append(_reconciliation(result.reconciliation))
    return join(parts)


def _reconciliation(books: Reconciliation) -> Markup:
    words = source_words(books)
    if books.problem:
        return tag("p", f"{words[0].upper()}{words[1:]}.", class_="after")
    rows = []
    for row in book_rows(books):
        name = tag("span", row.name, class_="chip bad") if row.bad else row.name
        rows.append((name, figures.count(row.events), row.meaning))
    return table(f"Reconciled with the books of {words}", ("Events", "Count", "Meaning"), rows, words=(0, 2))


def groups(result: RunResult, which: str, title: str) -> Markup | None:
    """The table by event type or phase; None where it would say nothing new."""
    rows = []
    for row in facts.group_rows(result, which):
        stats = row.totals.latency_ms.get("response", Stats(count=0))
        name = join([_breakable(row.name), *([tag("small", row.note)] if row.note else [])], " ")
        latencies = (_latency_cell(stats, column) for column in ("p50", "p90", "p99", "p99_9", "max"))
        failed = figures.count(row.totals.failed)
        rows.append((name, figures.count(row.totals.sent), figures.share(row.totals.success_rate), failed, *latencies))
    if not rows:
        return None
    header = (title, "Sent", "2xx", "Failed", "p50", "p90", "p99", "p99.9", "max")
    return table(f"By {title.lower()}, {facts.headline_metric(result)}", header, rows)


def cases(result: RunResult) -> Markup | None:
    """What each case was owed, what it got and how long that took; None in a run without cases."""
    rows = []
    for row in facts.case_rows(result):
        latencies = (_latency_cell(row.stats, column) for column in ("p50", "p99"))
        wrong = tag("span", figures.count(row.violations), class_=f"chip {'bad' if row.violations else 'good'}")
        counts = (figures.count(number) for number in (row.sent, row.accepted, row.refused))
        rows.append((_breakable(row.name), row.expects, *counts, wrong, row.upper, *latencies))
    if not rows:
        return None
    header = ("Case", "Expects", "Sent", "2xx", "4xx", "Wrong", "Let in (95 %)", "p50", "p99")
    return table(f"By case, {facts.headline_metric(result)}", header, rows)


def _breakable(name: str) -> Markup:
    """A name that may be broken after its dots and underscores."""
    return Markup(re.sub(r"(?<=[._])(?=\w)", "<wbr>", safe(name)))


def deadlines(result: RunResult) -> Markup:
    """What each provider would have counted as delivered in time."""
    rows = []
    for row in deadline_cells(result):
        late = tag("span", row.late, class_=f"chip {'good' if row.good else 'bad'}")
        rows.append((row.provider, row.deadline, row.in_time, late, row.afterwards))
    if not rows:
        return tag("p", "Nothing was sent, so no deadline was met or missed.")
    text = (
        "Share of the events sent that were answered, with any status, before the provider would have given up. "
        "Counted by service time, from sending to the last byte; events without a whole answer are never in time. "
        "Trackpilots publishes no deadline."
    )
    header = ("Provider", "Deadline", "In time", "Too late", "What it would do then")
    return join([tag("p", text), table("Provider deadlines", header, rows, words=(0, 4))])


def retries(result: RunResult) -> Markup | None:
    """The storm that a retry profile made, and its attempts; None without a profile."""
    if result.retries is None:
        return None
    rows = [
        (row.name, tag("span", row.value, class_="chip bad") if row.bad else row.value, row.meaning)
        for row in storm_rows(result)
    ]
    words = profile_words(result)
    parts = [tag("p", f"{words[0].upper()}{words[1:]}.")]
    parts.append(table("Deliveries made again", ("What", "Figure", "Meaning"), rows, words=(0, 2)))
    attempts = attempt_rows(result)
    if attempts:
        header = ("Attempt", "Deliveries", "2xx", "Answers")
        parts.append(table("By attempt", header, attempts, words=(0, 3)))
    return join(parts)


def environment(result: RunResult) -> Markup:
    """Which run this was, where it ran, its generator processes and its scenario."""
    run, place = result.run, result.environment
    rows = [
        ("run", run.id),
        ("scenario", run.name),
        ("started", run.started_at),
        ("ended", run.ended_at),
        ("model", run.model),
        ("seed", str(run.seed)),
        ("body times start at", "the wall clock" if run.epoch_ms is None else f"{run.epoch_ms} ms"),
        ("loadsim", run.version),
        ("python", place.python),
        ("platform", place.platform),
        ("processor", f"{place.cpu_count} × {place.cpu_model}"),
        ("packages", ", ".join(f"{name} {version}" for name, version in sorted(place.packages.items()))),
    ]
    parts = [table("Run and host", ("What", "Value"), rows, words=(0, 1)), _hosts(result), _shards(result.shards)]
    scenario = msgspec.json.format(msgspec.json.encode(run.scenario), indent=2).decode()
    parts.append(tag("details", tag("summary", "Scenario as it ran"), tag("pre", scenario)))
    return join(parts)


def _hosts(result: RunResult) -> Markup:
    rows = hosts.host_rows(result)
    if not rows:
        return safe("")
    return join([table("Hosts", hosts.HEADER, rows, words=(0, 7)), _bullets(hosts.skew_lines(result))])


def _shards(shards: Sequence[ShardRow]) -> Markup:
    rows = [
        (
            join([str(row.shard), *([tag("span", "lost", class_="chip bad")] if row.lost else [])], " "),
            row.host,
            figures.count(row.sent),
            figures.count(row.completed),
            figures.milliseconds(row.p50_ms),
            figures.share(row.cpu_share, 0),
            figures.NOT_KNOWN if row.rss_mb is None else f"{row.rss_mb:.0f} MB",
            figures.count(row.connections_peak),
            row.reason,
        )
        for row in shards
    ]
    header = ("Process", "Host", "Sent", "Completed", "p50", "CPU", "Memory", "Connections", "Note")
    return table("Generator processes", header, rows, words=(0, 1, 8)) if rows else safe("")

"""The Markdown summary: what a merge request or a job page shows.

Decides layout only; the rows and words come from `facts.py`. Everything that is not ours is escaped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from loadsim.measure.result import RunResult, Stats
from loadsim.report import facts, figures, hosts
from loadsim.report.books import book_rows, source_words
from loadsim.report.deadlines import deadline_cells
from loadsim.report.diagnosis import diagnosis
from loadsim.report.findings import findings
from loadsim.report.storm import attempt_rows, profile_words, storm_rows

ICONS = {"pass": "✅", "fail": "❌", "invalid": "⚠️", "none": "▫️"}
MARKS = {True: "✅", False: "❌", None: "⚠️"}
BODY_CHARS = 500
COLUMNS = ("p50", "p90", "p95", "p99", "p99_9", "max")

_MARKUP = re.compile(r"([\\`*_\[\]|~]|^[-+]|^\d+(?=[.)](?:\s|$))|(?<=www)\.|:(?=//))")
_REFERENCE = re.compile(r"([@#])(?=\w)")
"""A code host makes mentions and references of the rendered text, where a backslash no longer helps."""


def render_summary(result: RunResult) -> str:
    """The whole summary. Ends in a newline."""
    blocks = [*_head(result), *_reasons(result), *_objectives(result), *_counts(result), *_retries(result)]
    blocks += [*_latency(result), *_groups(result, "event", "Event type"), *_cases(result)]
    blocks += [*_books(result), *_duplicates(result), *_groups(result, "phase", "Phase")]
    blocks += [*_answers(result), *_deadlines(result), *_hosts(result), *_limits(result)]
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Foreign text as plain Markdown: no markup, no link, no mention, no HTML, one line."""
    line = " ".join(figures.printable(text, lines=True).split())
    line = _MARKUP.sub(lambda match: f"\\{match[0]}" if not match[0].isdigit() else f"{match[0]}\u2060", line)
    return _REFERENCE.sub("\\1\u2060", html.escape(line, quote=False))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """A table whose first `left` columns are text and whose others are figures."""
    rules = [":--" if column < left else "--:" for column in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rules, *rows))


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {escape(line)}" for line in lines)


def _head(result: RunResult) -> Iterator[str]:
    outcome = result.verdict.outcome
    yield f"# {ICONS[outcome]} {facts.VERDICTS[outcome]}: {escape(result.run.name)}"
    words = [facts.headline(result), *facts.run_words(result)]
    yield " · ".join(escape(word) for word in words)


def _reasons(result: RunResult) -> Iterator[str]:
    if result.validity.reasons:
        yield "## Invalid because"
        yield _bullets(result.validity.reasons)
    lines = [*diagnosis(result), *findings(result)]
    if lines:
        yield "## Diagnosis"
        yield _bullets(lines)


def _objectives(result: RunResult) -> Iterator[str]:
    lines = facts.objective_lines(result)
    if not lines:
        return
    yield "## Objectives"
    rows = [
        (MARKS[line.passed], escape(line.text), escape(line.note), escape(line.limit), line.observed, line.interval)
        for line in lines
    ]
    yield markdown_table(("", "Objective", "", "Limit", "Observed", "95 % interval"), rows, left=3)


def _counts(result: RunResult) -> Iterator[str]:
    yield "## Events"
    cells = facts.count_cells(result)
    yield markdown_table([label for label, _ in cells], [[value for _, value in cells]], left=0)
    for words in (facts.forged_words(result), facts.receiver_words(result)):
        if words:
            yield words[0].upper() + words[1:] + "."
    rows = [
        (escape(row.name), figures.count(row.times), row.share, escape(row.meaning))
        for row in facts.outcome_rows(result)
    ]
    if rows:
        yield markdown_table(("Answer", "Events", "Share", "Meaning"), rows)


def _latency(result: RunResult) -> Iterator[str]:
    rows = [(row.label, *(_cell(row.stats, name) for name in COLUMNS)) for row in facts.latency_rows(result)]
    if rows:
        yield "## Latency"
        yield markdown_table(("", *(facts.percentile_label(name) for name in COLUMNS)), rows)


def _cell(stats: Stats, name: str) -> str:
    value = getattr(stats, name)
    bounds = (stats.ci95 or {}).get(name)
    text = figures.milliseconds(value)
    return f"{text} ({figures.interval(*bounds, like=value)})" if bounds and value is not None else text


def _groups(result: RunResult, which: str, title: str) -> Iterator[str]:
    rows = []
    forged = which == "phase" and bool(result.totals.refusals_due)
    for row in facts.group_rows(result, which):
        stats = row.totals.latency_ms.get("response", Stats(count=0))
        latencies = (figures.milliseconds(value) for value in (stats.p50, stats.p99, stats.max))
        name = escape(row.name) + (f" ({row.note})" if row.note else "")
        cells = [name, figures.count(row.totals.sent), figures.share(row.totals.success_rate), *latencies]
        if forged:
            cells += [figures.count(row.totals.refusals_due), figures.count(row.totals.forged_accepted)]
        rows.append(cells)
    if rows:
        metric = facts.headline_metric(result)
        yield f"## By {title.lower()}"
        header = (title, "Sent", "2xx", f"p50 of {metric}", "p99", "max", *(("Forged", "Let in") if forged else ()))
        yield markdown_table(header, rows)


def _cases(result: RunResult) -> Iterator[str]:
    rows = [
        (
            escape(row.name),
            row.expects,
            *(figures.count(number) for number in (row.sent, row.accepted, row.refused, row.violations)),
            row.upper,
            *(figures.milliseconds(value) for value in (row.stats.p50, row.stats.p99)),
        )
        for row in facts.case_rows(result)
    ]
    if rows:
        yield "## By case"
        header = ("Case", "Expects", "Sent", "2xx", "4xx", "Wrong", "Let in (95 %)")
        yield markdown_table((*header, f"p50 of {facts.headline_metric(result)}", "p99"), rows, left=2)


def _duplicates(result: RunResult) -> Iterator[str]:
    rows = [
        (
            name,
            escape(facts.duplicate_answers(row)),
            figures.count(row.deliveries),
            figures.milliseconds(row.p50_ms),
            figures.milliseconds(row.p99_ms),
        )
        for name, row in facts.duplicate_rows(result)
    ]
    if rows:
        yield "## Duplicates"
        yield markdown_table(("Copy", "Answers", "Deliveries", "p50 of service time", "p99"), rows, left=2)
        words = facts.spread_words(result)
        yield words[0].upper() + words[1:] + "."


def _retries(result: RunResult) -> Iterator[str]:
    rows = [(row.name, escape(row.meaning), row.value) for row in storm_rows(result)]
    if not rows:
        return
    words = profile_words(result)
    yield "## Retries"
    yield escape(f"{words[0].upper()}{words[1:]}.")
    yield markdown_table(("What", "Meaning", "Figure"), rows, left=2)
    attempts = [(row.name, escape(row.answers), row.deliveries, row.delivered) for row in attempt_rows(result)]
    if attempts:
        yield markdown_table(("Attempt", "Answers", "Deliveries", "2xx"), attempts, left=2)


def _deadlines(result: RunResult) -> Iterator[str]:
    rows = [
        (row.provider, escape(row.afterwards), row.deadline, row.in_time, row.late) for row in deadline_cells(result)
    ]
    if rows:
        yield "## Provider deadlines"
        yield markdown_table(("Provider", "What it would do then", "Deadline", "In time", "Late"), rows, left=2)
        yield "Share of the events sent that were answered, with any status, before the provider would have given up."


def _books(result: RunResult) -> Iterator[str]:
    books = result.reconciliation
    if books is None:
        return
    yield "## Reconciled"
    words = source_words(books)
    yield escape(words[0].upper() + words[1:] if books.problem else f"Joined with {words}") + "."
    rows = [(row.name, figures.count(row.events), row.meaning) for row in book_rows(books)]
    if rows:
        yield markdown_table(("Events", "Count", "Meaning"), rows)


def _answers(result: RunResult) -> Iterator[str]:
    rows = facts.answer_rows(result)
    if not rows:
        return
    yield "## What the endpoint said"
    yield "\n".join(
        f"- **{escape(row.kind)}** {escape(which)}: {escape(said[:BODY_CHARS])}"
        for row in rows
        for which, said in row.said
    )


def _hosts(result: RunResult) -> Iterator[str]:
    rows = hosts.host_rows(result)
    if not rows:
        return
    order = (0, 7, 1, 2, 3, 4, 5, 6)
    yield "## By host"
    yield markdown_table([hosts.HEADER[i] for i in order], [[escape(row[i]) for i in order] for row in rows], left=2)
    yield _bullets(hosts.skew_lines(result))


def _limits(result: RunResult) -> Iterator[str]:
    yield "## What limited the run"
    yield _bullets(facts.limit_lines(result))

"""The report of a run: all its sections in order, built from the stored result.

Rows and sentences that other outputs need too are in `facts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from loadsim.measure.result import RunResult, Stats
from loadsim.model import counted
from loadsim.report import facts, figures, hosts
from loadsim.report.blocks import (
    Cell,
    Column,
    Figure,
    Figures,
    Lines,
    Quote,
    Quotes,
    Report,
    Row,
    Section,
    Source,
    Table,
    Tone,
    sections,
    words,
)
from loadsim.report.chart_sections import chart_sections
from loadsim.report.deadlines import deadline_cells
from loadsim.report.diagnosis import diagnosis
from loadsim.report.findings import findings
from loadsim.report.reconciliation import reconciliation_section
from loadsim.report.retries import attempt_rows, profile_words, retry_rows

TONES: dict[str, Tone] = {"pass": "good", "fail": "bad", "invalid": "warn", "none": "dim"}
OUTCOMES: dict[bool | None, tuple[str, Tone]] = {
    True: ("met", "good"),
    False: ("failed", "bad"),
    None: ("not judged", "warn"),
}
LATENCIES = ("min", "mean", "p50", "p75", "p90", "p95", "p99", "p99_9", "p99_99", "max")
NEEDS = "where the run is too short for one: how long it needs to be"
_SPARE = ("min", "mean", "p75", "p99_99")
"""The columns that a narrow terminal leaves out."""
_VERDICT = ("validity", "warnings", "objectives")
"""The sections about the verdict."""
_SPARE_OF_HOSTS = ("Processes", "Completed")
_NO_STATS = Stats(count=0)


def run_report(result: RunResult) -> Report:
    """The whole report."""
    found = sections(
        _validity(result),
        Section("warnings", "Warnings", [Lines(result.validity.warnings, tone="warn")]),
        _objectives(result),
        _diagnosis(result),
        Section("limits", "What limited the run", [Lines(facts.limit_lines(result))]),
        _events(result),
        _answers(result),
        _latency(result),
        *chart_sections(result),
        _retries(result),
        _groups(result, "event", "By event type"),
        _cases(result),
        reconciliation_section(result.reconciliation),
        _duplicates(result),
        _groups(result, "phase", "By phase"),
        _said(result),
        _deadlines(result),
        _hosts(result),
        _environment(result),
    )
    target = str(facts.target_of(result).get("url", ""))
    return Report(
        outcome=facts.VERDICTS[result.verdict.outcome],
        tone=TONES[result.verdict.outcome],
        name=result.run.name,
        headline=facts.headline(result),
        about=[" · ".join([*([target] if target else []), *facts.run_words(result)])],
        sections=found,
        key=_key(result),
        footer=f"loadsim {result.run.version} · run {result.run.id}",
    )


def verdict_report(result: RunResult) -> Report:
    """A report with the verdict, the reasons of an invalid measurement, and the objectives only."""
    whole = run_report(result)
    return replace(whole, sections=[part for part in whole.sections if part.anchor in _VERDICT])


def _key(result: RunResult) -> list[Figure]:
    response = result.totals.latency_ms.get("response", _NO_STATS)
    metric = facts.headline_metric(result)
    latencies = [
        Figure(f"{name} {metric}", figures.milliseconds(getattr(response, name)))
        for name in ("p50", "p95", "p99", "max")
    ]
    return [
        *latencies,
        Figure("2xx answers", figures.share(result.totals.success_rate)),
        Figure("completed rate", figures.per_second(result.totals.rate_completed)),
    ]


def _validity(result: RunResult) -> Section:
    return Section("validity", "Invalid because", [Lines(result.validity.reasons, tone="warn")])


def _diagnosis(result: RunResult) -> Section:
    return Section("diagnosis", "Diagnosis", [Lines([*diagnosis(result), *findings(result)], tone="bad")])


def _objectives(result: RunResult) -> Section:
    rows = []
    for line in facts.objective_lines(result):
        word, tone = OUTCOMES[line.passed]
        objective = Cell(line.text, note=line.note, code=True)
        seen = Cell(line.observed, "bad" if line.passed is False else "")
        rows.append((Cell(word, tone, sign=True), objective, seen, line.limit, line.interval or line.needs))
    columns = (Column("Result", words=True), Column("Objective", words=True, long=True), Column("Observed"))
    limits = Table("Objectives", (*columns, Column("Limit"), Column("95 % interval")), rows)
    return Section("objectives", "Objectives", [limits, *_windows(result)])


def _windows(result: RunResult) -> list[Table]:
    """One table for each figure that an objective judges by windows."""
    columns = (Column("From", words=True), Column("Samples"), Column("Observed"))
    return [
        Table(
            rows.title,
            columns,
            rows.rows,
            short=f"{counted(len(rows.rows), 'window')}; the page shows the figure of each",
        )
        for rows in facts.window_tables(result)
    ]


def _events(result: RunResult) -> Section:
    notes = [facts.forged_words(result), facts.receiver_words(result)]
    counts = Figures(facts.count_figures(result))
    return Section("events", "Events", [counts, Lines([note for note in notes if note], "dim", bullets=False)])


def _answers(result: RunResult) -> Section:
    rows = [
        (Cell(row.name, "good" if row.good else "bad"), figures.count(row.times), row.share, row.meaning)
        for row in facts.outcome_rows(result)
    ]
    columns = (Column("Answer", words=True), Column("Events"), Column("Share"))
    return Section("answers", "Answers", [Table("Answers", (*columns, Column("Meaning", words=True, long=True)), rows)])


def _latency(result: RunResult) -> Section:
    known = facts.latency_rows(result)
    rows: list[Row] = [(row.label, figures.count(row.stats.count), *_latencies(row.stats, LATENCIES)) for row in known]
    spare = [(name, name in _SPARE) for name in LATENCIES]
    columns = (
        Column("Metric", words=True, long=True),
        Column("Samples", spare=True),
        *(Column(facts.percentile_label(name), spare=left_out) for name, left_out in spare),
    )
    short = any(row.stats.needs_s for row in known)
    note = "with 95 % confidence intervals" if any(row.stats.ci95 for row in known) else ""
    if short:
        note = f"{note}; {NEEDS}" if note else NEEDS
    return Section("latencies", "Latency", [Table("Latency", columns, rows)], note)


def _latencies(stats: Stats, names: Sequence[str]) -> list[Cell]:
    return [_latency_cell(stats, name) for name in names]


def _latency_cell(stats: Stats, name: str) -> Cell:
    """The value, and below it its interval in the same unit, or how long the run would have to be for one."""
    value = getattr(stats, name)
    bounds = (stats.ci95 or {}).get(name)
    under = figures.interval(*bounds, like=value) if bounds and value is not None else ""
    if not under and value is not None and name in (stats.needs_s or {}):
        under = figures.needed((stats.needs_s or {})[name])
    return Cell(facts.latency_text(stats, name), under=under)


def _groups(result: RunResult, which: str, title: str) -> Section:
    """The table by event type or phase."""
    forged = which == "phase" and bool(result.totals.refusals_due)
    rows: list[Row] = []
    for row in facts.group_rows(result, which):
        totals = row.totals
        stats = totals.latency_ms.get("response", _NO_STATS)
        counts = (figures.count(totals.sent), figures.share(totals.success_rate), figures.count(totals.failed))
        latencies = [facts.latency_text(stats, name) for name in ("p50", "p90", "p99", "p99_9", "max")]
        latencies.append(facts.latency_text(facts.ok_stats(totals), "p99"))
        due = (figures.count(totals.refusals_due), figures.count(totals.forged_accepted)) if forged else ()
        rows.append((Cell(row.name, note=row.note), *counts, *latencies, *due))
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


def _cases(result: RunResult) -> Section:
    """For each case the expected answer, the counts of the answers, and their latency."""
    rows: list[Row] = [
        (
            row.name,
            row.expects,
            *(figures.count(number) for number in (row.sent, row.accepted, row.refused)),
            Cell(figures.count(row.violations), "bad" if row.violations else ""),
            row.upper,
            *(facts.latency_text(row.stats, name) for name in ("p50", "p99")),
        )
        for row in facts.case_rows(result)
    ]
    titles = ("Sent", "2xx", "4xx", "Wrong", "Accepted (95 %)", "p50", "p99")
    columns = (*words("Case", "Expects"), *(Column(title) for title in titles))
    return Section("by-case", "By case", [Table("By case", columns, rows)], facts.headline_metric(result))


def _duplicates(result: RunResult) -> Section:
    rows = [
        (
            name,
            figures.count(row.deliveries),
            figures.milliseconds(row.p50_ms),
            figures.milliseconds(row.p99_ms),
            facts.duplicate_answers(row),
        )
        for name, row in facts.duplicate_rows(result)
    ]
    figures_of = (Column("Deliveries"), Column("p50"), Column("p99"))
    columns = (Column("Copy", words=True), *figures_of, Column("Answers", words=True, long=True))
    spread = Lines([facts.spread_words(result)] if rows else [], "dim", bullets=False)
    return Section("duplicates", "Duplicates", [Table("Duplicates", columns, rows), spread], "service time")


def _retries(result: RunResult) -> Section:
    """The figures on retries, and the deliveries by attempt number."""
    rows = [(row.name, Cell(row.value, "bad" if row.bad else ""), row.meaning) for row in retry_rows(result)]
    meaning = Column("Meaning", words=True, long=True)
    blocks = [Table("Retries", (Column("What", words=True), Column("Figure"), meaning), rows)]
    columns = (Column("Attempt", words=True), Column("Deliveries"), Column("2xx"), Column("Answers", True, True))
    blocks.append(Table("By attempt", columns, attempt_rows(result)))
    return Section("retries", "Retries", blocks, profile_words(result))


def _said(result: RunResult) -> Section:
    quotes = [Quote(row.kind, which, text) for row in facts.answer_rows(result) for which, text in row.said]
    return Section(
        "said", "What the endpoint said", [Quotes("What the endpoint said", quotes)], "first answers of each kind"
    )


def _deadlines(result: RunResult) -> Section:
    """The share of events that each provider would have counted as delivered in time."""
    known = deadline_cells(result)
    rows = [
        (
            row.provider,
            row.deadline,
            row.in_time,
            Cell(row.past, "" if row.past == "0" else "bad"),
            Cell(row.unanswered, "" if row.unanswered == "0" else "bad"),
            row.afterwards,
        )
        for row in known
    ]
    titles = (Column("Deadline"), Column("In time"), Column("Later"), Column("No answer"))
    columns = (Column("Provider", words=True), *titles, Column("What it would do then", words=True, long=True))
    short = ""
    if known and all(row.good for row in known):
        shortest = f"the shortest is {known[0].deadline} ({known[0].provider})"
        short = f"every event was within the deadline of all {len(known)} providers; {shortest}"
    note = "in time: share of the events sent whose whole answer, of any status, came within that service time"
    return Section("deadlines", "Provider deadlines", [Table("Provider deadlines", columns, rows, short)], note)


def _hosts(result: RunResult) -> Section:
    columns = [
        Column(name, words=name in ("Host", "Note"), long=name in ("Host", "Note"), spare=name in _SPARE_OF_HOSTS)
        for name in hosts.HEADER
    ]
    rows = [(*row[:-1], Cell(row.note, "warn")) for row in hosts.host_rows(result)]
    return Section("hosts", "By host", [Table("By host", columns, rows), Lines(hosts.skew_lines(result))])


def _environment(result: RunResult) -> Section:
    """The run, the machine, the generator processes and the scenario."""
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
    about = Table("Run and host", (Column("What", words=True), Column("Value", words=True, long=True)), rows)
    scenario = msgspec.json.format(msgspec.json.encode(run.scenario), indent=2).decode()
    return Section(
        "environment", "Environment", [about, _shards(result), Source("Scenario as it ran", scenario)], detail=True
    )


def _shards(result: RunResult) -> Table:
    rows = [
        (
            Cell(str(row.shard), note="lost" if row.lost else ""),
            row.host,
            figures.count(row.sent),
            figures.count(row.completed),
            figures.milliseconds(row.p50_ms),
            figures.share(row.cpu_share, 0),
            figures.NOT_KNOWN if row.rss_mb is None else f"{row.rss_mb:.0f} MB",
            figures.count(row.connections_peak),
            row.reason,
        )
        for row in result.shards
    ]
    titles = ("Sent", "Completed", "p50", "CPU", "Memory", "Connections")
    columns = (*words("Process", "Host"), *(Column(title) for title in titles), Column("Note", words=True, long=True))
    return Table("Generator processes", columns, rows)

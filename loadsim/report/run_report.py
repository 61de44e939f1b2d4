"""The report of a run: all its sections in order, built from the stored result.

Larger sections have a file of their own beside this one; what other outputs say too is in `facts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from loadsim.judge.objectives import parse_objective, unit_of
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Stats
from loadsim.model import UsageError, counted
from loadsim.report import facts, host_rows, numbers
from loadsim.report.answers_section import answers_section, said_section
from loadsim.report.blocks import (
    Bar,
    Cell,
    Column,
    Figure,
    Lines,
    Report,
    Section,
    Source,
    Table,
    Tone,
    sections,
    words,
)
from loadsim.report.chart_sections import chart_sections, latency_over_time
from loadsim.report.connections_section import connections_section
from loadsim.report.diagnosis import diagnosis
from loadsim.report.effects_section import effects_section
from loadsim.report.events_section import events_section
from loadsim.report.findings import findings
from loadsim.report.group_sections import after_pause_section, cases_section, duplicates_section, group_section
from loadsim.report.latency_section import latency_section
from loadsim.report.named_events_section import failing_section, slowest_section
from loadsim.report.provider_deadlines import deadline_cells
from loadsim.report.reconciliation import reconciliation_section
from loadsim.report.retry_rows import attempt_rows, profile_words, retry_rows
from loadsim.report.watch_section import watch_section
from loadsim.report.what_limited import limit_lines

TONES: dict[str, Tone] = {"pass": "good", "fail": "bad", "invalid": "warn", "none": "dim"}
OUTCOMES: dict[bool | None, tuple[str, Tone]] = {
    True: ("met", "good"),
    False: ("failed", "bad"),
    None: ("not judged", "warn"),
}
SCALED_OUT: tuple[str, Tone] = ("not judged", "dim")
"""Of an objective that a shortened run cannot judge."""
MOST_WINDOWS = 500
"""Rows of a table of windows."""
_VERDICT = ("validity", "objectives", "warnings", "limits")
"""The sections about the verdict, and what limited the run."""
_SPARE_OF_HOSTS = ("Processes", "Answered")
_ROOM_BEHIND_LIMIT = 4 / 3
_NO_STATS = Stats(count=0)


def run_report(result: RunResult) -> Report:
    """The whole report."""
    found = sections(
        _validity(result),
        _objectives(result),
        _diagnosis(result),
        latency_over_time(result),
        watch_section(result),
        Section("warnings", "Warnings", [Lines(result.validity.warnings, tone="warn")]),
        Section("limits", "What limited the run", [Lines(limit_lines(result))]),
        events_section(result),
        answers_section(result),
        latency_section(result),
        *chart_sections(result),
        Section("windows", "Objectives by window", list(_windows(result))),
        effects_section(result),
        _retries(result),
        group_section(result, "event", "By event type"),
        cases_section(result),
        reconciliation_section(result.reconciliation),
        duplicates_section(result),
        group_section(result, "phase", "By phase"),
        after_pause_section(result),
        slowest_section(result),
        failing_section(result),
        said_section(result),
        _deadlines(result),
        connections_section(result),
        _hosts(result),
        _environment(result),
    )
    return Report(
        outcome=facts.VERDICTS[result.verdict.outcome],
        tone=TONES[result.verdict.outcome],
        name=result.run.name,
        headline=_headline(result),
        about=[" · ".join([*facts.tested_words(result), *facts.run_words(result)])],
        sections=found,
        key=_key(result),
        footer=f"loadsim {result.run.version} · run {result.run.id}",
    )


def verdict_report(result: RunResult) -> Report:
    """A report with the verdict, the reasons of an invalid measurement, the objectives and the limits only."""
    whole = run_report(result)
    return replace(whole, sections=[part for part in whole.sections if part.anchor in _VERDICT])


def _headline(result: RunResult) -> str:
    """The reason for the verdict, and that there are warnings: they stand further down."""
    warnings = result.validity.warnings
    return f"{facts.headline(result)}; {counted(len(warnings), 'warning')}" if warnings else facts.headline(result)


def _key(result: RunResult) -> list[Figure]:
    response = result.totals.latency_ms.get("response", _NO_STATS)
    metric = facts.headline_metric(result)
    latencies = [
        Figure(f"{name} {metric}", numbers.milliseconds(getattr(response, name)))
        for name in ("p50", "p95", "p99", "max")
    ]
    return [
        *latencies,
        Figure("2xx answers", numbers.share(result.totals.success_rate)),
        Figure("completed rate", numbers.per_second(result.totals.rate_completed)),
    ]


def _validity(result: RunResult) -> Section:
    return Section("validity", "Invalid because", [Lines(result.validity.reasons, tone="warn")])


def _diagnosis(result: RunResult) -> Section:
    return Section("diagnosis", "Diagnosis", [Lines([*diagnosis(result), *findings(result)], tone="bad")])


def _objectives(result: RunResult) -> Section:
    rows = []
    for line in facts.objective_lines(result):
        word, tone = SCALED_OUT if line.scaled else OUTCOMES[line.passed]
        objective = Cell(line.text, note=line.note, code=True)
        bar = _bar(line) if result.verdict.outcome != "invalid" else None
        seen = Cell(line.observed, "bad" if line.passed is False else "", bar=bar)
        rows.append((Cell(word, tone, sign=True), objective, seen, line.limit, line.interval or line.needs))
    columns = (Column("Result", words=True), Column("Objective", words=True, long=True), Column("Observed"))
    limits = Table("Objectives", (*columns, Column("Limit"), Column("95 % interval")), rows)
    return Section("objectives", "Objectives", [limits])


def _bar(line: facts.ObjectiveLine) -> Bar | None:
    """The figure beside its limit; None where that was not judged, or where both are 0."""
    if line.passed is None or line.value is None or line.bound is None or min(line.value, line.bound) < 0:
        return None
    top = 1.0 if line.unit == "fraction" else max(line.value, line.bound * _ROOM_BEHIND_LIMIT)
    return Bar(line.value, line.bound, top) if top else None


def _windows(result: RunResult) -> Iterator[Table]:
    """One table for each figure that an objective judges by windows, with at most MOST_WINDOWS rows."""
    columns = (Column("From", words=True), Column("Samples"), Column("Observed"))
    for course in result.windows:
        try:
            objective = parse_objective(f"{course.figure} > 0")
        except UsageError:  # stored by a version with other names
            continue
        unit = unit_of(objective.metric, objective.aggregation)
        rows = [
            (f"{t:g} s", numbers.count(samples), numbers.observed(value, unit))
            for t, value, samples in zip(course.t_s, course.values, course.samples, strict=True)
        ]
        limited = f", the first {MOST_WINDOWS}" if len(rows) > MOST_WINDOWS else ""
        title, rows = f"{course.figure} by window of {course.width_s:g} s{limited}", rows[:MOST_WINDOWS]
        yield Table(title, columns, rows, short=f"{counted(len(rows), 'window')}; the page shows the figure of each")


def _retries(result: RunResult) -> Section:
    """The figures on retries, and the deliveries by attempt number."""
    rows = [(row.name, Cell(row.value, "bad" if row.bad else ""), row.meaning) for row in retry_rows(result)]
    meaning = Column("Meaning", words=True, long=True)
    blocks = [Table("Retries", (Column("What", words=True), Column("Figure"), meaning), rows)]
    columns = (Column("Attempt", words=True), Column("Deliveries"), Column("2xx"), Column("Answers", True, True))
    blocks.append(Table("By attempt", columns, attempt_rows(result)))
    return Section("retries", "Retries", blocks, profile_words(result))


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
        for name in host_rows.HEADER
    ]
    rows = [(*row[:-1], Cell(row.note, "warn")) for row in host_rows.host_rows(result)]
    return Section("hosts", "By host", [Table("By host", columns, rows), Lines(host_rows.skew_lines(result))])


def _environment(result: RunResult) -> Section:
    """The run, the machine, the generator processes and the scenario."""
    run, place = result.run, result.environment
    rows = [
        ("run", run.id),
        ("scenario", run.name),
        ("started", run.started_at),
        ("ended", run.ended_at),
        ("model", run.model),
        ("protocol", f"HTTP/{run.http}"),
        ("seed", str(run.seed)),
        ("body times start at", "the wall clock" if run.epoch_ms is None else f"{run.epoch_ms} ms"),
        ("loadsim", run.version),
        ("python", place.python),
        ("platform", place.platform),
        ("processor", f"{place.cpu_count} × {place.cpu_model}"),
        ("hot path", "with the compiled step" if place.compiled else "pure Python"),
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
            numbers.count(row.sent),
            numbers.count(row.completed),
            numbers.milliseconds(row.p50_ms),
            numbers.share(row.cpu_share, 0),
            numbers.NOT_KNOWN if row.rss_mb is None else f"{row.rss_mb:.0f} MB",
            numbers.count(row.connections_peak),
            row.reason,
        )
        for row in result.shards
    ]
    titles = ("Events", "Answered", "p50", "CPU", "Memory", "Connections")
    columns = (*words("Process", "Host"), *(Column(title) for title in titles), Column("Note", words=True, long=True))
    return Table("Generator processes", columns, rows)

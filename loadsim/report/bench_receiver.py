"""What a verified event costs a receiver: as text, as Markdown and as one page.

Decides the words and the two tables. Refuses to know how the receivers were loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadsim.measure.bench_receiver import PaceRow, PartRow, ReceiverBench, ReceiverRow
from loadsim.report import charts, figures
from loadsim.report.ab import columns
from loadsim.report.chart_sections import ChartSection, markup
from loadsim.report.markup import Markup, join, table, tag
from loadsim.report.page import Report, document
from loadsim.report.summary import escape, markdown_table

VERDICTS = {"pass": "MEASURED", "fail": "FAIL", "unsure": "INVALID", "interrupted": "INTERRUPTED"}
KINDS = {"pass": "good", "fail": "bad", "unsure": "warn", "interrupted": "warn"}
PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")
_SPEED = ("receiver", "events/s", "CPU µs per event", "quartiles", "of its core")
_PARTS = ("CPU µs per event", "median", "95 % interval")
Table = tuple[str, Sequence[str], list[tuple[str, ...]]]


def render_receiver_text(result: ReceiverBench) -> str:
    """The report as plain text. Ends in a newline."""
    lines = [f"{VERDICTS[result.ending]}   what a verified event costs a receiver", *_words(result)]
    lines += [f"  {reason}" for reason in result.reasons]
    for title, header, rows in _tables(result):
        lines += ["", title, *columns([header, *rows])]
    lines += ["", *_notes(result)]
    return "\n".join(map(figures.printable, lines)) + "\n"


def render_receiver_summary(result: ReceiverBench) -> str:
    """The same as Markdown. Ends in a newline."""
    blocks = [f"# {VERDICTS[result.ending]}: what a verified event costs a receiver", *map(escape, _words(result))]
    if result.reasons:
        blocks.append("\n".join(f"- {escape(reason)}" for reason in result.reasons))
    for title, header, rows in _tables(result):
        blocks += [f"## {escape(title)}", markdown_table(header, [tuple(map(escape, row)) for row in rows])]
    blocks += map(escape, _notes(result))
    return "\n\n".join(blocks) + "\n"


def render_receiver_page(result: ReceiverBench, library: str | None) -> bytes:
    """The same as one page that opens offline. `library`: the source of plotly.js, or None for tables only."""
    sections: list[tuple[str, str, Markup]] = []
    drawn: dict[str, charts.Figure] = {}
    if result.reasons:
        sections.append(("reasons", "Why", tag("ul", *(tag("li", reason) for reason in result.reasons))))
    for number, (title, header, rows) in enumerate(_tables(result)):
        name = f"table-{number}"
        shown = table(title, header, rows)
        if number == 0 and any(row.cpu_us for row in result.rows):
            section = ChartSection(name, _figure(result), "CPU time of the receiver per event, by receiver.", shown)
            drawn[name] = section.figure
            shown = markup(section, drawn=library is not None)
        sections.append((name, title, shown))
    how = join([tag("p", line) for line in _notes(result)])
    sections.append(("how", "How it was measured", how))
    header_box = tag(
        "header",
        tag("p", VERDICTS[result.ending], class_="outcome"),
        tag("h1", "What a verified event costs a receiver"),
        *(tag("p", line, class_="words") for line in _words(result)),
        class_=f"verdict {KINDS[result.ending]}",
    )
    footer = f"loadsim {result.version} · {result.id}"
    return document(Report("bench receiver", header_box, sections, footer, drawn), library)


def _figure(result: ReceiverBench) -> charts.Figure:
    found = [(row.name, row.cpu_us.median) for row in result.rows if row.cpu_us is not None]
    return charts.bars_figure([name for name, _ in found], [us for _, us in found], "CPU µs per event")


def _words(result: ReceiverBench) -> list[str]:
    where = result.environment
    made = [where.cpu_model, f"{where.cpu_count} cores", f"Python {where.python}", f"loadsim {result.version}"]
    place = "receivers and generator share what there is"
    if result.cores is not None:
        place = f"receivers on core {result.cores[0]}, generator on core {result.cores[1]}"
    return [
        ", ".join([*made, result.started_at[:10]]),
        f"scheme {result.scheme}; {result.rounds} interleaved rounds, {result.connections} connections; {place}",
    ]


def _tables(result: ReceiverBench) -> Iterator[Table]:
    yield "At full speed", _SPEED, [_speed_row(row) for row in result.rows]
    if result.parts:
        yield "Where the time goes, by subtraction", _PARTS, [_part_row(row) for row in result.parts]
    if any(row.paces for row in result.rows):
        rows = [_pace_row(row, pace) for row in result.rows for pace in row.paces]
        yield "Response time by load", ("receiver", "load", "CPU µs", *PERCENTILES), rows


def _speed_row(row: ReceiverRow) -> tuple[str, ...]:
    if row.events_per_s is None or row.cpu_us is None:
        return row.name, "✗ errs" if row.faults else "not measured", "", "", ""
    least = "≥ " if row.at_least else ""
    return (
        row.name,
        f"{least}{figures.count(row.events_per_s.median)}",
        figures.significant(row.cpu_us.median),
        f"{figures.significant(row.cpu_us.q1)}–{figures.significant(row.cpu_us.q3)}",
        figures.share(row.core_share, 0),
    )


def _part_row(row: PartRow) -> tuple[str, ...]:
    interval = figures.NOT_KNOWN
    if row.interval is not None:
        interval = f"{_signed(row.interval[0])} to {_signed(row.interval[1])}"
    return row.name, _signed(row.us), interval


def _signed(value: float) -> str:
    return f"−{figures.significant(-value)}" if value < 0 else figures.significant(value)


def _pace_row(row: ReceiverRow, pace: PaceRow) -> tuple[str, ...]:
    load = figures.per_second(pace.rate)
    if pace.why:
        why = "INVALID" if pace.why.startswith("INVALID") else "left out"
        return row.name, load, why, *[""] * len(PERCENTILES)
    us = figures.NOT_KNOWN if pace.cpu_us is None else figures.significant(pace.cpu_us)
    found = (pace.p50_ms, pace.p90_ms, pace.p99_ms, pace.p99_9_ms, pace.max_ms)
    return row.name, load, us, *map(figures.milliseconds, found)


def _notes(result: ReceiverBench) -> list[str]:
    asked = "A receiver that verifies was asked first whether it refuses tampered, forged, unsigned and stale events."
    notes = [f"CPU time is that of the receiver's one process, user and system, per event answered. {asked}"]
    if any(row.at_least for row in result.rows):
        notes.append("≥: the generator was at its limit and the receiver was not; its CPU time says what it holds.")
    if any(pace.why and not pace.why.startswith("INVALID") for row in result.rows for pace in row.paces):
        notes.append("Left out: a load so near to what the receiver can do that it would show queueing.")
    return notes

"""The terminal report: the verdict first, then what it rests on.

Decides layout and colour for any width from 80 columns on; the rows and words come from `facts.py`. Refuses to know
where it is printed: the caller says the width and whether there is colour.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from loadsim.measure.result import RunResult, Stats
from loadsim.report import facts, figures
from loadsim.report.books import book_rows, source_words
from loadsim.report.deadlines import deadline_cells
from loadsim.report.diagnosis import diagnosis
from loadsim.report.findings import findings
from loadsim.report.hosts import HEADER, host_rows, skew_lines
from loadsim.report.storm import attempt_rows, profile_words, storm_rows

WIDE = 110
"""From this width on the latency table also has min, mean and p99.99."""
VERDICT_STYLES = {"pass": "bold black on green", "fail": "bold white on red", "invalid": "bold black on yellow"}
MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("?", "yellow")}
BODY_LINES = 4
BODY_CHARS = 300


def render_text(result: RunResult, *, width: int = 100, colour: bool = False) -> str:
    """The whole report as text of this width, with ANSI colours or without any escape sequence. Ends in a newline."""
    return drawn(render(result, width), width, colour=colour)


def render_verdict(result: RunResult, *, width: int = 100, colour: bool = False) -> str:
    """The verdict, the objectives and the reasons only, as `render_text` writes them."""
    return drawn(Group(*_verdict(result)), width, colour=colour)


def render(result: RunResult, width: int = 100) -> RenderableType:
    """The report for a rich console that is `width` columns wide."""
    parts: list[RenderableType] = [*_verdict(result), *_diagnosis(result), *_counts(result), *_outcomes(result)]
    parts += [*_retries(result), *_latency(result, width)]
    parts += [*_groups(result, "event", "By event type"), *_cases(result)]
    parts += [*_books(result), *_duplicates(result), *_groups(result, "phase", "By phase")]
    parts += [*_answers(result), *_deadlines(result), *_hosts(result), *_limits(result)]
    return Group(*parts)


def drawn(what: RenderableType, width: int, *, colour: bool) -> str:
    """What rich draws at this width, without blanks at the ends of lines."""
    text = io.StringIO()
    console = Console(
        file=text,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    console.print(what)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().split("\n")[:-1])


def _verdict(result: RunResult) -> Iterator[RenderableType]:
    yield from _head(result)
    yield from _objectives(result)
    yield from _reasons(result)


def _head(result: RunResult) -> Iterator[RenderableType]:
    outcome = result.verdict.outcome
    line = Text(f" {facts.VERDICTS[outcome]} ", style=VERDICT_STYLES.get(outcome, "bold reverse"))
    line.append(f"  {figures.printable(result.run.name)}", style="bold not reverse default on default")
    line.append(f"  {figures.printable(facts.headline(result))}", style="not bold not reverse default on default")
    yield line
    yield Text(figures.printable(" · ".join(facts.run_words(result))), style="dim")


def _title(text: str, note: str = "") -> Text:
    title = Text(f"\n{text}", style="bold")
    if note:
        title.append(f"  {figures.printable(note)}", style="not bold dim")
    return title


def _objectives(result: RunResult) -> Iterator[RenderableType]:
    lines = facts.objective_lines(result)
    if not lines:
        return
    yield _title("Objectives")
    table = _table()
    table.add_column(width=1)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    for line in lines:
        mark, style = MARKS[line.passed]
        text = Text(figures.printable(line.text))
        if line.note:
            text.append(f"  {figures.printable(line.note)}", style="dim")
        seen = Text(line.observed, style=style if line.passed is False else "")
        table.add_row(Text(mark, style=style), text, seen, f"95 % {line.interval}" if line.interval else "")
    yield table


def _reasons(result: RunResult) -> Iterator[RenderableType]:
    if result.validity.reasons:
        yield _title("Invalid because")
        yield from _bullets(result.validity.reasons, "yellow")


def _diagnosis(result: RunResult) -> Iterator[RenderableType]:
    lines = [*diagnosis(result), *findings(result)]
    if lines:
        yield _title("Diagnosis")
        yield from _bullets(lines, "red")


def _bullets(lines: Sequence[str], style: str = "") -> Iterator[RenderableType]:
    table = _table()
    table.add_column(width=1)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(Text("•", style=style), Text(figures.printable(line)))
    yield table


def _counts(result: RunResult) -> Iterator[RenderableType]:
    yield _title("Events")
    table = _table()
    for _ in range(4):
        table.add_column(no_wrap=True, style="dim")
        table.add_column(no_wrap=True, justify="right")
    # Under the count of a column stands its rate: the second line needs no names of its own but the last.
    names = {"planned rate": "rate", "sent rate": "", "completed rate": "", "bytes sent": "bytes"}
    cells = [(names.get(name, name), value) for name, value in facts.count_cells(result)]
    for row in range(0, len(cells), 4):
        table.add_row(*(text for cell in cells[row : row + 4] for text in cell))
    yield table
    for words in (facts.forged_words(result), facts.receiver_words(result)):
        if words:
            yield Text(figures.printable(words), style="dim")


def _outcomes(result: RunResult) -> Iterator[RenderableType]:
    rows = facts.outcome_rows(result)
    if not rows:
        return
    yield _title("Answers")
    table = _table()
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, justify="right")
    table.add_column(style="dim", overflow="fold")
    for row in rows:
        name = Text(figures.printable(row.name), style="green" if row.good else "red")
        table.add_row(name, figures.count(row.times), row.share, row.meaning)
    yield table


def _latency(result: RunResult, width: int) -> Iterator[RenderableType]:
    rows = facts.latency_rows(result)
    if not rows:
        return
    names = ["p50", "p90", "p95", "p99", "p99_9", "max"]
    if width >= WIDE:
        names = ["min", "mean", "p50", "p75", "p90", "p95", "p99", "p99_9", "p99_99", "max"]
    has_interval = any(row.stats.ci95 for row in rows)
    yield _title("Latency", "with 95 % confidence intervals" if has_interval else "")
    table = _table(header=True)
    table.add_column("", overflow="fold")
    for name in names:
        table.add_column(facts.percentile_label(name), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.label, *(_cell(row.stats, name) for name in names))
    yield table


def _cell(stats: Stats, name: str) -> Text:
    """The value, and its interval below it in the same unit; as high in every cell of a row."""
    value = getattr(stats, name)
    cell = Text(figures.milliseconds(value))
    if stats.ci95:
        bounds = stats.ci95.get(name)
        cell.append("\n" + (figures.interval(*bounds, like=value) if bounds and value is not None else ""), style="dim")
    return cell


def _groups(result: RunResult, which: str, title: str) -> Iterator[RenderableType]:
    rows = facts.group_rows(result, which)
    if not rows:
        return
    yield _title(title, facts.headline_metric(result))
    table = _table(header=True)
    table.add_column("", overflow="fold")
    forged = which == "phase" and bool(result.totals.refusals_due)
    for name in ("sent", "2xx", "p50", "p99", "max", *(("forged", "let in") if forged else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        label = Text(figures.printable(row.name))
        if row.note:
            label.append(f" ({row.note})", style="dim")
        stats = row.totals.latency_ms.get("response", Stats(count=0))
        table.add_row(
            label,
            figures.count(row.totals.sent),
            figures.share(row.totals.success_rate),
            *(figures.milliseconds(value) for value in (stats.p50, stats.p99, stats.max)),
            *((figures.count(row.totals.refusals_due), figures.count(row.totals.forged_accepted)) if forged else ()),
        )
    yield table


def _cases(result: RunResult) -> Iterator[RenderableType]:
    rows = facts.case_rows(result)
    if not rows:
        return
    yield _title("By case", facts.headline_metric(result))
    table = _table(header=True)
    table.add_column("", overflow="fold")
    table.add_column("expects", no_wrap=True, style="dim")
    for name in ("sent", "2xx", "4xx", "wrong", "let in", "p50", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            figures.printable(row.name),
            row.expects,
            *(figures.count(number) for number in (row.sent, row.accepted, row.refused)),
            Text(figures.count(row.violations), style="bold red" if row.violations else ""),
            row.upper,
            *(figures.milliseconds(value) for value in (row.stats.p50, row.stats.p99)),
        )
    yield table


def _duplicates(result: RunResult) -> Iterator[RenderableType]:
    rows = facts.duplicate_rows(result)
    if not rows:
        return
    yield _title("Duplicates", "service time")
    table = _table(header=True)
    table.add_column("", no_wrap=True)
    for name in ("deliveries", "p50", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("answers", overflow="fold")
    for name, row in rows:
        cells = (figures.count(row.deliveries), figures.milliseconds(row.p50_ms), figures.milliseconds(row.p99_ms))
        table.add_row(name, *cells, figures.printable(facts.duplicate_answers(row)))
    yield table
    yield Text(facts.spread_words(result), style="dim")


def _books(result: RunResult) -> Iterator[RenderableType]:
    books = result.reconciliation
    if books is None:
        return
    yield _title("Reconciled", source_words(books))
    rows = book_rows(books)
    if not rows:
        return
    table = _table()
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(style="dim", overflow="fold")
    for row in rows:
        table.add_row(Text(row.name, style="bold red" if row.bad else ""), figures.count(row.events), row.meaning)
    yield table


def _retries(result: RunResult) -> Iterator[RenderableType]:
    rows = storm_rows(result)
    if not rows:
        return
    yield _title("Retries", profile_words(result))
    table = _table()
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(style="dim", overflow="fold")
    for row in rows:
        table.add_row(row.name, Text(row.value, style="red" if row.bad else ""), figures.printable(row.meaning))
    yield table
    attempts = attempt_rows(result)
    if attempts:
        table = _table(header=True)
        table.add_column("attempt", no_wrap=True)
        table.add_column("deliveries", justify="right", no_wrap=True)
        table.add_column("2xx", justify="right", no_wrap=True)
        table.add_column("answers", overflow="fold")
        for attempt in attempts:
            table.add_row(*map(figures.printable, attempt))
        yield Text("")
        yield table


def _deadlines(result: RunResult) -> Iterator[RenderableType]:
    rows = deadline_cells(result)
    if not rows:
        return
    yield _title("Provider deadlines", "share answered in time, by service time")
    if all(row.good for row in rows):
        yield Text(
            f"  every event within that of all {len(rows)} providers, from {rows[0].provider}'s {rows[0].deadline} on"
        )
        return
    table = _table(header=True)
    table.add_column("", no_wrap=True)
    for name in ("deadline", "in time", "late"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what it would do then", style="dim", overflow="fold")
    for row in rows:
        late = Text(row.late, style="" if row.good else "red")
        table.add_row(row.provider, row.deadline, row.in_time, late, row.afterwards)
    yield table


def _answers(result: RunResult) -> Iterator[RenderableType]:
    rows = facts.answer_rows(result)
    if not rows:
        return
    yield _title("What the endpoint said", "first answers of each kind")
    for row in rows:
        for which, said in row.said:
            head = Text("  ")
            head.append(figures.printable(row.kind), style="red")
            head.append(f"  {which}", style="dim")
            yield head
            yield Padding(Text(_excerpt(said), overflow="fold"), (0, 0, 0, 6))


def _excerpt(said: str) -> str:
    text = figures.printable(said, lines=True)
    lines = [line for line in text.split("\n") if line.strip()]
    short = "\n".join(lines[:BODY_LINES])[:BODY_CHARS]
    return short if len(short) == len("\n".join(lines)) else short + " …"


def _hosts(result: RunResult) -> Iterator[RenderableType]:
    rows = host_rows(result)
    if not rows:
        return
    yield _title("By host")
    table = _table(header=True)
    for name in HEADER[:-1]:
        table.add_column("" if name == "Host" else name.lower(), justify="left" if name == "Host" else "right")
    table.add_column("", overflow="fold")
    for row in rows:
        table.add_row(
            *(figures.printable(cell) for cell in row[:-1]), Text(figures.printable(row.note), style="yellow")
        )
    yield table
    yield from _bullets(skew_lines(result))


def _limits(result: RunResult) -> Iterator[RenderableType]:
    yield _title("What limited the run")
    yield from _bullets(facts.limit_lines(result))


def _table(*, header: bool = False) -> Table:
    """A borderless table, indented by two, over the whole width."""
    return Table(box=None, show_header=header, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))

"""Renders a report for a terminal of 80 or more columns, with colours or without any escape sequence.

The caller gives the width and says whether there is colour.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from loadsim.report.blocks import (
    Block,
    Cell,
    Figures,
    Items,
    Lines,
    Quotes,
    Report,
    Section,
    Table,
    Tone,
    cell,
    short_line,
)
from loadsim.report.numbers import printable
from loadsim.report.recording_console import recording
from loadsim.report.unknown_figures import unknown_words

WIDE = 110
"""From this width on, tables show their spare columns."""
BADGES: dict[Tone, str] = {
    "good": "bold black on green",
    "bad": "bold white on red",
    "warn": "bold black on yellow",
    "dim": "bold reverse",
    "": "bold reverse",
}
STYLES: dict[Tone, str] = {"good": "green", "bad": "red", "warn": "yellow", "dim": "dim", "": ""}
SIGNS: dict[Tone, str] = {"good": "✓", "bad": "✗", "warn": "?", "dim": "·", "": " "}
QUOTED_LINES, QUOTED_CHARS = 4, 300
PER_ROW = 4
"""Number of figures side by side."""


def render(report: Report, *, width: int = 100, colour: bool = False, details: bool = True) -> str:
    """The report as text that ends in a newline. Without `details`, detail sections are left out."""
    shown = [section for section in report.sections if details or not section.detail]
    parts = (part for section in shown for part in _section(section, width))
    return drawn(Group(*_head(report), *parts), width, colour=colour)


def drawn(what: RenderableType, width: int, *, colour: bool) -> str:
    """What rich prints at this width, without spaces at the ends of lines."""
    console, text = recording(width, colour=colour)
    console.print(what)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().split("\n")[:-1])


def _head(report: Report) -> Iterator[RenderableType]:
    line = Text(f" {report.outcome} ", style=BADGES[report.tone])
    line.append(f"  {printable(report.name)}", style="bold not reverse default on default")
    line.append(f"  {printable(report.headline)}", style="not bold not reverse default on default")
    yield line
    for words in report.about:
        yield Text(printable(words), style="dim")


def _section(section: Section, width: int) -> Iterator[RenderableType]:
    parts = [part for block in section.blocks for part in _block(block, section, width)]
    if parts:
        yield _title(section.title, section.note)
    yield from parts


def _title(text: str, note: str = "") -> Text:
    title = Text(f"\n{printable(text)}", style="bold")
    if note:
        title.append(f"  {printable(note)}", style="not bold dim")
    return title


def _block(block: Block, section: Section, width: int) -> Iterator[RenderableType]:
    match block:
        case Table():
            yield from _table(block, section, width)
        case Figures():
            yield _figures(block)
        case Lines():
            yield from _lines(block)
        case Items():
            yield from _items(block)
        case Quotes():
            yield from _quotes(block)
        case _:  # charts and sources are for pages only
            return


def _lines(block: Lines) -> Iterator[RenderableType]:
    if not block.lines:
        return
    if not block.bullets:
        for line in block.lines:
            yield Text(printable(line), style=STYLES[block.tone])
        return
    grid = _grid()
    grid.add_column(width=1)
    grid.add_column(overflow="fold")
    for line in block.lines:
        grid.add_row(Text("•", style=STYLES[block.tone]), Text(printable(line)))
    yield grid


def _items(block: Items) -> Iterator[RenderableType]:
    for item in block.items:
        yield Text.assemble((f"{SIGNS[block.tone]} ", STYLES[block.tone]), printable(item.text))
        for line in item.details:
            yield Padding(Text(printable(line), style="dim"), (0, 0, 0, 2))


def _figures(block: Figures) -> RenderableType:
    """Names and values, four in a row, with the text under a value on the next line."""
    grid = _grid()
    for _ in range(PER_ROW):
        grid.add_column(no_wrap=True, style="dim")
        grid.add_column(no_wrap=True, justify="right")
    for start in range(0, len(block.figures), PER_ROW):
        some = block.figures[start : start + PER_ROW]
        grid.add_row(*(printable(text) for each in some for text in (each.name, each.value)))
        if any(each.under for each in some):
            grid.add_row(*(text for each in some for text in ("", Text(printable(each.under), style="dim"))))
    return grid


def _table(block: Table, section: Section, width: int) -> Iterator[RenderableType]:
    if not block.rows:
        return
    if block.short:
        yield Padding(Text(printable(short_line(block, section)), style="dim"), (0, 0, 0, 2))
        return
    if block.caption != section.title:
        yield Text(f"\n{printable(block.caption)}", style="dim")
    shown = [i for i, column in enumerate(block.columns) if width >= WIDE or not column.spare]
    rows = [[cell(row[i]) for i in shown] for row in block.rows[: block.top]]
    signs = {i for i in range(len(shown)) if all(row[i].sign for row in rows)}
    grid = _grid(header=any(block.columns[i].title for i in shown))
    for i, column in enumerate(block.columns[i] for i in shown):
        if i in signs:
            grid.add_column("", width=1)
        elif column.words:
            grid.add_column(printable(column.title), overflow="fold", no_wrap=not column.long)
        else:
            grid.add_column(printable(column.title), justify="right", no_wrap=True)
    for row in rows:
        under = any(each.under for each in row)
        grid.add_row(*(_cell(each, sign=i in signs, under=under) for i, each in enumerate(row)))
    yield grid
    if left := len(block.rows) - len(rows):
        yield Text(f"and {left} more, which the other formats show", style="dim")
    if unknown := unknown_words([block.columns[i] for i in shown], rows):
        yield Text(unknown, style="dim")


def _cell(content: Cell, *, sign: bool, under: bool) -> Text:
    """A cell. `under`: it has a second line, since some cell of its row has a text under it."""
    if sign:
        return Text(SIGNS[content.tone], style=STYLES[content.tone])
    text = Text(printable(content.text), style=STYLES[content.tone])
    if content.note:
        text.append(f"  {printable(content.note)}", style="dim")
    if under:
        text.append(f"\n{printable(content.under)}", style="dim")
    return text


def _quotes(block: Quotes) -> Iterator[RenderableType]:
    for quote in block.quotes:
        head = Text("  ")
        head.append(printable(quote.kind), style="red")
        head.append(f"  {printable(quote.occasion)}", style="dim")
        yield head
        yield Padding(Text(_excerpt(quote.text), overflow="fold"), (0, 0, 0, 6))


def _excerpt(text: str) -> str:
    lines = [line for line in printable(text, lines=True).split("\n") if line.strip()]
    short = "\n".join(lines[:QUOTED_LINES])[:QUOTED_CHARS]
    return short if len(short) == len("\n".join(lines)) else short + " …"


def _grid(*, header: bool = False) -> Grid:
    """An empty table without borders."""
    return Grid(box=None, show_header=header, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))

"""Renders a report as Markdown, for a merge request or a CI job's page. Foreign text is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from loadsim.report.blocks import (
    Block,
    Cell,
    Column,
    Figures,
    Items,
    Lines,
    Quotes,
    Report,
    Section,
    Table,
    Tone,
    cell,
    followable,
    sentence,
    short_line,
)
from loadsim.report.numbers import printable
from loadsim.report.unknown_figures import unknown_words

ICONS: dict[Tone, str] = {"good": "✅", "bad": "❌", "warn": "⚠️", "dim": "▫️", "": "▫️"}
QUOTED_CHARS = 500

_MARKUP = re.compile(r"([\\`*_\[\]|~]|^[-+]|^\d+(?=[.)](?:\s|$))|(?<=www)\.|:(?=//))")
_REFERENCE = re.compile(r"([@#])(?=\w)")
"""A code host turns `@name` and `#1` of the rendered text into links, which a backslash does not prevent."""


def render(report: Report) -> str:
    """The whole report. Ends in a newline."""
    blocks = [f"# {ICONS[report.tone]} {report.outcome}: {escape(report.name)}"]
    blocks.append(" · ".join(escape(line) for line in (report.headline, *report.about) if line))
    for section in report.sections:
        blocks += _section(section)
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Foreign text as plain Markdown: no markup, no link, no mention, no HTML, one line."""
    line = " ".join(printable(text, lines=True).split())
    line = _MARKUP.sub(lambda match: f"\\{match[0]}" if not match[0].isdigit() else f"{match[0]}\u2060", line)
    return _REFERENCE.sub("\\1\u2060", html.escape(line, quote=False))


def table(header: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table. The cells are Markdown, not escaped here."""
    rules = [":--" if column.words else "--:" for column in header]
    titles = [escape(column.title) for column in header]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (titles, rules, *rows))


def _section(section: Section) -> list[str]:
    parts = [part for block in section.blocks for part in _block(block, section)]
    note = f" ({escape(section.note)})" if section.note else ""
    return [f"## {escape(section.title)}{note}", *parts] if parts else []


def _block(block: Block, section: Section) -> Iterator[str]:
    match block:
        case Table():
            yield from _table(block, section)
        case Figures():
            columns = [Column(each.name) for each in block.figures]
            rows = [[escape(each.value) for each in block.figures]]
            if any(each.under for each in block.figures):
                rows.append([escape(each.under) for each in block.figures])
            yield table(columns, rows)
        case Lines() if block.lines:
            if block.bullets:
                yield "\n".join(f"- {escape(line)}" for line in block.lines)
            else:
                yield from (escape(sentence(line)) for line in block.lines)
        case Items() if block.items:
            lines = (
                (f"- {escape(item.text)}", *(f"  - {escape(line)}" for line in item.details)) for item in block.items
            )
            yield "\n".join(line for several in lines for line in several)
        case Quotes() if block.quotes:
            yield "\n".join(
                f"- **{escape(quote.kind)}** {escape(quote.occasion)}: {escape(quote.text[:QUOTED_CHARS])}"
                for quote in block.quotes
            )
        case _:  # charts and sources are for pages only
            return


def _table(block: Table, section: Section) -> Iterator[str]:
    if not block.rows:
        return
    if block.short:
        yield escape(short_line(block, section))
        return
    if block.caption != section.title:
        yield f"**{escape(block.caption)}**"
    rows = [[_cell(cell(each)) for each in row] for row in block.rows]
    yield table(block.columns, rows)
    if unknown := unknown_words(block.columns, block.rows):
        yield escape(unknown)


def _cell(content: Cell) -> str:
    text = ICONS[content.tone] + f" {escape(content.text)}" if content.sign else escape(content.text)
    if content.under:
        under = escape(content.under)
        text += f" ([{under}](<{content.link}>))" if followable(content.link) else f" ({under})"
    return f"{text} ({escape(content.note)})" if content.note else text

"""The report model: a report is a list of sections of blocks, built once and drawn by three renderers.

A block holds what is shown; `terminal`, `markdown` and `html_page` decide how. All texts are plain text: each renderer
escapes them for its format.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Tone = Literal["", "good", "bad", "warn", "dim"]
"""The meaning of a colour: as expected, a finding, a doubt, less important."""


class Bar(NamedTuple):
    """A value and its limit on a scale from 0 to `top`. Only a page draws it, beside the text of its cell."""

    value: float
    limit: float
    top: float


class Cell(NamedTuple):
    """One cell of a table."""

    text: str
    tone: Tone = ""
    note: str = ""
    """A remark after the text."""
    under: str = ""
    """A text below a figure, such as its interval."""
    sign: bool = False
    """The text is the outcome of its row; a terminal shows a sign such as ✓ in place of it."""
    code: bool = False
    """The text is something that a user typed, such as an objective."""
    bar: Bar | None = None
    link: str = ""
    """The address of a page about the text that is `under` this one."""


class Column(NamedTuple):
    """One column of a table. Figures are aligned to the right, words to the left."""

    title: str
    words: bool = False
    long: bool = False
    """Words that may be broken into several lines."""
    spare: bool = False
    """Left out in a narrow terminal."""


Row = Sequence[Cell | str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a caption. The first column that is not a sign names its row."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    short: str = ""
    """A sentence in place of the rows, for formats that cannot fold a table."""
    top: int | None = None
    """Number of rows that a terminal shows; None: all."""


class Figure(NamedTuple):
    """One important figure: its name, its value, a text below it, and its meaning."""

    name: str
    value: str
    under: str = ""
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Single figures side by side."""

    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Lines:
    """Sentences, highlighted when they have a tone."""

    lines: Sequence[str]
    tone: Tone = ""
    bullets: bool = True


class Item(NamedTuple):
    """One finding, with details in further lines."""

    text: str
    details: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Items:
    """A list of findings."""

    items: Sequence[Item]
    tone: Tone = "bad"


class Quote(NamedTuple):
    """A text from the endpoint: its kind, the event, and the text, which may have several lines."""

    kind: str
    occasion: str
    text: str


@dataclass(frozen=True, slots=True)
class Quotes:
    """Texts from the endpoint. A terminal and Markdown shorten them."""

    caption: str
    quotes: Sequence[Quote]


@dataclass(frozen=True, slots=True)
class Source:
    """A text for programs, such as a scenario, unchanged. Only a page shows it."""

    caption: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, a description of it in words, and every point as a table. Only a page shows it."""

    name: str
    figure: dict[str, Any]
    """Plotly's data and layout."""
    words: str
    points: Table


Block = Table | Figures | Lines | Items | Quotes | Source | Chart


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a title. `anchor`: its fragment in the page's URL."""

    anchor: str
    title: str
    blocks: Sequence[Block]
    note: str = ""
    detail: bool = False
    """A section that a terminal shows only on request, such as the environment."""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report of one result."""

    outcome: str
    """The verdict in a word."""
    tone: Tone
    name: str
    headline: str
    """The reason for the verdict in a few words."""
    about: Sequence[str]
    """Lines that identify the measurement."""
    sections: Sequence[Section]
    key: Sequence[Figure] = ()
    """The most important figures, shown first."""
    footer: str = ""


def words(*titles: str) -> tuple[Column, ...]:
    """Columns of words."""
    return tuple(Column(title, words=True) for title in titles)


def sections(*found: Section | None) -> list[Section]:
    """The sections that are not empty."""
    return [section for section in found if section is not None and any(map(_has_content, section.blocks))]


def tables(report: Report) -> Iterable[Table]:
    """Every table of a report, except the points of its charts."""
    return (block for section in report.sections for block in section.blocks if isinstance(block, Table))


def cell(content: Cell | str) -> Cell:
    """A plain text as a cell; a cell is returned unchanged."""
    return content if isinstance(content, Cell) else Cell(content)


def followable(link: str) -> bool:
    """Whether an address may become a link: http or https, without any character that could end it in a format."""
    return link.startswith(("http://", "https://")) and link.isprintable() and not set(link) & set(' "<>`\\|')


def sentence(text: str) -> str:
    """The words as a sentence: capital letter, full stop. An empty text stays empty."""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else ""


def short_line(table: Table, section: Section) -> str:
    """What stands in place of a table's rows, with its caption where the section's title does not say it already."""
    return table.short if table.caption == section.title else f"{table.caption}: {table.short}"


def _has_content(block: Block) -> bool:
    match block:
        case Table():
            return bool(block.rows)
        case Lines():
            return bool(block.lines)
        case Items():
            return bool(block.items)
        case Quotes():
            return bool(block.quotes)
        case Figures():
            return bool(block.figures)
        case _:
            return True

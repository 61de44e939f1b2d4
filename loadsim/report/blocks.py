"""What a report is: sections of blocks, built once for a kind of result and drawn by three renderers.

A block says what there is to show, never how: `terminal`, `markdown` and `page` decide that, each in one place. All
texts are plain text; a renderer escapes them for its own form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Tone = Literal["", "good", "bad", "warn", "dim"]
"""What a text says beside its words: as it should be, a finding, a doubt, of less weight."""


class Cell(NamedTuple):
    """One cell of a table."""

    text: str
    tone: Tone = ""
    note: str = ""
    """A remark behind the text."""
    under: str = ""
    """What belongs below a figure, such as its interval."""
    mark: bool = False
    """The text is the outcome of its row, and a sign may stand for it."""
    code: bool = False
    """The text is what somebody typed."""


class Column(NamedTuple):
    """One column of a table. Figures stand to the right, words to the left."""

    title: str
    words: bool = False
    long: bool = False
    """Words that may be broken into several lines."""
    spare: bool = False
    """Left out where there is little width."""


Row = Sequence[Cell | str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a caption. The first column that is not a mark names its row."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    short: str = ""
    """A sentence that stands for the rows where there is no room to fold them away."""


class Figure(NamedTuple):
    """One figure that people quote: its name, its value, what stands below it, what it counts."""

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
    """Sentences. With a tone they stand out."""

    lines: Sequence[str]
    tone: Tone = ""
    bullets: bool = True


class Item(NamedTuple):
    """One thing that was found, and what there is to know about it, in further lines."""

    text: str
    details: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Items:
    """Things that were found."""

    items: Sequence[Item]
    tone: Tone = "bad"


class Quote(NamedTuple):
    """What somebody else said: of which kind, on which occasion, and the text, which may have several lines."""

    kind: str
    occasion: str
    text: str


@dataclass(frozen=True, slots=True)
class Quotes:
    """Foreign texts, shortened where there is little room."""

    caption: str
    quotes: Sequence[Quote]


@dataclass(frozen=True, slots=True)
class Source:
    """A text for programs, such as a scenario, word for word. Only a page has room for it."""

    caption: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, the words that say the same, and every point as a table. Only a page can draw it."""

    name: str
    figure: dict[str, Any]
    """Data and layout, as plotly has them."""
    words: str
    points: Table


Block = Table | Figures | Lines | Items | Quotes | Source | Chart


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a title. `anchor`: its name in a page's address."""

    anchor: str
    title: str
    blocks: Sequence[Block]
    note: str = ""
    detail: bool = False
    """Where and how it was measured: a terminal shows it when asked."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is said of one result."""

    outcome: str
    """The verdict in a word."""
    tone: Tone
    name: str
    headline: str
    """What the verdict rests on, in a few words."""
    about: Sequence[str]
    """Which measurement this is, in lines."""
    sections: Sequence[Section]
    key: Sequence[Figure] = ()
    """The figures that stand out."""
    footer: str = ""


def words(*titles: str) -> tuple[Column, ...]:
    """Columns of words."""
    return tuple(Column(title, words=True) for title in titles)


def sections(*found: Section | None) -> list[Section]:
    """Those that have something to say."""
    return [section for section in found if section is not None and any(map(_says_something, section.blocks))]


def tables(report: Report) -> Iterable[Table]:
    """Every table of a report, but for the points of its charts."""
    return (block for section in report.sections for block in section.blocks if isinstance(block, Table))


def cell(content: Cell | str) -> Cell:
    """A text as a cell without anything beside it."""
    return content if isinstance(content, Cell) else Cell(content)


def sentence(text: str) -> str:
    """Words as a sentence of their own; empty stays empty."""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else ""


def _says_something(block: Block) -> bool:
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

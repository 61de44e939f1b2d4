"""Renders a report as one self-contained HTML page that opens offline and makes no network request.

Without scripts, its tables still hold every number. The chart library is an argument: with None there are no charts.
Library and figures are packed, so that a page can be attached to a mail or kept for each run.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadsim.extras import install
from loadsim.report.blocks import (
    Bar,
    Block,
    Cell,
    Chart,
    Column,
    Figure,
    Figures,
    Items,
    Lines,
    Quotes,
    Report,
    Section,
    Source,
    Table,
    Tone,
    cell,
    followable,
    sentence,
)
from loadsim.report.html_markup import Markup, Text, embedded_json, join, safe, table, tag
from loadsim.report.packed_text import packed, packed_library
from loadsim.report.unknown_figures import unknown_words

_NO_CHARTS = (
    "This page has no charts, since the library that draws them was not installed: ",
    tag("code", install("report")),
    ", then ",
    tag("code", "loadsim report RESULT --format html -o report.html"),
    ". The tables below hold every point.",
)
_LIMIT_WIDTH = 1.2
"""Of the mark at the limit, in hundredths of a bar."""
CLASSES: dict[Tone, str] = {"good": "good", "bad": "bad", "warn": "warn", "dim": "none", "": "none"}


def render(report: Report, library: str | None) -> bytes:
    """The whole page. `library`: the source of plotly.js, or None for a page without charts."""
    library = library if next(charts_of(report), None) else None  # a page without charts needs no library
    drawn = library is not None
    body = [
        tag("a", "Skip to the report", class_="skip", href=f"#{report.sections[0].anchor}" if report.sections else "#"),
        inside(report, drawn=drawn),
        tag("footer", report.footer),
    ]
    scripts: list[str] = []
    if library is not None:
        drawing = _own("page.js")
        body += [
            _packed("figures", packed(_figures(report))),
            _packed("library", packed_library(library)),
            tag("script", drawing),
        ]
        scripts = [library, drawing]
    head = join(
        [
            Markup('<meta charset="utf-8">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy(scripts)}">'),
            Markup('<meta name="color-scheme" content="light dark">'),
            tag("title", f"{report.outcome} {report.name} – loadsim"),
            tag("style", _own("page.css")),
        ],
        "\n",
    )
    page = tag("html", tag("head", head), "\n", tag("body", join(body, "\n")), lang="en")
    return f"<!doctype html>\n{page}\n".encode()


def policy(scripts: Sequence[str]) -> str:
    """The page's Content-Security-Policy: it loads nothing, and runs these scripts alone, whatever else it contains.

    `page.js` runs the unpacked library as an inline script, which its hash allows as well.
    """
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes) or "'none'"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def inside(report: Report, *, drawn: bool) -> Markup:
    """Header, links and sections, for the body of any page. `drawn`: with elements for the charts."""
    links = (tag("a", section.title, href=f"#{section.anchor}") for section in report.sections)
    sections = [_section(section, drawn=drawn) for section in report.sections]
    if not drawn:
        first = (i for i, section in enumerate(report.sections) if any(isinstance(b, Chart) for b in section.blocks))
        for place in itertools.islice(first, 1):
            sections.insert(place, tag("p", *_NO_CHARTS, class_="note hint"))
    main = tag("main", *sections)
    return join([_header(report), tag("nav", *links, aria_label="Sections"), main], "\n")


def data(report: Report) -> Markup:
    """The data of every chart in the element where `page.js` reads it."""
    return tag("script", _figures(report), type="application/json", id="figures")


def _figures(report: Report) -> Markup:
    return embedded_json({chart.name: chart.figure for chart in charts_of(report)})


def _packed(name: str, text: str) -> Markup:
    return tag("script", Markup(text), type="text/plain", id=name)


def charts_of(report: Report) -> Iterator[Chart]:
    """Every chart, in the page's order."""
    return (block for section in report.sections for block in section.blocks if isinstance(block, Chart))


def chart(block: Chart, *, drawn: bool) -> Markup:
    """A chart with its description and its points. `drawn`: with an element to draw it in."""
    name = block.name
    details = tag("details", tag("summary", "The same as a table"), _table(block.points), open="")
    place = tag("div", "", class_="chart", id=f"chart-{name}", role="img", aria_labelledby=f"words-{name}")
    caption = tag("figcaption", block.words, id=f"words-{name}")
    return join([tag("figure", *([place] if drawn else []), caption), details])


def _own(name: str) -> Markup:
    return Markup(Path(__file__).with_name(name).read_text("utf-8"))


def _header(report: Report) -> Markup:
    return tag(
        "header",
        tag("p", report.outcome, class_="outcome"),
        tag("h1", report.name),
        tag("p", report.headline, class_="headline"),
        *(tag("p", line, class_="words") for line in report.about),
        *([_cards(report.key)] if report.key else []),
        class_=f"verdict {CLASSES[report.tone]}",
    )


def _section(section: Section, *, drawn: bool) -> Markup:
    name = section.anchor
    note = [tag("p", sentence(section.note))] if section.note else []
    blocks = [_block(block, drawn=drawn) for block in section.blocks]
    title = tag("h2", section.title, id=f"title-{name}")
    return tag("section", title, *note, *blocks, id=name, aria_labelledby=f"title-{name}")


def _block(block: Block, *, drawn: bool) -> Markup:
    match block:
        case Table():
            shown = _table(block)
            return tag("details", tag("summary", f"{block.caption}: {block.short}"), shown) if block.short else shown
        case Figures():
            return _cards(block.figures)
        case Lines():
            return _lines(block)
        case Items():
            items = (
                tag("li", item.text, *(tag("div", tag("small", line)) for line in item.details)) for item in block.items
            )
            return _boxed(tag("ul", *items), block.tone)
        case Quotes():
            rows = [(quote.kind, quote.occasion, tag("pre", quote.text)) for quote in block.quotes]
            return table(block.caption, ("Answer", "Event", "Said"), rows, words=(0, 1, 2))
        case Source():
            return tag("details", tag("summary", block.caption), tag("pre", block.text))
        case Chart():
            return chart(block, drawn=drawn)


def _lines(block: Lines) -> Markup:
    if not block.lines:
        return Markup("")
    if block.bullets:
        shown = tag("ul", *(tag("li", line) for line in block.lines))
    else:
        shown = join([tag("p", sentence(line), class_="after") for line in block.lines])
    return _boxed(shown, block.tone)


def _boxed(shown: Markup, tone: Tone) -> Markup:
    return tag("div", shown, class_=f"note {tone}") if tone in ("bad", "warn") else shown


def _cards(figures: Sequence[Figure]) -> Markup:
    cards = []
    for each in figures:
        under = [tag("small", each.under)] if each.under else []
        cards.append(
            tag("div", tag("dt", each.name), tag("dd", join([each.value, *under], " ")), title=each.meaning or None)
        )
    return tag("dl", *cards, class_="cards")


def _table(block: Table) -> Markup:
    columns = block.columns
    words = [number for number, column in enumerate(columns) if column.words]
    rows = [[_cell(cell(content), columns[i]) for i, content in enumerate(row)] for row in block.rows]
    shown = table(block.caption, [column.title for column in columns], rows, words=words)
    unknown = unknown_words(columns, block.rows)
    return join([shown, tag("p", f"{unknown}.", class_="after")]) if unknown else shown


def _cell(content: Cell, column: Column) -> Markup:
    text: Markup
    if content.tone in ("good", "bad", "warn") and (content.sign or column.words or content.text):
        text = tag("span", content.text, class_=f"chip {content.tone}") if content.text else Markup("")
    elif content.code:
        text = tag("code", content.text)
    else:
        text = _breakable(content.text) if column.words and not column.long else safe(content.text)
    if content.bar is not None:
        text = tag("span", _bar(content.bar, content.tone), tag("span", text), class_="with-bar")
    under: Text = content.under
    if under and followable(content.link):
        under = tag("a", under, href=content.link, rel="noreferrer")
    beside = [tag("small", part) for part in (content.note, under) if part]
    return join([text, *beside], " ")


def _bar(bar: Bar, tone: Tone) -> Markup:
    """A picture of elements that print as well; what it shows is said beside it."""
    value, limit = (f"{min(100 * part / bar.top, 100):.2f}" for part in (bar.value, bar.limit))
    return tag(
        "svg",
        tag("rect", class_="scale", width="100", y="2", height="6"),
        tag("rect", class_="value", width=value, y="2", height="6"),
        tag("rect", class_="limit", x=f"{float(limit) - _LIMIT_WIDTH / 2:.2f}", width=f"{_LIMIT_WIDTH}", height="10"),
        class_=f"limit-bar {'bad' if tone == 'bad' else 'good'}",
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _breakable(name: str) -> Markup:
    """A name that may be broken after its dots and underscores."""
    return Markup(re.sub(r"(?<=[._])(?=\w)", "<wbr>", safe(name)))

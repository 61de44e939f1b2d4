"""Builds HTML from small safe pieces: every argument is escaped, unless it was made here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

import orjson

from loadsim.foreign_text import harmless
from loadsim.report.numbers import printable


class Markup(str):
    """HTML that is already safe."""

    __slots__ = ()

    def __html__(self) -> str:
        """The method by which template engines recognise safe HTML."""
        return str(self)


Text = str | Markup


def safe(text: Text) -> Markup:
    """The text with markup escaped and control characters shown; Markup is returned unchanged."""
    return text if isinstance(text, Markup) else Markup(html.escape(printable(text, lines=True)))


def tag(name: str, *inside: Text, **attributes: str | None) -> Markup:
    """An element; an attribute `class_` is written `class`, `_` as `-`, and None leaves it out."""
    given = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    written = "".join(f' {key}="{safe(value)}"' for key, value in given)
    return Markup(f"<{name}{written}>{''.join(map(safe, inside))}</{name}>")


def join(parts: Iterable[Text], between: str = "") -> Markup:
    """The pieces, joined by a separator."""
    return Markup(between.join(safe(part) for part in parts))


def table(
    caption: str, header: Sequence[Text], rows: Iterable[Sequence[Text]], *, words: Iterable[int] = (0,)
) -> Markup:
    """A table in a box that scrolls by itself. `words`: the columns that are text; the others are figures.

    The first column heads its row.
    """
    texts = set(words)
    cells = [tag("th", name, scope="col", class_=_kind(i, texts)) for i, name in enumerate(header)]
    lines = [tag("tr", *(_cell(i, cell, texts) for i, cell in enumerate(row))) for row in rows]
    inside = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *cells)),
        tag("tbody", join(lines, "\n")),
    )
    return tag("div", inside, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _cell(column: int, cell: Text, texts: set[int]) -> Markup:
    if column == 0:
        return tag("th", cell, scope="row", class_=_kind(0, texts))
    return tag("td", cell, class_=_kind(column, texts))


def _kind(column: int, texts: set[int]) -> str | None:
    return None if column in texts else "n"


def embedded_json(value: object) -> Markup:
    """JSON for a script element: no text in it can end the element or begin another, or is a CI runner's command."""
    text = harmless(orjson.dumps(value)).decode()
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))

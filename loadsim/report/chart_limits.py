"""Draws limits in charts: a line, its label in the margin, and bands and crosses where windows missed it.

Returns traces, shapes and annotations in Plotly's schema, with colours as CSS variables. On a narrow screen `page.js`
shows the labels in the legend: it finds them by the name LIMIT.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from loadsim.report import numbers
from loadsim.report.window_limits import WindowLimit

LIMIT = "limit"
_LINE_PX = 15
_BETWEEN_PX = 4
_PLOT_PX = 210
"""About the least height of a plot itself."""
_CHARACTER_PX = 6.6
_WIDEST = 24
_MOST_LINES = 3


def limit_colour(passed: bool | None) -> str:
    """The colour of a limit and its label: whether it was met, or that nobody knows."""
    return "var(--bad)" if passed is False else "var(--good)" if passed else "var(--muted)"


class LimitLabel(NamedTuple):
    """The label of a limit at so many ms."""

    text: str
    ms: float
    colour: str


def margin_labels(labels: Sequence[LimitLabel], axis_range: Sequence[float]) -> dict[str, Any]:
    """Layout with the labels in the margin on the right, each at its limit on the logarithmic axis; those that would
    overlap are moved apart."""
    if not labels:
        return {}
    low, high = axis_range
    ordered = sorted(labels, key=lambda label: label.ms)
    lines = [_lines(label.text) for label in ordered]
    heights = [len(each) * _LINE_PX + _BETWEEN_PX for each in lines]
    wanted = [(math.log10(label.ms) - low) / (high - low) * _PLOT_PX for label in ordered]
    placed = _apart(wanted, heights)
    annotations = [
        {
            "name": LIMIT,
            "x": 1,
            "xref": "paper",
            "xanchor": "left",
            "xshift": 6,
            "y": math.log10(label.ms),
            "yref": "y",
            "yanchor": "middle",
            "yshift": round(at - want, 1),
            "align": "left",
            "text": "<br>".join(map(plain, each)),
            "showarrow": False,
            "font": {"size": 12, "color": label.colour},
        }
        for label, each, want, at in zip(ordered, lines, wanted, placed, strict=True)
    ]
    widest = max(len(line) for each in lines for line in each)
    return {"annotations": annotations, "margin": {"l": 60, "r": round(widest * _CHARACTER_PX) + 14, "t": 16, "b": 48}}


def _lines(text: str) -> list[str]:
    """The text in lines that fit into the margin; what is too long for them ends in an ellipsis."""
    return textwrap.wrap(text, _WIDEST, max_lines=_MOST_LINES, placeholder=" …") or [text[:_WIDEST]]


def _apart(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Middles of labels of such heights, ascending, as near to where they are wanted as they can be one above another:
    the lower ones stay, and all of them move down where the uppermost would leave the plot."""
    placed = list(wanted)
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + (heights[i - 1] + heights[i]) / 2)
    placed[-1] = min(placed[-1], max(_PLOT_PX, wanted[-1]))
    for i in reversed(range(len(placed) - 1)):
        placed[i] = min(placed[i], placed[i + 1] - (heights[i] + heights[i + 1]) / 2)
    return placed


def limit_traces(limits: Sequence[WindowLimit]) -> Iterator[dict[str, Any]]:
    """The line of each limit, and the figure of each window that missed it."""
    for limit in limits:
        colour = limit_colour(limit.passed)
        text = plain(limit.text)
        ends: list[float | None] = []
        for start, end in limit.spans:
            ends += [start, end, None]
        yield {
            "type": "scatter",
            "mode": "lines",
            "meta": LIMIT,
            "x": ends,
            "y": [None if end is None else limit.ms for end in ends],
            "line": {"color": colour, "width": 1.5, "dash": "dash"},
            "name": text,
            "hoverinfo": "skip",
            "showlegend": False,
        }
        if limit.missed:
            yield _missed(limit, text)


def _missed(limit: WindowLimit, text: str) -> dict[str, Any]:
    """For each missed window, a bar over its width at its figure, with a cross in the middle."""
    x: list[float | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for t, value in limit.missed:
        x += [t, t + limit.width_s / 2, t + limit.width_s, None]
        y += [value, value, value, None]
        where = f"{t:g} to {t + limit.width_s:g} s: {numbers.milliseconds(value)}, missed {text}"
        texts += ["", where, "", ""]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "name": f"missed {text}",
        "showlegend": False,
        "line": {"color": "var(--bad)", "width": 2},
        "marker": {
            "color": "var(--bad)",
            "size": [8 if at % 4 == 1 else 0 for at in range(len(x))],
            "symbol": "x-thin",
            "line": {"color": "var(--bad)", "width": 2},
        },
    }


def limit_bands(limits: Sequence[WindowLimit]) -> list[dict[str, Any]]:
    """A tinted band, over the whole height, wherever windows missed a limit."""
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": start,
            "x1": end,
            "y0": 0,
            "y1": 1,
            "fillcolor": "var(--bad)",
            "opacity": 0.1,
            "line": {"width": 0},
            "layer": "below",
        }
        for limit in limits
        for start, end in limit.missed_spans
    ]


def plain(text: str) -> str:
    """Text escaped for Plotly, which reads tags in texts."""
    return numbers.printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""Draws the limits of `window_limits` in the chart of latency over time: a line, and bands and crosses where missed.

Returns traces and shapes in Plotly's schema, with colours as CSS variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from loadsim.report import numbers
from loadsim.report.window_limits import WindowLimit


def limit_traces(limits: Sequence[WindowLimit]) -> Iterator[dict[str, Any]]:
    """The line of each limit with its text, and the figure of each window that missed it."""
    for limit in limits:
        colour = "var(--bad)" if limit.passed is False else "var(--good)" if limit.passed else "var(--muted)"
        text = plain(limit.text)
        ends: list[float | None] = []
        for start, end in limit.spans:
            ends += [start, end, None]
        yield {
            "type": "scatter",
            "mode": "lines+text",
            "x": ends,
            "y": [None if end is None else limit.ms for end in ends],
            "line": {"color": colour, "width": 1.5, "dash": "dash"},
            "name": text,
            "text": [text],
            "textposition": "top right",
            "textfont": {"color": colour, "size": 12},
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

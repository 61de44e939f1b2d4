"""What all charts of the page have in common: the layout of a Plotly figure, its axes, the marks of the phases.

Colours are names of CSS variables, which the page's script replaces, so that light, dark and print have their own.
Figures are plain data in Plotly's documented schema: the library is needed to show them, not to make them.
"""

from __future__ import annotations

import math
from typing import Any

from loadsim.report import numbers
from loadsim.report.chart_limits import plain

Figure = dict[str, Any]


def plotly_figure(traces: list[dict[str, Any]], *, xaxis: Figure, yaxis: Figure, **layout: Any) -> Figure:
    """A figure of these traces and axes; `layout` has what is the chart's own."""
    line = {"gridcolor": "var(--grid)", "linecolor": "var(--line)", "zeroline": False, "automargin": True}
    quiet = {"font": {"size": 12, "color": "var(--muted)"}, "standoff": 8}
    for axis in (xaxis, yaxis):
        axis["title"] = axis["title"] | quiet
    return {
        "data": traces,
        "layout": {
            "xaxis": line | xaxis,
            "yaxis": line | yaxis,
            "hovermode": "x unified",
            "paper_bgcolor": "var(--card)",
            "plot_bgcolor": "var(--card)",
            "font": {"color": "var(--ink)", "family": "system-ui, sans-serif", "size": 13},
            "hoverlabel": {"bgcolor": "var(--card)", "bordercolor": "var(--line)", "font": {"color": "var(--ink)"}},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "margin": {"l": 60, "r": 16, "t": 16, "b": 48},
            **layout,
        },
    }


def latency_axis(values: list[float]) -> Figure:
    """Logarithmic, at 1, 2 and 5 of each decade (1 only over many decades), each tick in the unit that suits it."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive), max(positive)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    ticks = [10.0**power * step for power in range(first, last + 1) for step in steps]
    pad = max((math.log10(high) - math.log10(low)) * 0.06, 0.04)
    return {
        "type": "log",
        "tickvals": ticks,
        "ticktext": [_short(tick) for tick in ticks],
        "range": [math.log10(low) - pad, math.log10(high) + pad],
        "title": {"text": ""},
    }


def _short(ms: float) -> str:
    scale, unit = numbers.time_unit(ms)
    return f"{ms * scale:g} {unit}"


def time_axis(t_s: list[float], width_s: float) -> Figure:
    """The same stretch of time under every chart."""
    return {"title": {"text": "seconds since the start"}, "range": [t_s[0], t_s[-1] + width_s], "hoverformat": ".4~g"}


def middles(t_s: list[float], width_s: float) -> list[float]:
    """The middle of each slice of time."""
    return [round(t + width_s / 2, 6) for t in t_s]


def phase_marks(phases: list[tuple[str, float]]) -> Figure:
    """A thin line and the name at every phase's start; nothing where there is but one."""
    if len(phases) < 2:
        return {}
    shapes = [
        {
            "type": "line",
            "xref": "x",
            "yref": "paper",
            "x0": start,
            "x1": start,
            "y0": 0,
            "y1": 1,
            "line": {"color": "var(--line)", "width": 1, "dash": "dot"},
        }
        for _, start in phases
    ]
    names = [
        {
            "x": start,
            "y": 1,
            "xref": "x",
            "yref": "paper",
            "xanchor": "left",
            "yanchor": "top",
            "text": plain(name[:24]),
            "showarrow": False,
            "font": {"size": 11, "color": "var(--muted)"},
        }
        for name, start in phases
    ]
    return {"shapes": shapes, "annotations": names}

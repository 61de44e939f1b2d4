"""What all charts of the page have in common: the layout of a Plotly figure, its axes, the marks of the phases.

Colours are names of CSS variables, which the page's script replaces, so that light, dark and print have their own.
Figures are plain data in Plotly's documented schema: the library is needed to show them, not to make them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from loadsim.report import numbers
from loadsim.report.chart_limits import plain

Figure = dict[str, Any]
_TENTHS = tuple(f"{tenths / 10:g}" for tenths in range(10, 100, 2))
_DIGITS = (("1",), ("1", "2", "5"), ("1", "1.5", "2", "3", "5", "7"), ("1", "1.5", *"23456789"), _TENTHS)
"""The first digits of ticks on a logarithmic axis; the more there are, the shorter the axis."""
_MOST_DECADES = 3.5
_FEWEST_TICKS = 3
_LEAST_SPAN = 0.2
"""The least length of a logarithmic axis, in decades."""


LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}


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
            "legend": LEGEND,
            "margin": {"l": 60, "r": 16, "t": 16, "b": 48},
            **layout,
        },
    }


def latency_axis(values: list[float]) -> Figure:
    """Logarithmic, in ms; each tick in the unit that suits it."""
    return log_axis(values, _short)


def log_axis(values: Sequence[float], label: Callable[[float], str]) -> Figure:
    """A logarithmic axis with room for the values, and ticks at round numbers."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    pad = max((high - low) * 0.06, (_LEAST_SPAN - (high - low)) / 2, 0.04)
    low, high = low - pad, high + pad
    ticks = _round_numbers(low, high)
    return {
        "type": "log",
        "tickvals": ticks,
        "ticktext": [label(tick) for tick in ticks],
        "range": [low, high],
        "title": {"text": ""},
    }


def _round_numbers(low: float, high: float) -> list[float]:
    """Round numbers between two powers of ten: as many as can be read."""
    ticks: list[float] = []
    for digits in _DIGITS[0 if high - low > _MOST_DECADES else 1 :]:
        powers = range(math.floor(low), math.ceil(high) + 1)
        every = (float(f"{digit}e{power}") for power in powers for digit in digits)
        ticks = [tick for tick in every if low <= math.log10(tick) <= high]
        if len(ticks) >= _FEWEST_TICKS:
            break
    return ticks


def _short(ms: float) -> str:
    scale, unit = numbers.time_unit(ms)
    return f"{ms * scale:g} {unit}"


def count_axis(title: str) -> Figure:
    """Linear from 0, with whole numbers in full."""
    return {"rangemode": "tozero", "title": {"text": title}, "tickformat": ",~f"}


def time_axis(edges_s: Sequence[float]) -> Figure:
    """The same stretch of time under every chart: from the first edge to the last."""
    ends = [edges_s[0], edges_s[-1]]
    return {"title": {"text": "seconds since the start"}, "range": ends, "hoverformat": ".4~g", "tickformat": ",~f"}


def phase_marks(phases: list[tuple[str, float]]) -> Figure:
    """A thin line and, above the plot, the name at every phase's start; nothing where there is but one."""
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
            "yanchor": "bottom",
            "text": plain(name[:24]),
            "showarrow": False,
            "font": {"size": 11, "color": "var(--muted)"},
        }
        for name, start in phases
    ]
    return {"shapes": shapes, "annotations": names, "legend": LEGEND | {"y": 1.08}}

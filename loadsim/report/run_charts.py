"""The charts of several runs or subjects: a trend over runs, latency by rate, and bars."""

from __future__ import annotations

from typing import Any

from loadsim.report import numbers
from loadsim.report.chart_layout import Figure, latency_axis, plotly_figure
from loadsim.report.chart_limits import plain

_NAMED = ("p50", "p90", "p99")
"""Percentiles that have a colour of their own."""


def trend_figure(
    lines: dict[str, list[float | None]], labels: list[str], texts: list[str], outcomes: list[str]
) -> Figure:
    """Percentiles from run to run, oldest first; the points have the colours of the verdicts."""
    x = list(range(1, len(labels) + 1))
    kinds = {"pass": "var(--good)", "fail": "var(--bad)", "invalid": "var(--warn)"}
    colours = [kinds.get(outcome, "var(--muted)") for outcome in outcomes]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": x,
            "y": values,
            "text": [
                f"{plain(text)}<br>{name} {numbers.milliseconds(ms)}" for text, ms in zip(texts, values, strict=True)
            ],
            "hovertemplate": "%{text}<extra></extra>",
            "name": name,
            "line": {"color": f"var(--{name})", "width": 2},
            "marker": {"color": colours, "size": 9, "line": {"color": "var(--card)", "width": 1.5}},
            "connectgaps": False,
        }
        for name, values in lines.items()
    ]
    step = max(1, -(-len(x) // 8))
    shown = x[::step]
    axis = {
        "title": {"text": "runs, oldest first"},
        "tickvals": shown,
        "ticktext": [plain(labels[at - 1]) for at in shown],
        "range": [0.5, len(x) + 0.5],
    }
    seen = [ms for values in lines.values() for ms in values if ms is not None]
    return plotly_figure(traces, xaxis=axis, yaxis=latency_axis(seen), hovermode="closest")


def rate_latency_figure(rates: list[float], lines: dict[str, list[float | None]]) -> Figure:
    """Latency in ms by rate, one line for each percentile; both axes logarithmic."""
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": rates,
            "y": values,
            "name": name,
            "line": {"color": f"var(--{name if name in _NAMED else 'p90'})"},
            "hovertemplate": f"{name} %{{y:.3g}} ms<extra></extra>",
        }
        for name, values in lines.items()
    ]
    known = [value for values in lines.values() for value in values if value is not None]
    xaxis: Figure = {"type": "log", "title": {"text": "events per second"}}
    return plotly_figure(traces, xaxis=xaxis, yaxis=latency_axis(known))


def bars_figure(names: list[str], values: list[float], title: str) -> Figure:
    """One bar a name, from the top."""
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": values,
        "y": names,
        "marker": {"color": "var(--accent)"},
        "hovertemplate": "%{y}: %{x:.3g}<extra></extra>",
        "showlegend": False,
    }
    yaxis: Figure = {"title": {"text": ""}, "autorange": "reversed", "type": "category"}
    return plotly_figure([trace], xaxis={"title": {"text": title}}, yaxis=yaxis, hovermode="closest")

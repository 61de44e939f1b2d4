"""The charts of several runs or subjects: a trend over runs, latency by rate, and bars."""

from __future__ import annotations

from typing import Any

from loadsim.report import facts, numbers
from loadsim.report.chart_layout import Figure, count_axis, latency_axis, log_axis, plotly_figure
from loadsim.report.chart_limits import plain

_NAMED = ("p50", "p90", "p99")
"""Percentiles that have a colour of their own."""
_DASHES = {"p50": "solid", "p99": "dash", "max": "dot"}
"""The line style of each figure of a trend."""
_VERDICT_MARKS = {
    "pass": ("circle", "var(--good)"),
    "fail": ("x", "var(--bad)"),
    "invalid": ("diamond-open", "var(--warn)"),
}
"""The symbol and colour of a verdict."""
_NO_VERDICT = ("circle-open", "var(--muted)")


def trend_figure(
    lines: dict[str, list[float | None]], labels: list[str], texts: list[str], outcomes: list[str]
) -> Figure:
    """Figures from run to run, oldest first: each with a line style of its own, each verdict with a symbol."""
    x = list(range(1, len(labels) + 1))
    marks = [_VERDICT_MARKS.get(outcome, _NO_VERDICT) for outcome in outcomes]
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
            "line": {"color": f"var(--{name})", "width": 2, "dash": _DASHES[name]},
            "marker": {
                "symbol": [symbol for symbol, _ in marks],
                "color": [colour for _, colour in marks],
                "size": 10,
            },
            "connectgaps": False,
            "showlegend": False,
        }
        for name, values in lines.items()
    ]
    traces += [_legend(name, mode="lines", line=trace["line"]) for name, trace in zip(lines, traces, strict=True)]
    for outcome in dict.fromkeys(outcomes):
        symbol, colour = _VERDICT_MARKS.get(outcome, _NO_VERDICT)
        marker = {"symbol": symbol, "color": colour, "size": 10}
        traces.append(_legend(facts.VERDICTS[outcome], mode="markers", marker=marker))
    step = max(1, -(-len(x) // 8))
    shown = x[::step]
    axis = {
        "title": {"text": "runs, oldest first"},
        "tickvals": shown,
        "ticktext": [plain(labels[at - 1]) for at in shown],
        "range": [0.5, len(x) + 0.5],
    }
    seen = [ms for values in lines.values() for ms in values if ms is not None]
    figure = plotly_figure(traces, xaxis=axis, yaxis=latency_axis(seen), hovermode="closest")
    figure["layout"]["legend"] |= {"itemclick": False, "itemdoubleclick": False}  # its entries are not the lines drawn
    return figure


def _legend(name: str, **style: Any) -> dict[str, Any]:
    """An entry of the legend alone: of a line or of a symbol, where the lines drawn have both."""
    return {"type": "scatter", "x": [None], "y": [None], "name": name, "hoverinfo": "skip", **style}


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
    xaxis = log_axis(rates, lambda rate: f"{rate:,g}") | {"title": {"text": "events per second"}}
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
    return plotly_figure([trace], xaxis=count_axis(title), yaxis=yaxis, hovermode="closest")

"""The charts of a whole run's latencies: by percentile, as a histogram, and the ratio of two runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

from loadsim.report import numbers
from loadsim.report.chart_layout import Figure, count_axis, latency_axis, plotly_figure
from loadsim.report.chart_limits import LIMIT, LimitLabel, limit_colour, margin_labels, plain
from loadsim.report.chart_numbers import LatencyBins, Limit, PercentileCurve

NINES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)


def percentile_figure(curves: list[PercentileCurve], limits: list[Limit], labels: dict[str, str]) -> Figure:
    """Latency by percentile, nines evenly spaced (HdrHistogram's plot), both axes logarithmic."""
    traces: list[dict[str, Any]] = []
    for curve in curves:
        traces += _percentile_traces(curve, labels[curve.metric])
    reach = max((curve.q[-1] for curve in curves), default=0.9)
    ticks = [q for q in NINES if _rarity(q) <= _rarity(reach) * 1.2]
    lines = [_limit_trace(limit, reach) for limit in limits]
    yaxis = latency_axis([value for curve in curves for value in curve.ms] + [limit.ms for limit in limits])
    labels_of = [LimitLabel(limit.text, limit.ms, limit_colour(limit.passed)) for limit in limits]
    return plotly_figure(
        traces + lines,
        xaxis={
            "type": "log",
            "tickvals": [_rarity(q) for q in ticks],
            "ticktext": [_percent(q) for q in ticks],
            "title": {"text": "percentile"},
            "tickangle": 0,
        },
        yaxis=yaxis,
        hovermode="closest",
        **margin_labels(labels_of, yaxis["range"]),
    )


def _percentile_traces(curve: PercentileCurve, label: str) -> Iterator[dict[str, Any]]:
    colour = f"var(--{curve.metric})"
    x = [_rarity(q) for q in curve.q]
    if any(curve.band):
        yield {
            **_outline(x, curve.band),
            "type": "scatter",
            "fill": "toself",
            "fillcolor": f"var(--{curve.metric}-band)",
            "line": {"width": 0},
            "hoverinfo": "skip",
            "name": f"{label}: 95 % interval",
            "showlegend": False,
            "legendgroup": curve.metric,
        }
    firm = max(curve.firm, 1)
    hover = "%{text}<extra></extra>"
    common = {"type": "scatter", "mode": "lines", "legendgroup": curve.metric, "hovertemplate": hover}
    texts = [f"{label} p{100 * q:.6g}: {numbers.milliseconds(ms)}" for q, ms in zip(curve.q, curve.ms, strict=True)]
    yield {
        **common,
        "x": x[:firm],
        "y": curve.ms[:firm],
        "text": texts[:firm],
        "name": label,
        "line": {"color": colour, "width": 2.5},
    }
    if firm < len(x):
        yield {
            **common,
            "x": x[firm - 1 :],
            "y": curve.ms[firm - 1 :],
            "text": [f"{text} (few samples)" for text in texts[firm - 1 :]],
            "name": f"{label}, few samples",
            "showlegend": False,
            "line": {"color": colour, "width": 1.5, "dash": "dot"},
        }


def _outline(x: Sequence[float], band: Sequence[tuple[float, float] | None]) -> dict[str, list[float | None]]:
    """The outline of each stretch of points that have an interval; None separates the stretches."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for known, points in groupby(zip(x, band, strict=False), key=lambda point: point[1] is not None):
        stretch = [(at, ends) for at, ends in points if ends is not None] if known else []
        if not stretch:
            continue
        if xs:
            xs.append(None)
            ys.append(None)
        ends_of = [at for at, _ in stretch]
        xs += ends_of + ends_of[::-1]
        ys += [high for _, (_, high) in stretch] + [low for _, (low, _) in reversed(stretch)]
    return {"x": xs, "y": ys}


def _limit_trace(limit: Limit, reach: float) -> dict[str, Any]:
    """A line from the left to the percentile that the objective names, and a mark there."""
    colour = limit_colour(limit.passed)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "meta": LIMIT,
        "x": [1, _rarity(min(limit.q, max(reach, 0.9)))],
        "y": [limit.ms, limit.ms],
        "line": {"color": colour, "width": 1.5, "dash": "dash"},
        "marker": {"color": colour, "size": [0, 9], "symbol": "x-thin", "line": {"color": colour, "width": 2}},
        "name": plain(limit.text),
        "hovertemplate": "%{fullData.name}<extra></extra>",
        "showlegend": False,
    }


def histogram_figure(bins: LatencyBins, label: str) -> Figure:
    """How many events by latency on a logarithmic axis: all of them, and those answered 2xx."""
    shown = [(label, "response", bins.counts)]
    if bins.ok is not None and bins.ok != bins.counts:
        shown.append((f"{label}, 2xx answers", "ok", bins.ok))
    spans = [f"{numbers.milliseconds(low)} to {numbers.milliseconds(high)}" for low, high in pairwise(bins.edges_ms)]
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": bins.edges_ms,
            "y": [*counts, 0],
            "text": [*(f"{n:,} events, {span}" for n, span in zip(counts, spans, strict=True)), ""],
            "hovertemplate": "%{text}<extra></extra>",
            "name": name,
            "fill": "tozeroy",
            "fillcolor": f"var(--{colour}-band)",
            "line": {"color": f"var(--{colour})", "width": 1.5, "shape": "hv"},
        }
        for name, colour, counts in shown
    ]
    return plotly_figure(
        traces, xaxis=latency_axis(bins.edges_ms), yaxis=count_axis("events"), hovermode="closest", showlegend=True
    )


def ratio_figure(q: list[float], ratio: list[float], band: Sequence[tuple[float, float] | None]) -> Figure:
    """NEW / BASE by percentile with its interval where there is one, and the line at 1 where nothing changed."""
    x = [_rarity(value) for value in q]
    texts = [f"p{100 * at:.6g}: × {value:.3f}" for at, value in zip(q, ratio, strict=True)]
    traces: list[dict[str, Any]] = [
        {
            **_outline(x, band),
            "type": "scatter",
            "fill": "toself",
            "fillcolor": "var(--response-band)",
            "line": {"width": 0},
            "hoverinfo": "skip",
            "name": "95 % interval",
            "showlegend": False,
        },
        {
            "type": "scatter",
            "mode": "lines",
            "x": x,
            "y": ratio,
            "text": texts,
            "hovertemplate": "%{text}<extra></extra>",
            "name": "new / base",
            "showlegend": False,
            "line": {"color": "var(--response)", "width": 2.5},
        },
        {
            "type": "scatter",
            "mode": "lines",
            "x": [1, x[-1]],
            "y": [1, 1],
            "hoverinfo": "skip",
            "name": "no change",
            "showlegend": False,
            "line": {"color": "var(--muted)", "width": 1, "dash": "dash"},
        },
    ]
    ticks = [at for at in NINES if _rarity(at) <= x[-1] * 1.2]
    ends = [*ratio, *(edge for ends in band if ends for edge in ends), 1.0]
    axis = {"type": "log", "range": [math.log10(min(ends)) - 0.02, math.log10(max(ends)) + 0.02], "nticks": 6}
    return plotly_figure(
        traces if any(band) else traces[1:],
        xaxis={
            "type": "log",
            "tickvals": [_rarity(at) for at in ticks],
            "ticktext": [_percent(at) for at in ticks],
            "title": {"text": "percentile"},
            "tickangle": 0,
        },
        yaxis={**axis, "title": {"text": "new / base"}},
        hovermode="closest",
    )


def _rarity(q: float) -> float:
    """1 / (1 − q): what the axis of nines is logarithmic in."""
    return 1 / (1 - q)


def _percent(q: float) -> str:
    return f"{100 * q:.6g} %"

"""The page's charts as Plotly figures, and Plotly's own script: the only file that knows the library.

Colours are names of CSS variables, which the page's script replaces, so that light, dark and print have their own. The
figures are plain data in Plotly's documented schema: the library is needed to show them, not to make them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from loadsim.report import figures
from loadsim.report.chart_limits import limit_bands, limit_traces, plain
from loadsim.report.chart_numbers import Course, HeatMap, Limit, PercentileCurve
from loadsim.report.window_limits import WindowLimit

Figure = dict[str, Any]
NINES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)
HEAT_STEPS = 5
_NAMED = ("p50", "p90", "p99")
"""Percentiles that have a colour of their own."""


def library() -> str | None:
    """Plotly's script, to stand in the page; None where the library is not installed (extra `report`)."""
    try:
        from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]
    except ImportError:
        return None
    script: str = get_plotlyjs()
    return script


def percentile_figure(curves: list[PercentileCurve], limits: list[Limit], labels: dict[str, str]) -> Figure:
    """Latency by percentile, nines evenly spaced (HdrHistogram's plot), both axes logarithmic."""
    traces: list[dict[str, Any]] = []
    for curve in curves:
        traces += _percentile_traces(curve, labels[curve.metric])
    reach = max((curve.q[-1] for curve in curves), default=0.9)
    ticks = [q for q in NINES if _rarity(q) <= _rarity(reach) * 1.2]
    lines = [_limit_trace(limit, reach) for limit in limits]
    return _figure(
        traces + lines,
        xaxis={
            "type": "log",
            "tickvals": [_rarity(q) for q in ticks],
            "ticktext": [_percent(q) for q in ticks],
            "title": {"text": "percentile"},
            "tickangle": 0,
        },
        yaxis=_latency_axis([value for curve in curves for value in curve.ms] + [limit.ms for limit in limits]),
        hovermode="closest",
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
    texts = [f"{label} p{100 * q:.6g}: {figures.milliseconds(ms)}" for q, ms in zip(curve.q, curve.ms, strict=True)]
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
    text = plain(limit.text)
    colour = "var(--bad)" if limit.passed is False else "var(--good)" if limit.passed else "var(--muted)"
    return {
        "type": "scatter",
        "mode": "lines+markers+text",
        "x": [1, _rarity(min(limit.q, max(reach, 0.9)))],
        "y": [limit.ms, limit.ms],
        "line": {"color": colour, "width": 1.5, "dash": "dash"},
        "marker": {"color": colour, "size": [0, 9], "symbol": "x-thin", "line": {"color": colour, "width": 2}},
        "name": text,
        "text": [text, ""],
        "textposition": "top right",
        "textfont": {"color": colour, "size": 12},
        "hovertemplate": "%{fullData.name}<extra></extra>",
        "showlegend": False,
    }


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
    return _figure(
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


def latency_figure(course: Course, phases: list[tuple[str, float]], limits: Sequence[WindowLimit] = ()) -> Figure:
    """Percentiles and maximum over time; limits over windows as far as the windows go, those that missed marked."""
    lines = [
        ("max", "max", course.max, "dot", 1.2),
        ("p99", "p99", course.p99, "solid", 2.2),
        ("p99 of 2xx", "ok", course.ok_p99, "dash", 1.8),
        ("p90", "p90", course.p90, "solid", 1.8),
        ("p50", "p50", course.p50, "solid", 2.2),
    ]
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": _middles(course.t_s, course.width_s),
            "y": values,
            "text": [f"{name} {figures.milliseconds(value)}" for value in values],
            "hovertemplate": "%{text}<extra></extra>",
            "name": name,
            "line": {"color": f"var(--{colour})", "width": width, "dash": dash},
            "marker": {"size": 4 if len(course.t_s) < 60 else 3},
            "connectgaps": False,
        }
        for name, colour, values, dash, width in lines
        if any(value is not None for value in values)
    ]
    seen = [value for _, _, values, _, _ in lines for value in values if value is not None]
    seen += [value for limit in limits for value in (limit.ms, *(missed for _, missed in limit.missed))]
    time = _time_axis(course.t_s, course.width_s)
    layout = _phase_marks(phases)
    layout["shapes"] = [*limit_bands(limits), *layout.get("shapes", ())]
    return _figure([*traces, *limit_traces(limits)], xaxis=time, yaxis=_latency_axis(seen), **layout)


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
                f"{plain(text)}<br>{name} {figures.milliseconds(ms)}" for text, ms in zip(texts, values, strict=True)
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
    return _figure(traces, xaxis=axis, yaxis=_latency_axis(seen), hovermode="closest")


def rate_figure(course: Course, phases: list[tuple[str, float]]) -> Figure:
    """What was due, sent and answered per second; below it, stacked, what failed."""
    x = _middles(course.t_s, course.width_s)

    def hover(name: str, values: list[float]) -> dict[str, Any]:
        texts = [f"{name} {figures.per_second(value)}" for value in values]
        return {"x": x, "y": values, "text": texts, "name": name, "hovertemplate": "%{text}<extra></extra>"}

    stacked = [("no whole answer", course.broken, "broken"), ("answer not 2xx", course.refused, "refused")]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "stackgroup": "failed",
            "fillcolor": f"var(--{colour}-area)",
            "line": {"color": f"var(--{colour})", "width": 1, "shape": "hvh"},
            **hover(name, values),
        }
        for name, values, colour in stacked
        if any(values)
    ]
    plain = [("planned", course.planned, "planned", "dash", 1.5), ("sent", course.sent, "sent", "solid", 1.5)]
    plain.append(("completed", course.completed, "completed", "solid", 2.5))
    traces += [
        {
            "type": "scatter",
            "mode": "lines",
            "line": {"color": f"var(--{colour})", "width": width, "dash": dash, "shape": "hvh"},
            **hover(name, values),
        }
        for name, values, colour, dash, width in plain
    ]
    axis = {"rangemode": "tozero", "title": {"text": "events per second"}}
    return _figure(traces, xaxis=_time_axis(course.t_s, course.width_s), yaxis=axis, **_phase_marks(phases))


def heat_figure(heat: HeatMap, phases: list[tuple[str, float]]) -> Figure:
    """Time by response time; colour is the number of events, on a logarithmic scale."""
    by_bin = list(zip(*heat.counts, strict=True))
    most = max(max(row) for row in heat.counts)
    decades = [10**power for power in range(int(math.log10(max(most, 1))) + 1)]
    spans = [_span(heat, column) for column in range(len(by_bin))]
    trace = {
        "type": "heatmap",
        "x": [*heat.t_s, heat.t_s[-1] + heat.width_s],
        "y": heat.edges_ms,
        "z": [[math.log10(n) if n else None for n in row] for row in by_bin],
        "text": [[f"{n:,} events, {span}" for n in row] for row, span in zip(by_bin, spans, strict=True)],
        "hovertemplate": "%{text}<br>from %{x:.4~g} s<extra></extra>",
        "colorscale": [[step / (HEAT_STEPS - 1), f"var(--heat-{step})"] for step in range(HEAT_STEPS)],
        "zmin": 0,
        "zmax": max(math.log10(max(most, 1)), 0.5),
        "xgap": 0,
        "ygap": 0,
        "hoverongaps": False,
        "colorbar": {
            "tickvals": [math.log10(n) for n in decades],
            "ticktext": [f"{n:,}" for n in decades],
            "title": {"text": "events", "side": "right", "font": {"size": 12, "color": "var(--muted)"}},
            "thickness": 12,
            "outlinewidth": 0,
        },
    }
    axis = _latency_axis(heat.edges_ms)
    x = _time_axis(heat.t_s, heat.width_s)
    return _figure([trace], xaxis=x, yaxis=axis, hovermode="closest", **_phase_marks(phases))


def _span(heat: HeatMap, column: int) -> str:
    low, high = heat.edges_ms[column : column + 2]
    return f"{figures.milliseconds(low)} to {figures.milliseconds(high)}"


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
    return _figure(traces, xaxis=xaxis, yaxis=_latency_axis(known))


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
    return _figure([trace], xaxis={"title": {"text": title}}, yaxis=yaxis, hovermode="closest")


def _figure(traces: list[dict[str, Any]], *, xaxis: Figure, yaxis: Figure, **layout: Any) -> Figure:
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


def _latency_axis(values: list[float]) -> Figure:
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
    scale, unit = figures.time_unit(ms)
    return f"{ms * scale:g} {unit}"


def _time_axis(t_s: list[float], width_s: float) -> Figure:
    """The same stretch of time under every chart."""
    return {"title": {"text": "seconds since the start"}, "range": [t_s[0], t_s[-1] + width_s], "hoverformat": ".4~g"}


def _middles(t_s: list[float], width_s: float) -> list[float]:
    return [round(t + width_s / 2, 6) for t in t_s]


def _phase_marks(phases: list[tuple[str, float]]) -> Figure:
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


def _rarity(q: float) -> float:
    """1 / (1 − q): what the axis of nines is logarithmic in."""
    return 1 / (1 - q)


def _percent(q: float) -> str:
    return f"{100 * q:.6g} %"

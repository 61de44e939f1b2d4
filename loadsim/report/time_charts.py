"""The charts over the time of a run: latency, rates, and the heat map of latencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from loadsim.report import numbers
from loadsim.report.chart_layout import Figure, latency_axis, middles, phase_marks, plotly_figure, time_axis
from loadsim.report.chart_limits import limit_bands, limit_traces
from loadsim.report.chart_numbers import Course, HeatMap
from loadsim.report.window_limits import WindowLimit

HEAT_STEPS = 5


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
            "x": middles(course.t_s, course.width_s),
            "y": values,
            "text": [f"{name} {numbers.milliseconds(value)}" for value in values],
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
    time = time_axis(course.t_s, course.width_s)
    layout = phase_marks(phases)
    layout["shapes"] = [*limit_bands(limits), *layout.get("shapes", ())]
    return plotly_figure([*traces, *limit_traces(limits)], xaxis=time, yaxis=latency_axis(seen), **layout)


def rate_figure(course: Course, phases: list[tuple[str, float]]) -> Figure:
    """What was due, sent and answered per second; below it, stacked, what failed."""
    x = middles(course.t_s, course.width_s)

    def hover(name: str, values: list[float]) -> dict[str, Any]:
        texts = [f"{name} {numbers.per_second(value)}" for value in values]
        return {"x": x, "y": values, "text": texts, "name": name, "hovertemplate": "%{text}<extra></extra>"}

    stacked = [("no answer", course.broken, "broken"), ("answer not 2xx", course.refused, "refused")]
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
    return plotly_figure(traces, xaxis=time_axis(course.t_s, course.width_s), yaxis=axis, **phase_marks(phases))


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
    axis = latency_axis(heat.edges_ms)
    x = time_axis(heat.t_s, heat.width_s)
    return plotly_figure([trace], xaxis=x, yaxis=axis, hovermode="closest", **phase_marks(phases))


def _span(heat: HeatMap, column: int) -> str:
    low, high = heat.edges_ms[column : column + 2]
    return f"{numbers.milliseconds(low)} to {numbers.milliseconds(high)}"

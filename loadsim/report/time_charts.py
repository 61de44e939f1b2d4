"""The charts over the time of a run: latency, rates, events in flight and so far, and the heat map of latencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from loadsim.report import numbers
from loadsim.report.chart_course import Bins, HeatMap, LatencyCourse, RateCourse
from loadsim.report.chart_layout import Figure, count_axis, latency_axis, phase_marks, plotly_figure, time_axis
from loadsim.report.chart_limits import LimitLabel, limit_bands, limit_colour, limit_traces, margin_labels
from loadsim.report.window_limits import WindowLimit

HEAT_STEPS = 5


def latency_figure(
    course: LatencyCourse,
    phases: list[tuple[str, float]],
    limits: Sequence[WindowLimit] = (),
    axis: Sequence[float] = (),
) -> Figure:
    """Percentiles and maximum over time; limits over windows as far as the windows go, those that missed marked.
    `axis`: the ends of the time axis (default: those of the course)."""
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
            "x": course.bins.middles_s,
            "y": values,
            "text": [f"{name} {numbers.milliseconds(value)}" for value in values],
            "hovertemplate": "%{text}<extra></extra>",
            "name": name,
            "line": {"color": f"var(--{colour})", "width": width, "dash": dash},
            "marker": {"size": 4 if len(course.bins.first) < 60 else 3},
            "connectgaps": False,
        }
        for name, colour, values, dash, width in lines
        if any(value is not None for value in values)
    ]
    seen = [value for _, _, values, _, _ in lines for value in values if value is not None]
    seen += [value for limit in limits for value in (limit.ms, *(missed for _, missed in limit.missed))]
    yaxis = latency_axis(seen)
    labels = [LimitLabel(limit.text, limit.ms, limit_colour(limit.passed)) for limit in limits]
    margin, marks = margin_labels(labels, yaxis["range"]), phase_marks(phases)
    layout = margin | marks
    layout["annotations"] = [*margin.get("annotations", ()), *marks.get("annotations", ())]
    layout["shapes"] = [*limit_bands(limits), *marks.get("shapes", ())]
    return plotly_figure(
        [*traces, *limit_traces(limits)], xaxis=time_axis(axis or course.bins.edges_s), yaxis=yaxis, **layout
    )


def rate_figure(course: RateCourse, phases: list[tuple[str, float]]) -> Figure:
    """What was due, sent and answered per second; below it, stacked, what failed."""
    stacked = [("no answer", course.broken, "broken"), ("answer not 2xx", course.refused, "refused")]
    traces: list[dict[str, Any]] = [
        {
            "stackgroup": "failed",
            "fillcolor": f"var(--{colour}-area)",
            "line": {"color": f"var(--{colour})", "width": 1, "shape": "hv"},
            **_steps(name, course.bins, values),
        }
        for name, values, colour in stacked
        if any(values)
    ]
    plain = [("planned", course.planned, "planned", "dash", 1.5), ("sent", course.sent, "sent", "solid", 1.5)]
    plain.append(("completed", course.completed, "completed", "solid", 2.5))
    traces += [
        {
            "line": {"color": f"var(--{colour})", "width": width, "dash": dash, "shape": "hv"},
            **_steps(name, course.bins, values),
        }
        for name, values, colour, dash, width in plain
    ]
    return plotly_figure(
        traces, xaxis=time_axis(course.bins.edges_s), yaxis=count_axis("events per second"), **phase_marks(phases)
    )


def _steps(name: str, bins: Bins, values: list[float]) -> dict[str, Any]:
    """A line that keeps the rate of each bin from its beginning to its end."""
    texts = [f"{name} {numbers.per_second(value)}" for value in values]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": bins.edges_s,
        "y": [*values, *values[-1:]],
        "text": [*texts, *texts[-1:]],
        "name": name,
        "hovertemplate": "%{text}<extra></extra>",
    }


def in_flight_figure(course: RateCourse, phases: list[tuple[str, float]]) -> Figure:
    """How many events were due and had not ended, at the end of each bin."""
    trace = {
        **_counts("in flight", course.bins, course.in_flight),
        "fill": "tozeroy",
        "fillcolor": "var(--response-band)",
        "line": {"color": "var(--response)", "width": 2},
    }
    return plotly_figure(
        [trace], xaxis=time_axis(course.bins.edges_s), yaxis=count_axis("events in flight"), **phase_marks(phases)
    )


def progress_figure(course: RateCourse, phases: list[tuple[str, float]]) -> Figure:
    """How many events were due, sent and answered until then."""
    lines = [
        ("planned", course.planned_so_far, "dash", 1.5),
        ("sent", course.sent_so_far, "solid", 1.5),
        ("completed", course.completed_so_far, "solid", 2.5),
    ]
    traces = [
        {
            **_counts(name, course.bins, values),
            "line": {"color": f"var(--{name})", "width": width, "dash": dash},
        }
        for name, values, dash, width in lines
    ]
    return plotly_figure(
        traces, xaxis=time_axis(course.bins.edges_s), yaxis=count_axis("events since the start"), **phase_marks(phases)
    )


def _counts(name: str, bins: Bins, values: Sequence[int | None]) -> dict[str, Any]:
    """A line from 0 at the beginning through the count at the end of each bin."""
    counts = [0, *values]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": bins.edges_s,
        "y": counts,
        "text": [f"{name} {numbers.count(n)}" for n in counts],
        "name": name,
        "hovertemplate": "%{text}<extra></extra>",
    }


def heat_figure(heat: HeatMap, phases: list[tuple[str, float]]) -> Figure:
    """Time by response time; colour is the number of events, on a logarithmic scale."""
    by_bin = list(zip(*heat.counts, strict=True))
    most = max(max(row) for row in heat.counts)
    decades = [10**power for power in range(int(math.log10(max(most, 1))) + 1)]
    spans = [_span(heat, column) for column in range(len(by_bin))]
    trace = {
        "type": "heatmap",
        "x": heat.bins.edges_s,
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
    x = time_axis(heat.bins.edges_s)
    return plotly_figure([trace], xaxis=x, yaxis=axis, hovermode="closest", **phase_marks(phases))


def _span(heat: HeatMap, column: int) -> str:
    low, high = heat.edges_ms[column : column + 2]
    return f"{numbers.milliseconds(low)} to {numbers.milliseconds(high)}"

"""The report's sections with a chart: each has the chart, a description in words, and a table of every point.

The points come from `chart_numbers` and `chart_course`, the charts from `percentile_charts` and `time_charts`.
"""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Stats
from loadsim.report import chart_numbers, facts, numbers, percentile_charts, time_charts
from loadsim.report.blocks import Chart, Column, Section, Table
from loadsim.report.chart_course import (
    Bins,
    LatencyCourse,
    RateCourse,
    heat_map,
    latency_course,
    rate_course,
    shared_axis,
)
from loadsim.report.window_limits import WindowLimit, missed_cell, window_limits
from loadsim.report.window_limits import words as limit_words

PERCENTILES = ("p50", "p90", "p99", "p99_9")


def latency_over_time(result: RunResult) -> Section | None:
    """The section with the chart of latency over time; None without a series."""
    if not result.series:
        return None
    course = latency_course(result)
    axis = shared_axis(result, course.bins)
    chart = _latency(course, chart_numbers.phase_starts(result), window_limits(result), axis)
    return Section(chart.name, "Latency over time", [chart])


def chart_sections(result: RunResult) -> list[Section]:
    """A section for each other chart, in order; without those that have nothing to show."""
    phases = chart_numbers.phase_starts(result)
    found = {"Latency by percentile": _percentiles(result), "Latency histogram": _histogram(result)}
    if result.series:
        course = rate_course(result)
        found["Rates over time"] = _rates(result, course, phases)
        found["Events in flight"] = _in_flight(course, phases)
        found["Events so far"] = _progress(course, phases)
        found["Latency heat map"] = _heat(result, phases)
    return [Section(chart.name, title, [chart]) for title, chart in found.items() if chart is not None]


def point_table(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[int] = (0,)
) -> Table:
    """Every point of a chart. `words`: the columns that are text; the others are figures."""
    return Table(caption, [Column(name, words=number in words) for number, name in enumerate(header)], rows)


def _percentiles(result: RunResult) -> Chart | None:
    found = chart_numbers.percentile_curves(result)
    if not found:
        return None
    headline = facts.headline_metric(result)
    labels = {"response": headline, chart_numbers.OK: f"{headline}, 2xx answers", "service": "service time"}
    figure = percentile_charts.percentile_figure(found, chart_numbers.limits(result), labels)
    stats = {**result.totals.latency_ms, chart_numbers.OK: facts.ok_stats(result.totals)}
    words = "; ".join(_stats_words(labels[curve.metric], stats[curve.metric]) for curve in found)
    words += "."
    if any(any(curve.band) for curve in found):
        words += " The band is the 95 % interval, where the run is long enough for one."
    if any(curve.firm < len(curve.q) for curve in found):
        words += " Where the line is dotted there are too few samples to trust the percentile."
    longest = max(found, key=lambda curve: len(curve.q))
    header = ["Percentile"]
    for curve in found:
        header += [labels[curve.metric], "95 % interval"]
    rows = []
    for number, q in enumerate(longest.q):
        cells = [f"{100 * q:.7g} %"]
        for curve in found:
            band = curve.band[number] if number < len(curve.band) else None
            cells.append(numbers.milliseconds(curve.ms[number]) if number < len(curve.ms) else numbers.NOT_KNOWN)
            cells.append(numbers.interval(*band) if band else "")
        rows.append(cells)
    return Chart("percentiles", figure, words, point_table("Latency by percentile", header, rows))


def _stats_words(label: str, stats: Stats) -> str:
    named = ", ".join(
        f"{facts.percentile_label(name)} {facts.latency_text(stats, name)}"
        for name in PERCENTILES
        if getattr(stats, name) is not None
    )
    return f"{label[0].upper()}{label[1:]}: {named}{', ' if named else ''}max {facts.latency_text(stats, 'max')}"


def _histogram(result: RunResult) -> Chart | None:
    bins = chart_numbers.latency_bins(result)
    if bins is None:
        return None
    metric = facts.headline_metric(result)
    words = f"How many events had which {metric}, on a logarithmic axis: every bar is the same factor wide."
    known = [bins.counts] if bins.ok is None else [bins.counts, bins.ok]
    rows = [
        (numbers.milliseconds(low), numbers.milliseconds(high), *map(numbers.count, counts))
        for low, high, *counts in zip(bins.edges_ms, bins.edges_ms[1:], *known, strict=False)
        if counts[0]
    ]
    header = ("From", "to", "events", *(["answered 2xx"] if bins.ok is not None else []))
    figure = percentile_charts.histogram_figure(bins, metric)
    return Chart("histogram", figure, words, point_table("Latency histogram", header, rows, words=()))


def _latency(
    course: LatencyCourse, phases: list[tuple[str, float]], limits: list[WindowLimit], axis: list[float]
) -> Chart:
    tops = [value for value in course.max if value is not None]
    words = f"Each point is {_width_words(course.bins)} of events by when they were due"
    if tops:
        worst = course.bins.t_s[course.max.index(max(tops))]
        words += f"; the worst was {numbers.milliseconds(max(tops))}, {worst:g} s after the start"
    if any(value is None for value in course.p99):
        words += "; a gap in a line is a time with too few samples for that percentile"
    words += ". Tinted bands are windows that missed a limit" if any(limit.missed for limit in limits) else ""
    words = ". ".join([words, *(limit_words(limit) for limit in limits)])
    columns = (course.p50, course.p90, course.p99, course.max, course.ok_p99)
    rows = [
        (
            f"{t:g} s",
            *(numbers.milliseconds(value) for value in values),
            *([missed_cell(limits, t, width)] if limits else []),
        )
        for t, width, *values in zip(course.bins.t_s, course.bins.widths_s, *columns, strict=True)
    ]
    header = ["From", "p50", "p90", "p99", "max", "p99 of 2xx", *(["window limits missed"] if limits else [])]
    figure = time_charts.latency_figure(course, phases, limits, axis)
    return Chart("latency", figure, f"{words}.", point_table("Latency over time", header, rows, words=(0, 6)))


def _width_words(bins: Bins) -> str:
    """`1.00 s`, and that bins at borders are shorter where some are."""
    cut = any(abs(width - bins.width_s) > bins.width_s / 1e6 for width in bins.widths_s[:-1])
    return f"{numbers.milliseconds(1000 * bins.width_s)}{' (cut where a phase begins or ends)' if cut else ''}"


def _rates(result: RunResult, course: RateCourse, phases: list[tuple[str, float]]) -> Chart:
    totals = result.totals
    words = (
        f"Planned {numbers.per_second(totals.rate_planned)}, sent {numbers.per_second(totals.rate_sent)}, completed "
        f"{numbers.per_second(totals.rate_completed)} on average; {numbers.count(totals.failed)} of "
        f"{numbers.count(totals.sent)} events failed. Each step is {_width_words(course.bins)}. Planned counts by when "
        "an event was due, sent by when it was sent, the rest by when it ended."
    )
    if result.retries is not None:
        words += " Events that were delivered again count by their last attempt; sent counts every delivery."
    columns = (course.planned, course.sent, course.completed, course.refused, course.broken)
    rows = [
        (f"{t:g} s", *(numbers.per_second(value) for value in values))
        for t, *values in zip(course.bins.t_s, *columns, strict=True)
    ]
    header = ("From", "planned", "sent", "completed", "answer not 2xx", "no answer")
    return Chart("rates", time_charts.rate_figure(course, phases), words, point_table("Rates over time", header, rows))


def _in_flight(course: RateCourse, phases: list[tuple[str, float]]) -> Chart | None:
    known = [n for n in course.in_flight if n is not None]
    if not known:
        return None
    most = max(known)
    words = (
        "How many events were due and had not ended, those that waited for a connection included: at most "
        f"{numbers.count(most)}, {course.bins.edges_s[course.in_flight.index(most) + 1]:g} s after the start. It grows "
        "while the endpoint answers more slowly than events fall due."
    )
    rows = [(f"{t:g} s", numbers.count(n)) for t, n in zip(course.bins.edges_s[1:], course.in_flight, strict=True)]
    table = point_table("Events in flight", ("At", "in flight"), rows)
    return Chart("in-flight", time_charts.in_flight_figure(course, phases), words, table)


def _progress(course: RateCourse, phases: list[tuple[str, float]]) -> Chart:
    words = (
        "How many events had been planned, sent and completed until then. Where the lines part, the generator was late "
        "(planned and sent), or the endpoint was slow or failed (sent and completed)."
    )
    columns = (course.planned_so_far, course.sent_so_far, course.completed_so_far)
    rows = [
        (f"{t:g} s", *map(numbers.count, counts)) for t, *counts in zip(course.bins.edges_s[1:], *columns, strict=True)
    ]
    table = point_table("Events so far", ("At", "planned", "sent", "completed"), rows)
    return Chart("so-far", time_charts.progress_figure(course, phases), words, table)


def _heat(result: RunResult, phases: list[tuple[str, float]]) -> Chart | None:
    heat = heat_map(result)
    if heat is None:
        return None
    words = (
        f"How many events had which {facts.headline_metric(result)}, by when they were due: a column is "
        f"{_width_words(heat.bins)}. The colours are a logarithmic scale of counts."
    )
    header = ["From", *(f"to {numbers.milliseconds(edge)}" for edge in heat.edges_ms[1:])]
    rows = [(f"{t:g} s", *(f"{n:,}" for n in counts)) for t, counts in zip(heat.bins.t_s, heat.counts, strict=True)]
    return Chart("heat", time_charts.heat_figure(heat, phases), words, point_table("Events by latency", header, rows))

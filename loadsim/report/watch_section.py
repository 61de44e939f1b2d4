"""The section on watches: the endpoint's own figures over the time of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from loadsim.measure.result import RunResult
from loadsim.measure.result_watches import WatchSeries
from loadsim.model import MS_PER_S, counted
from loadsim.report import chart_numbers, numbers
from loadsim.report.blocks import Block, Cell, Chart, Column, Lines, Row, Section, Table
from loadsim.report.chart_course import latency_course, shared_axis
from loadsim.report.chart_layout import Figure, count_axis, phase_marks, plotly_figure, time_axis
from loadsim.report.chart_limits import plain
from loadsim.report.chart_sections import point_table

_MARGIN = {"l": 76, "r": 16, "t": 28, "b": 48}
"""The same for all, so that the charts stand in line."""
_LONGEST_TITLE = 24
_LEAST_IN_FULL, _MOST_IN_FULL = 1e-9, 1e15
"""Numbers beyond these are written with an exponent: their digits would fill a table."""
_MOST_SHOWN = 600
"""Rows of a table of points: a longer course is thinned for it."""


def watch_section(result: RunResult) -> Section | None:
    """The section of a run's report; None for a run that watched nothing."""
    if not result.watches:
        return None
    columns = (
        Column("Watch", words=True),
        *(Column(title) for title in ("min", "avg", "max", "last")),
        Column("Read from", words=True, long=True),
    )
    table = Table("The endpoint's own figures", columns, [_row(series) for series in result.watches])
    gaps = list(_gaps(result))
    blocks: list[Block] = [table, *_moved(result), *([Lines(gaps, tone="warn")] if gaps else [])]
    edges, phases = shared_axis(result, latency_course(result).bins), chart_numbers.phase_starts(result)
    blocks += [_chart(n, series, edges, phases) for n, series in enumerate(result.watches) if series.samples]
    pages = dict.fromkeys(series.place for series in result.watches if series.kind == "url")
    origin = f" from {', '.join(pages)}" if pages else ""
    note = f"read once a second beside the run{origin}"
    return Section("watch", "The endpoint's own figures", blocks, note)


def moved_words(result: RunResult) -> list[str]:
    """A sentence for each watched series that changed when latency or failures did."""
    units = {series.name: series for series in result.watches}
    found = []
    for row in result.moved_with.rows if result.moved_with is not None else ():
        series = units[row.name]
        what = "latency" if row.figure != "errors" else "failures"
        values = f"from {in_unit(row.before, series)} to {in_unit(row.after, series)} at {row.at_s:.4g} s"
        form = numbers.share if row.figure == "errors" else numbers.milliseconds
        name = "the share of failed events" if row.figure == "errors" else row.figure
        figures = f"{name} went from {form(row.figure_before)} to {form(row.figure_after)}"
        apart = "" if row.figure_at_s == row.at_s else f" at {row.figure_at_s:.4g} s"
        found.append(f"{row.name} moved with {what}: {values}, while {figures}{apart}")
    return found


def _moved(result: RunResult) -> Iterator[Block]:
    """What moved together, that nothing did, or why nothing can be said."""
    found = result.moved_with
    if found is None:
        return
    if found.rows:
        yield Lines([f"{line} (correlation)" for line in moved_words(result)])
    elif found.why_not:
        yield Lines([f"not compared with latency and failures: {found.why_not}"], tone="dim", bullets=False)
    else:
        yield Lines(["none of them changed when latency or failures did"], tone="dim", bullets=False)


def in_unit(value: float | None, series: WatchSeries) -> str:
    """A value of a series with its unit: `180`, `42.0 MB`, `1.20 cores`, `350 ms`, `12.0/s`."""
    if value is None:
        return numbers.NOT_KNOWN
    if value and not _LEAST_IN_FULL <= abs(value) < _MOST_IN_FULL:
        return f"{value:.3g}" + (f" {series.unit}" if series.unit else "")
    return _form(series)(value)


def _form(series: WatchSeries) -> Callable[[float], str]:
    per_second = "/s" if series.reading == "rate" and series.unit != "cores" else ""
    if series.unit == "s":
        return lambda value: (numbers.milliseconds(MS_PER_S * value) if value >= 0 else f"{value:.3g} s") + per_second
    if series.unit == "bytes":
        return lambda value: numbers.size(round(value)) + per_second
    return lambda value: _number(value) + (f" {series.unit}" if series.unit else per_second)


def _number(value: float) -> str:
    """Whole numbers in full, others with three digits."""
    return f"{value:,.0f}" if value.is_integer() else numbers.significant(value)


def _row(series: WatchSeries) -> Row:
    figures = (in_unit(value, series) for value in (series.min, series.avg, series.max, series.last))
    return (Cell(series.name, "" if series.samples else "warn"), *figures, _read_from(series))


def _read_from(series: WatchSeries) -> str:
    """What was read, without the page, which the section names."""
    how = {"gauge": "", "rate": "growth of ", "p99": "p99 of "}[series.reading] if series.kind != "pid" else ""
    joined = {"url": "", "sql": f"a query of the {series.place}", "pid": f" of {series.place}"}[series.kind]
    return f"{how}{series.metric}{joined}"


def _gaps(result: RunResult) -> Iterator[str]:
    """A line for each series with gaps, with the reasons."""
    for series in result.watches:
        if series.gaps:
            whole = counted(series.samples + series.gaps, "reading")
            why = "; ".join(f"{count:,} × {reason}" for reason, count in numbers.ranked(series.why_gaps))
            yield f"{series.name}: {series.gaps:,} of {whole} gave no value: {why}"


def _chart(number: int, series: WatchSeries, edges: list[float], phases: list[tuple[str, float]]) -> Chart:
    """One series over time."""
    texts = [in_unit(value, series) for value in series.values]
    trace = {
        "type": "scatter",
        "mode": "lines+markers" if len(series.values) < 120 else "lines",
        "x": series.t_s,
        "y": series.values,
        "text": texts,
        "name": plain(series.name),
        "hovertemplate": "%{text}<extra></extra>",
        "line": {"color": "var(--accent)", "width": 2},
        "marker": {"size": 4},
        "connectgaps": False,
        "showlegend": False,
    }
    figure = plotly_figure([trace], xaxis=time_axis(edges), yaxis=_axis(series), margin=_MARGIN, **phase_marks(phases))
    every = numbers.span(series.every_s)
    words = f"{series.name}, {'read' if series.every_s <= 1 else 'the mean of the readings'} every {every}"
    words += "; a gap in the line is a time without a value." if None in series.values else "."
    step = -(-len(texts) // _MOST_SHOWN)
    rows = [(f"{t:g} s", text) for t, text in list(zip(series.t_s, texts, strict=True))[::step]]
    return Chart(f"watch-{number + 1}", figure, words, point_table(series.name, ("At", series.name), rows))


def _axis(series: WatchSeries) -> Figure:
    per_second = "per second" if series.reading == "rate" and series.unit != "cores" else ""
    unit = " ".join(filter(None, (series.unit, per_second)))
    title = plain(series.name[:_LONGEST_TITLE]) + (f"<br>{unit}" if unit else "")
    known = [value for value in series.values if value is not None]
    axis = count_axis(title) | {"automargin": False} | {"tickformat": _tick_format(max(map(abs, known), default=0))}
    return axis if min(known, default=0) >= 0 else axis | {"rangemode": "normal"}


def _tick_format(most: float) -> str:
    """Of d3: with a prefix of thousands, and beyond those with an exponent."""
    return ",~f" if most < 10_000 else "~s" if most < _MOST_IN_FULL else "~e"

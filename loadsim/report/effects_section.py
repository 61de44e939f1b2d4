"""The section on effects: when the work behind the answers was done, and how much was waiting."""

from __future__ import annotations

from collections.abc import Iterator

from loadsim.measure.result import RunResult
from loadsim.measure.result_effects import EffectsFound, Forecast
from loadsim.measure.result_events import Stats
from loadsim.model import counted
from loadsim.report import facts, numbers
from loadsim.report.blocks import Block, Cell, Chart, Column, Lines, Row, Section, Table
from loadsim.report.chart_layout import Figure, count_axis, plotly_figure, time_axis
from loadsim.report.latency_section import LATENCIES, latency_cell, latency_columns

_KINDS = {"http": "read at", "sql": "read from the", "file": "read from the file"}
_MUCH = 10
"""From so many times its answer on, the work behind it is something else than the answer."""
_NONE = Stats(count=0)


def effects_section(result: RunResult) -> Section | None:
    """The section of a run's report; None for a run that did not watch its effects."""
    found = result.effects
    if found is None:
        return None
    if found.problem:
        line = f"the effects at {found.place} could not be used: {found.problem}"
        return Section("effects", "Effects", [Lines([line], tone="warn", bullets=False)])
    columns = (Column("Effects", words=True), Column("Figure"), Column("Meaning", words=True, long=True))
    blocks: list[Block] = [
        Lines(promise(result), bullets=False),
        Table("Effects", columns, list(_rows(found))),
        *([Lines([truth], bullets=False)] if (truth := _receivers_own(result)) else []),
        _latencies(result, found),
        *([_chart(found)] if found.series else []),
    ]
    return Section("effects", "Effects", blocks, f"{_KINDS[found.source]} {found.place}")


def promise(result: RunResult) -> list[str]:
    """In a sentence, what a 2xx of the endpoint says: that the work is accepted, or that it is done."""
    found, answer = result.effects, result.totals.latency_ms.get("response", _NONE)
    if found is None or not found.acknowledged or found.effect_ms is None:
        return []
    if not found.done:
        return [f"none of {counted(found.acknowledged, 'acknowledged event')} was done: a 2xx here says nothing yet"]
    work = facts.latency_text(found.effect_ms, "p50"), facts.latency_text(found.effect_ms, "p99")
    times = f"p50 {work[0]}" + (f", p99 {work[1]}" if found.effect_ms.p99 is not None else "")
    if (found.before_ack or 0) > found.acknowledged / 2:
        return [f"A 2xx of this endpoint says that the work is done: effects were there before the answers ({times})."]
    answered = f"p50 {facts.latency_text(answer, 'p50')}"
    if found.effect_ms.p50 is not None and answer.p50 and found.effect_ms.p50 < _MUCH * answer.p50:
        return [f"A 2xx of this endpoint comes ({answered}) about when the work is done ({times} after it is due)."]
    accepted = f"A 2xx of this endpoint says that an event is accepted ({answered}), not that its work is done"
    return [f"{accepted}: that took {times} from when it was due."]


def effect_findings(found: EffectsFound | None) -> Iterator[str]:
    """One sentence for each figure that should be 0 and is not, with the indexes of the first such events."""
    if found is None or found.problem:
        return
    if found.undone:
        waited = f"{counted(found.undone, 'acknowledged event')} had no effect when the run ended"
        yield f"{waited}{_examples(found, 'undone')}"
    if found.repeated:
        yield f"{counted(found.repeated, 'event')} had more than one effect{_examples(found, 'repeated')}"
    if found.refused_done:
        yield f"{counted(found.refused_done, 'event')} that had to be refused had an effect"


def forecast_words(found: Forecast, left: int) -> str:
    """How long a backlog will still take, in words."""
    return (
        f"at the {numbers.per_second(found.rate)} seen after the load, {counted(left, 'event')} will take about "
        f"{numbers.span(found.left_s)} (95 %: {numbers.span(found.low_s)} to {numbers.span(found.high_s)})"
    )


def _examples(found: EffectsFound, name: str) -> str:
    indexes = found.examples.get(name, [])
    return f" (first: index {', '.join(map(str, indexes))})" if indexes else ""


def _receivers_own(result: RunResult) -> str:
    """What the embedded receiver itself counted of its work; empty for other targets."""
    work = (result.receiver or {}).get("work")
    if work is None:
        return ""
    whole = numbers.deliveries(work["done"] + work["lost"] + work["backlog"])
    refused = f"; {work['refused']:,} more refused, its queue was full" if work["refused"] else ""
    return (
        f"the receiver itself counted the work of {whole}: {work['done']:,} done, {work['repeated']:,} of them twice, "
        f"{work['lost']:,} lost, {work['backlog']:,} left{refused}"
    )


def _rows(found: EffectsFound) -> Iterator[Row]:
    sample = "" if found.one_in == 1 else f"; estimated from one event of {found.one_in}"
    yield "acknowledged", numbers.count(found.acknowledged), f"answered 2xx, warm-up included{sample}"
    yield "effects", numbers.count(found.done), f"of these, the work is done{_rate(found)}"
    yield Cell("undone", "bad" if found.undone else ""), numbers.count(found.undone), _waited(found)
    yield "backlog, most", numbers.count(found.backlog_max), _when(found)
    yield "backlog, average", numbers.observed(found.backlog_avg, "events"), "over the time of the load"
    yield "backlog at the end", numbers.count(found.backlog_at_end), "when the load ended"
    drained = numbers.span(found.drained_s or 0)
    if found.drained:
        yield "drained", drained, "from the end of the load until nothing was left"
    else:
        meaning = "something was left when the wait ended"
        if found.forecast is not None:
            meaning += f"; {forecast_words(found.forecast, found.backlog_last or 0)}"
        yield Cell("drained", "bad"), f"> {drained}", meaning
    for name, count, meaning in (
        ("repeated", found.repeated, "events with more than one effect"),
        ("before the answer", found.before_ack, "the effect was there before the 2xx answer"),
        (
            "without an answer",
            found.unacknowledged_done,
            "done, not answered 2xx: a provider would send them again",
        ),
        ("refused, and done", found.refused_done, "had to be refused, and had an effect"),
    ):
        if count:
            bad = name in ("repeated", "refused, and done")
            yield Cell(name, "bad" if bad else ""), numbers.count(count), meaning
    yield "looks", numbers.count(found.looks), _looks(found)


def _rate(found: EffectsFound) -> str:
    return "" if found.rate_done is None else f", {numbers.per_second(found.rate_done)} on average"


def _waited(found: EffectsFound) -> str:
    return f"of these, no effect was seen until {numbers.span(found.drained_s or 0)} after the load"


def _when(found: EffectsFound) -> str:
    at = "" if found.backlog_max_s is None else f", at {found.backlog_max_s:.3g} s"
    return f"acknowledged and not done at one time{at}"


def _looks(found: EffectsFound) -> str:
    cost = f"{counted(found.rows, 'effect')} in {numbers.milliseconds(1000 * found.look_cpu_s)} of processor time"
    others = f"; {found.others:,} of other runs" if found.others else ""
    gaps = f"; {found.gaps:,} failed, the first: {found.first_gap}" if found.gaps else ""
    return f"at the source: {cost}{others}{gaps}; {_clock(found)}"


def _clock(found: EffectsFound) -> str:
    if not found.dated:
        return "it does not say when effects happened: times are those at which they were first seen, upper bounds"
    if found.clock is None:
        return "it does not say its time, so its clock was taken for ours"
    error = numbers.milliseconds(found.clock.error_ms)
    return f"its clock is {found.clock.ahead_ms:+.3g} ms ahead of ours, right to within {error}"


def _latencies(result: RunResult, found: EffectsFound) -> Table:
    """Response beside effect: the answer and the work."""
    answer = result.totals.latency_ms.get("response", _NONE)
    named = [
        (facts.headline_metric(result), answer),
        ("answer to effect", found.ack_to_effect_ms or _NONE),
        ("effect", found.effect_ms or _NONE),
    ]
    rows: list[Row] = [(label, *(latency_cell(stats, name) for name in LATENCIES)) for label, stats in named]
    columns = (Column("Latency", words=True, long=True), *latency_columns())
    return Table("Answer and work", columns, rows)


def _chart(found: EffectsFound) -> Chart:
    rows = found.series
    words = "The area between the lines is the backlog: events that were acknowledged and not yet done."
    titles = ("acknowledged", "done", "backlog", "backlog as said")
    columns = (Column("Until", words=True), *(Column(title) for title in titles))
    table = [
        (
            f"{row.t_s:g} s",
            numbers.count(row.acknowledged),
            numbers.count(row.done),
            numbers.count(row.acknowledged - row.done),
            numbers.count(row.said),
        )
        for row in rows
    ]
    figure = _figure([0.0, *(row.t_s for row in rows)], found)
    return Chart("effects", figure, words, Table("Acknowledged and done over time", columns, table))


def _figure(t_s: list[float], found: EffectsFound) -> Figure:
    def line(name: str, values: list[int], colour: str, **more: object) -> dict[str, object]:
        texts = [f"{name} {value:,}" for value in values]
        return {
            "type": "scatter",
            "mode": "lines",
            "x": t_s,
            "y": values,
            "text": texts,
            "name": name,
            "hovertemplate": "%{text}<extra></extra>",
            "line": {"color": f"var(--{colour})", "width": 2},
            **more,
        }

    done, acknowledged = [0, *(row.done for row in found.series)], [0, *(row.acknowledged for row in found.series)]
    traces = [
        line("done", done, "completed"),
        line("acknowledged", acknowledged, "sent", fill="tonexty", fillcolor="var(--refused-area)"),
    ]
    marks = {
        "shapes": [
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": found.load_s,
                "x1": found.load_s,
                "y0": 0,
                "y1": 1,
                "line": {"color": "var(--muted)", "width": 1, "dash": "dot"},
            }
        ]
    }
    return plotly_figure(traces, xaxis=time_axis(t_s), yaxis=count_axis("events since the start"), **marks)

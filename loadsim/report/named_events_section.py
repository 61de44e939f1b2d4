"""The sections with the events that a result names: the slowest, and the first failing one of each kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadsim.measure.result import RunResult
from loadsim.measure.result_events import EventRow
from loadsim.model import MS_PER_S
from loadsim.outcome_codes import UNFINISHED, kind_name
from loadsim.report import numbers
from loadsim.report.blocks import Cell, Column, Section, Table, Tone

TOP = 5
"""Rows that a terminal shows."""
_INDEX = Column("Event")
_TIMES = (Column("Due at"), Column("Response"), Column("Service"))
_WORDS = (Column("Type", words=True, long=True), Column("Case", words=True, spare=True))
_PHASE = Column("Phase", words=True, spare=True)
_UNFINISHED = kind_name(UNFINISHED)


def slowest_section(result: RunResult) -> Section:
    """The slowest events by response time; those by service time where they are others."""
    note = "of recorded phases; loadsim explain RUN EVENT shows one"
    return Section("slowest", "Slowest events", list(_slowest(result)), note)


def _slowest(result: RunResult) -> Iterator[Table]:
    columns = (_INDEX, *_TIMES, Column("Answer", words=True), *_WORDS, _PHASE)
    shown: set[frozenset[int]] = set()
    for order, events in result.slowest.items():
        which = frozenset(event.index for event in events)
        if which not in shown:
            caption = "Slowest events" if not shown else f"By {order} time"
            rows = [(str(e.index), *_times(e), _answer(e), *_words(e)) for e in events]
            yield Table(caption, columns, rows, top=TOP)
        shown.add(which)


def failing_section(result: RunResult) -> Section:
    """The first event of each failing status or error kind, by kind of case."""
    columns = (Column("Answer", words=True), _INDEX, *_TIMES, *_WORDS, _PHASE)
    rows = [(_answer(e, "bad"), str(e.index), *_times(e), *_words(e)) for e in result.failing]
    title = "First failing events"
    return Section("failing", title, [Table(title, columns, rows, top=TOP)], "the first of each kind and case")


def _answer(event: EventRow, tone: Tone = "") -> Cell:
    return Cell(numbers.outcome_name(event.kind), tone)


def _times(event: EventRow) -> tuple[str, ...]:
    bound = "≥ " if event.kind == _UNFINISHED else ""
    times = (f"{bound}{numbers.milliseconds(event.response_ms)}", numbers.milliseconds(event.service_ms))
    return (numbers.milliseconds(MS_PER_S * event.due_s), *times)


def _words(event: EventRow) -> Sequence[Cell | str]:
    """Type with the trace id below it, case and phase."""
    sampled = " sampled" if event.sampled else ""
    trace = "" if event.trace_id is None else f"{event.trace_id}{sampled}"
    return (Cell(event.type, under=trace, link=event.link or ""), event.case, event.phase)

"""Reads the captures that a scenario names, once, before the first event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loadsim.events import catalogue, read_recorded, recorded_pace
from loadsim.events.capture_file import LINES, by_time
from loadsim.input_files import read_bytes_file
from loadsim.inputs.event_names import full_name
from loadsim.model import LARGEST_CAPTURE, Capture, RecordedEvent, UsageError
from loadsim.plan import Scenario
from loadsim.plan.arrivals import process_of
from loadsim.plan.scenario import EventMix
from loadsim.signing import family, scheme

MOST_TYPES = 500
"""Each type has figures of its own in every generator process."""


def captures_of(scenario: Scenario) -> tuple[dict[str, Capture], tuple[int, ...]]:
    """The captures that the scenario names, by the type of their `[[events]]`, and the pace where arrivals are as
    recorded. Raises UsageError naming the file."""
    timed = any(not process_of(phase).has_rate for phase in scenario.phases)
    taken = {event.type for event in scenario.events}
    schemes = family(scheme(scenario.target.scheme, scenario.target.custom))
    captures: dict[str, Capture] = {}
    pace: tuple[int, ...] = ()
    for event in scenario.events:
        if event.payloads is None:
            continue
        rows = read_recorded(read_bytes_file(event.payloads, LARGEST_CAPTURE), event.payloads)
        if timed:
            rows = by_time(rows, event.payloads)
            pace = recorded_pace(rows, event.payloads)
        captures[event.type] = _capture(event, event.payloads, rows, schemes, taken - {event.type})
        taken |= set(captures[event.type].names)
    return captures, pace


def _capture(
    event: EventMix, source: str, rows: tuple[RecordedEvent, ...], schemes: Sequence[str], taken: set[str]
) -> Capture:
    if not source.lower().endswith(LINES):
        return Capture(rows, (event.type,))
    written = [row.type or event.type for row in rows]
    types = list(dict.fromkeys(written))
    if len(types) > MOST_TYPES:
        raise UsageError(f"{source}: {len(types):,} event types, at most {MOST_TYPES} can be reported: cut the capture")
    names = {name: _name(name, event.type, source, _of_type(rows, written, name), schemes, taken) for name in types}
    numbers = {name: number for number, name in enumerate(types)}
    return Capture(rows, tuple(names.values()), tuple(numbers[name] for name in written) if len(types) > 1 else ())


def _of_type(rows: Iterable[RecordedEvent], written: Iterable[str], name: str) -> list[RecordedEvent]:
    return [row for row, own in zip(rows, written, strict=True) if own == name]


def _name(
    name: str, event: str, source: str, rows: Sequence[RecordedEvent], schemes: Sequence[str], taken: set[str]
) -> str:
    """The name of a type in reports. Rows without a body need a type that can be made."""
    whole = {row.body is not None for row in rows}
    if len(whole) > 1:
        raise UsageError(f'{source}: of type "{name}" some rows have a body and some have none: split the capture')
    if whole == {True}:
        return name if name not in taken else f"{name} ({event})"
    full = full_name(name, schemes)
    if full not in {known.name for known in catalogue()}:
        raise UsageError(
            f'{source}: rows have no body, and "{name}" is no event type that loadsim can make: write the type of an '
            "event into them, or into [[events]]"
        )
    if full in taken:
        raise UsageError(f'{source}: "{full}" is a type of another [[events]] too: name it once')
    return full

"""Reads the captures that a scenario names, once, before the first event."""

from __future__ import annotations

from loadsim.events import read_recorded, recorded_pace
from loadsim.input_files import read_bytes_file
from loadsim.model import RecordedEvent
from loadsim.plan import Scenario
from loadsim.plan.arrivals import process_of


def captures_of(scenario: Scenario) -> tuple[dict[str, tuple[RecordedEvent, ...]], tuple[int, ...]]:
    """The captures that the scenario names, by event type, and the pace where arrivals are as recorded."""
    captures = {
        event.type: read_recorded(read_bytes_file(event.payloads), event.payloads)
        for event in scenario.events
        if event.payloads is not None
    }
    pace: tuple[int, ...] = ()
    if any(not process_of(phase).has_rate for phase in scenario.phases):
        event = scenario.events[0]
        pace = recorded_pace(captures[event.type], str(event.payloads))
    return captures, pace

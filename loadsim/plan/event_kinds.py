"""The event types of a run: those of its `[[events]]`, and in place of a capture the types of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from loadsim.model import Capture
from loadsim.plan.scenario import EventMix

NOTHING_RECORDED: Mapping[str, Capture] = MappingProxyType({})


class EventKind(NamedTuple):
    """One event type and its weight."""

    name: str
    weight: float


def event_kinds(events: Sequence[EventMix], recorded: Mapping[str, Capture] = NOTHING_RECORDED) -> list[EventKind]:
    """The types in the order of their numbers. `recorded`: the captures, by the type of their `[[events]]`.

    The types of a capture share its weight as their rows do.
    """
    found: list[EventKind] = []
    for event in events:
        capture = recorded.get(event.type)
        if capture is None:
            found.append(EventKind(event.type, event.weight))
            continue
        rows = Counter(capture.numbers)
        parts = [rows[number] / len(capture.rows) for number in range(len(capture.names))] if rows else [1.0]
        found += [EventKind(name, event.weight * part) for name, part in zip(capture.names, parts, strict=True)]
    return found

"""What an event contains: the catalogue of event types, and the fields that vary from event to event.

The bytes of event *i* depend on the seed, `i` and the wall clock, which is an argument.
"""

from loadsim.events.capture_file import RecordedSource, read_recorded, recorded_pace
from loadsim.events.event_document import sample_payload
from loadsim.events.event_source import EventSource, id_prefixes
from loadsim.events.event_types import (
    FORM_TYPE,
    JSON_TYPE,
    EventType,
    catalogue,
    default_types,
    event_type,
    holds_json,
)
from loadsim.events.overrides import parse_override

__all__ = [
    "FORM_TYPE",
    "JSON_TYPE",
    "EventSource",
    "EventType",
    "RecordedSource",
    "catalogue",
    "default_types",
    "event_type",
    "holds_json",
    "id_prefixes",
    "parse_override",
    "read_recorded",
    "recorded_pace",
    "sample_payload",
]

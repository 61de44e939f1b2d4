"""The catalogue of event types, with a sample of each.

Trackpilots' samples are the JSON files in `catalogue/`, as the provider documents them. Those of other providers are in
directories named after their signature scheme; such a file also says which fields vary (see `field_rules`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from loadsim.model import JsonValue, UsageError
from loadsim.spelling import did_you_mean

TRACKPILOTS = "trackpilots"
_CATALOGUE = Path(__file__).with_name("catalogue")
JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"


def holds_json(content_type: str) -> bool:
    """Whether bodies of a media type are JSON, as those of `application/webhook+json` are."""
    return "json" in content_type.lower()


_DESCRIPTIONS = {
    "desktop.activity_tracking.captured": "A user started or stopped working (work mode on or off).",
    "desktop.app_tracking.captured": "An app or website a user had in front, for how long.",
    "desktop.screenshot_tracking.captured": "A screenshot, the app it shows and whether the user was idle.",
}


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type. `name` is loadsim's name for it, `topic` the provider's name in headers."""

    name: str
    description: str
    scheme: str = TRACKPILOTS
    topic: str = ""
    template: bytes = b""
    varies: Mapping[str, str] | None = None
    """Path in the sample -> rule (see `field_rules`); None for those in `trackpilots_fields`."""
    content_type: str = JSON_TYPE
    """The media type of the body: JSON, or a form, of which the sample then has the fields and values."""

    def sample(self) -> JsonValue:
        """A fresh copy of the sample, keys in the documented order."""
        return orjson.loads(self.template)


def _trackpilots() -> list[EventType]:
    return [
        EventType(name, description, topic=name, template=(_CATALOGUE / f"{name}.json").read_bytes())
        for name, description in _DESCRIPTIONS.items()
    ]


def _of_providers() -> list[EventType]:
    found = []
    for folder in sorted(_CATALOGUE.iterdir(), key=lambda entry: entry.name):
        if not folder.is_dir():
            continue
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            document: dict[str, Any] = orjson.loads(file.read_bytes())
            found.append(
                EventType(
                    name=f"{folder.name}.{file.name.removesuffix('.json')}",
                    description=document["description"],
                    scheme=folder.name,
                    topic=document["topic"],
                    template=orjson.dumps(document["sample"]),
                    varies=document["varies"],
                    content_type=document.get("content_type", JSON_TYPE),
                )
            )
    return found


@functools.cache
def catalogue() -> tuple[EventType, ...]:
    """Every event type: Trackpilots' first, then by provider, in alphabetical order."""
    return (*_trackpilots(), *_of_providers())


def default_types(schemes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The types of the first of these signature schemes that has event types, else Trackpilots'."""
    for scheme in (*schemes, TRACKPILOTS):
        names = tuple(each.name for each in catalogue() if each.scheme == scheme)
        if names:
            return names
    return ()


def event_type(name: str) -> EventType:
    """The type of that name. Raises UsageError that suggests known ones."""
    for known in catalogue():
        if known.name == name:
            return known
    names = [known.name for known in catalogue()]
    hint = did_you_mean(name, names, after=" ")
    shown = ", ".join(default_types())
    raise UsageError(
        f"unknown event type {name!r}: {hint}known types are {shown}, and those of other providers: loadsim events"
    )

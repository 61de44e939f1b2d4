"""The catalogue: which event types there are, and the documented sample of each.

The samples are the JSON files in `catalogue/`, one per type, as the provider documents them. This file knows nothing
of how a sample's fields vary.
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass
from importlib import resources
from typing import Any

import orjson

from loadsim.model import UsageError

_DESCRIPTIONS = {
    "desktop.activity_tracking.captured": "A user started or stopped working (work mode on or off).",
    "desktop.app_tracking.captured": "An app or website a user had in front, for how long.",
    "desktop.screenshot_tracking.captured": "A screenshot, the app it shows and whether the user was idle.",
}


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type. `name` is the value of the body's `event` field."""

    name: str
    description: str

    def sample(self) -> dict[str, Any]:
        """A fresh copy of the documented payload, keys in the documented order."""
        document: dict[str, Any] = orjson.loads(_template(self.name))
        return document


@functools.cache
def _template(name: str) -> bytes:
    return (resources.files("loadsim.events") / "catalogue" / f"{name}.json").read_bytes()


_CATALOGUE = tuple(EventType(name, description) for name, description in _DESCRIPTIONS.items())


def catalogue() -> tuple[EventType, ...]:
    """Every event type, in alphabetical order."""
    return _CATALOGUE


def event_type(name: str) -> EventType:
    """The type of that name. Raises UsageError with the known names, and the nearest one."""
    for known in _CATALOGUE:
        if known.name == name:
            return known
    names = [known.name for known in _CATALOGUE]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown event type {name!r}: {hint}known types are {', '.join(names)}")

"""The JSON document of an event type under the user's options, before the fields of an event are filled in.

The options are the `simulation` field, the size and form of the image, and overrides. `trackpilots_fields` and
`field_rules` fill in the fields that differ from event to event.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import orjson

from loadsim.events.event_types import EventType, event_type
from loadsim.events.overrides import Override
from loadsim.events.screenshot_image import image_value, parse_image
from loadsim.events.trackpilots_fields import carries_image, set_image
from loadsim.model import JsonValue, UsageError


def event_document(
    kind: EventType, seed: int, simulation: bool, image: str, overrides: Iterable[tuple[str, JsonValue]]
) -> tuple[JsonValue, JsonValue, tuple[Override, ...]]:
    """The document before any event is filled in, the image to insert (None: keep the placeholder), the checked
    overrides."""
    document = kind.sample()
    if not simulation and kind.varies is None:
        del document["simulation"]  # only Trackpilots' events have the field
    form = parse_image(image)
    if form.kind != "placeholder" and (kind.varies is not None or not carries_image(document)):
        raise UsageError(f"image {image!r}: events of type {kind.name} carry no image")
    picture = image_value(form, seed)
    return document, picture, _resolve(overrides, document, picture)


def sample_payload(
    type: str,  # noqa: A002 - the field's own name
    *,
    simulation: bool = True,
    image: str = "placeholder",
    overrides: Iterable[tuple[str, JsonValue]] = (),
) -> JsonValue:
    """The documented sample of a type, changed by the same options as the bodies of an EventSource."""
    document, picture, resolved = event_document(event_type(type), 0, simulation, image, overrides)
    set_image(document, picture)
    for override in resolved:
        override.apply(document)
    return document


def _resolve(
    overrides: Iterable[tuple[str, JsonValue]], document: JsonValue, picture: JsonValue
) -> tuple[Override, ...]:
    """Check every path against the template; a later path may lead into a value that an earlier one set."""
    sample = copy.deepcopy(document)
    set_image(sample, picture)
    resolved = []
    for path, value in overrides:
        try:
            orjson.dumps(value)
        except TypeError as error:
            raise UsageError(f"cannot set {path!r}: {error}") from None
        override = Override(path, copy.deepcopy(value), sample)
        override.apply(sample)
        resolved.append(override)
    return tuple(resolved)

"""The exact body of event *i* of a seed.

`body(i, now)` depends on the seed, the type, the options, `i` and `now` alone: any process can make any event, in any
order. It fills one template in place, so a source belongs to one thread. Refuses to know the clock and the plan.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson

from loadsim.events.fill import FILLERS, set_constants
from loadsim.events.image import image_value, parse_image
from loadsim.events.overrides import Override
from loadsim.events.pools import SITUATIONS, organisation, situations
from loadsim.events.seeding import bit_generator, identifier
from loadsim.events.templates import event_type
from loadsim.model import NS_PER_MS, JsonValue, UsageError

BLOCK = 4096
"""Events per block of random numbers."""
LARGEST_INDEX = (1 << 48) - 1
"""An index must fit the twelve last hex digits of an id."""
_LAST_DIGITS = tuple(f"{offset:03x}" for offset in range(BLOCK))
_dumps = orjson.dumps


class EventSource:
    """The events of one type."""

    def __init__(
        self,
        type: str,  # noqa: A002 - the field's own name
        seed: int,
        *,
        simulation: bool = True,
        image: str = "placeholder",
        overrides: Iterable[tuple[str, JsonValue]] = (),
    ) -> None:
        """Prepare the template.

        `simulation=False` leaves the `simulation` field out, as live events do. `image` is `placeholder`,
        `buffer:SIZE` or `base64:SIZE`. `overrides` are (path, value) pairs, applied in order, last of all.
        Raises UsageError for an unknown type, image or path.
        """
        self.type = type
        document = event_type(type).sample()
        if not simulation:
            del document["simulation"]
        form = parse_image(image)
        if form.size and "screenshot" not in type:
            raise UsageError(f"image {image!r}: events of type {type} carry no image")
        picture = image_value(form, seed)
        set_constants(document, organisation(seed), picture)
        self._overrides = _resolve(overrides, document)
        if picture is not None and not self._overrides:
            set_constants(document, organisation(seed), _frozen(picture))
        self._document = document
        self._fill = FILLERS[type](document, situations(seed, copy.copy if self._overrides else _frozen))
        self._prefix = identifier(seed, type)[:-12]
        self._seed = seed
        self._turn(0)

    def event_id(self, index: int) -> str:
        """The id of event `index`: a UUID in form, whose last twelve hex digits are the index."""
        return f"{self._prefix}{index:012x}"

    def body(self, index: int, now_ns: int) -> bytes:
        """The JSON of event `index` (0..LARGEST_INDEX) as it stands at `now_ns`, in ns since 1970."""
        if index >> 12 != self._block:
            self._turn(index >> 12)
        offset = index & 4095
        self._fill(self._picks[offset], self._head + _LAST_DIGITS[offset], now_ns // NS_PER_MS)
        if self._overrides:
            for override in self._overrides:
                override.apply(self._document)
        return _dumps(self._document)

    def _turn(self, block: int) -> None:
        """Draw the situations of another block, and write the part of the id that its events share."""
        draw = np.random.Generator(bit_generator(self._seed, self.type, block))
        self._picks: list[int] = draw.integers(0, SITUATIONS, BLOCK, dtype=np.uint16).tolist()
        self._head = f"{self._prefix}{block:09x}"
        self._block = block


def _frozen(value: Any) -> orjson.Fragment:
    """A value that is the same for many events, already serialised."""
    return orjson.Fragment(orjson.dumps(value))


def _resolve(overrides: Iterable[tuple[str, JsonValue]], document: dict[str, Any]) -> tuple[Override, ...]:
    """Check every path against the template; a later path may lead into what an earlier one set."""
    sample = copy.deepcopy(document)
    resolved = []
    for path, value in overrides:
        override = Override(path, copy.deepcopy(value), sample)
        override.apply(sample)
        try:
            orjson.dumps(value)
        except TypeError as error:
            raise UsageError(f"cannot set {path!r}: {error}") from None
        resolved.append(override)
    return tuple(resolved)

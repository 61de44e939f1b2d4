"""The exact body of event *i* of a seed.

`body(i, now)` depends only on the seed, the type, the options, `i` and `now`: any process can make any event, in any
order. A source fills one template in place, so it must be used by one thread only.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote_plus

import numpy as np
import orjson

from loadsim.compiled_step import step
from loadsim.events.compiled_templates import CompiledTemplate, Renderer, compile_template
from loadsim.events.event_document import event_document
from loadsim.events.event_types import FORM_TYPE, catalogue, event_type
from loadsim.events.field_rules import id_prefix, varying
from loadsim.events.random_organisation import SITUATIONS, organisation, situations
from loadsim.events.seeding import bit_generator, identifier
from loadsim.events.trackpilots_fields import FILLERS, set_image, set_organisation
from loadsim.model import NS_PER_MS, JsonValue

BLOCK = 4096
"""Events per block of random numbers."""
LARGEST_INDEX = (1 << 48) - 1
"""An index must fit the twelve last hex digits of an id."""
_LAST_DIGITS = tuple(b"%03x" % offset for offset in range(BLOCK))
_NONE: CompiledTemplate = (b"",)
"""Marks a situation whose template cannot be compiled: its bodies are serialised one by one."""
_dumps = orjson.dumps
BodyParts = tuple[
    int, list[int], list[CompiledTemplate | None], bytes, tuple[bytes, ...], dict[int, bytes], bytes, bytes
]
"""The number of a block of events, their situations, the templates of these, the beginning of the block's ids, the last
digits of all ids, and `Renderer.times`."""


def _form(document: JsonValue) -> bytes:
    """The fields of the document as a form (application/x-www-form-urlencoded); values that are not text as in JSON."""
    pairs = [
        _pair(name, value if isinstance(value, str) else _dumps(value).decode()) for name, value in document.items()
    ]
    return "&".join(pairs).encode()


@functools.lru_cache(maxsize=1024)  # most fields are the same in every event of a type
def _pair(name: str, value: str) -> str:
    return f"{_name(name)}={value if value.isascii() and value.isalnum() else quote_plus(value)}"


_name = functools.lru_cache(maxsize=256)(quote_plus)


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
        kind = event_type(type)
        document, picture, self._overrides = event_document(kind, seed, simulation, image, overrides)
        self.topic = kind.topic
        self.content_type = kind.content_type
        self._dumps = _form if kind.content_type == FORM_TYPE else _dumps
        self.has_documents = kind.varies is not None and kind.content_type != FORM_TYPE
        """Whether `document` has plain values only."""
        self.has_templates = kind.varies is None and not self._overrides
        """Whether bodies may be made of compiled templates."""
        self._seed = seed
        self._prefix = identifier(seed, type)[:-12]
        self._document = document
        self._compiled: list[CompiledTemplate | None] = [_NONE if kind.varies is not None else None] * SITUATIONS
        self._renderer = Renderer()
        self._render = self._renderer.render
        self._check = Renderer()
        self._turn(0)
        if kind.varies is not None:
            self._fill = varying(document, kind.varies, seed, type)
            return
        # Values that many events share are serialised once, unless an override may change a part of them.
        hold = copy.copy if self._overrides else _frozen
        set_organisation(document, hold(organisation(seed)))
        set_image(document, None if picture is None else hold(picture))
        self._fill = FILLERS[type](document, situations(seed, hold))

    def event_id(self, index: int) -> str:
        """The id of event `index`, in the form of a UUID; its last twelve hex digits are the index."""
        return f"{self._prefix}{index:012x}"

    def body(self, index: int, now_ns: int) -> bytes:
        """The JSON of event `index` (0..LARGEST_INDEX) at `now_ns`, in ns since 1970."""
        return self.bodies((index,), now_ns)[0]

    def bodies(self, indexes: Sequence[int], now_ns: int) -> list[bytes]:
        """The bodies of several events at one time; cheaper for each than `body`."""
        now_ms = now_ns // NS_PER_MS
        block, picks, head, known = self._block, self._picks, self._head, self._compiled
        found = []
        for index in indexes:
            if index >> 12 != block:
                self._turn(index >> 12)
                block, picks, head = self._block, self._picks, self._head
            offset = index & 4095
            number = picks[offset]
            compiled = known[number] or self._compile(number)
            if compiled is _NONE:
                return [self._one(index, now_ms) for index in indexes]
            found.append((compiled, head + _LAST_DIGITS[offset]))
        return self._render(found, now_ms)

    def bodies_by_step(self, indexes: Sequence[int], now_ns: int) -> list[bytes]:
        """As `bodies`, by the compiled step where a compiled template is there."""
        assert step is not None  # noqa: S101 - whoever calls this has asked
        found: list[bytes] = []
        while len(found) < len(indexes):
            rest = indexes[len(found) :] if found else indexes
            found += step.bodies(rest, *self.parts_at(now_ns))
            if len(found) < len(indexes):
                found.append(self.body(indexes[len(found)], now_ns))
        return found

    def parts_at(self, now_ns: int) -> BodyParts:
        """What the compiled step makes bodies of. It is valid for this block of events and this millisecond, as long as
        no body of another time is made."""
        times = self._renderer.times(now_ns // NS_PER_MS)
        return self._block, self._picks, self._compiled, self._head, _LAST_DIGITS, *times

    def document(self, index: int, now_ns: int) -> JsonValue:
        """What `orjson.dumps` makes the body of. It is valid until the next call of any method; whoever changes it must
        undo that before."""
        return self._document_of(index, now_ns // NS_PER_MS)

    def _one(self, index: int, now_ms: int) -> bytes:
        """One body, serialised without a compiled template."""
        return self._dumps(self._document_of(index, now_ms))

    def _document_of(self, index: int, now_ms: int) -> JsonValue:
        if index >> 12 != self._block:
            self._turn(index >> 12)
        return self._filled(self._picks[index & 4095], self.event_id(index), now_ms)

    def _filled(self, number: int, event_id: str, now_ms: int) -> JsonValue:
        self._fill(number, event_id, now_ms)
        for override in self._overrides:
            override.apply(self._document)
        return self._document

    def _serialise(self, number: int, event_id: str, now_ms: int) -> bytes:
        return self._dumps(self._filled(number, event_id, now_ms))

    def _compile(self, number: int) -> CompiledTemplate:
        """The compiled template of a situation, made when the situation is first needed and kept for the whole run."""
        found = None if self._overrides else compile_template(functools.partial(self._serialise, number), self._check)
        compiled = self._compiled[number] = found or _NONE
        return compiled

    def _turn(self, block: int) -> None:
        """Draw the situations of another block, and prepare the part of the id that its events share."""
        draw = np.random.Generator(bit_generator(self._seed, self.type, block))
        self._picks: list[int] = draw.integers(0, SITUATIONS, BLOCK, dtype=np.uint16).tolist()
        self._head = f"{self._prefix}{block:09x}".encode()
        self._block = block


def id_prefixes(name: str, seed: int) -> set[str]:
    """The prefixes of the ids of events of a type, in bodies or headers; the twelve hex digits of the index follow.

    A name that is not in the catalogue is that of a capture.
    """
    kind = next((kind for kind in catalogue() if kind.name == name), None)
    rules = (kind.varies or {}).values() if kind is not None else ()
    found = (id_prefix(rule, seed, name) for rule in rules)
    return {identifier(seed, name)[:-12], *(prefix for prefix in found if prefix is not None)}


def _frozen(value: Any) -> orjson.Fragment:
    """A value that many events share, serialised in advance."""
    return orjson.Fragment(orjson.dumps(value))

"""A field of a body: read, set or taken away, in JSON by its path, in a form by its name.

Setting a field writes JSON again in its compact form; the other fields of a form keep their bytes.
"""

from __future__ import annotations

import functools
from typing import Any, Literal
from urllib.parse import quote_plus, unquote_plus

import orjson

from loadsim.signing.message_parts import Delivered, PartError, found_at

BodyPlace = Literal["json", "form"]


def field_of(place: BodyPlace, name: str, body: bytes) -> str | None:
    """The text of the field; None where the body has none."""
    delivered = Delivered(body, None)
    try:
        value = delivered.json(name) if place == "json" else delivered.form(name)
    except PartError:
        return None
    return value.decode("utf-8", "replace")


def with_field(place: BodyPlace, name: str, body: bytes, value: str) -> bytes:
    """The body with a text in the field, which is added where it is missing. Raises PartError for another kind of
    body."""
    return sealed_with(place, name, Delivered(body, None), value)


def sealed_with(place: BodyPlace, name: str, delivered: Delivered, value: str) -> bytes:
    """As `with_field`, of a delivery that is not read afterwards: JSON that was parsed is not parsed again."""
    if place == "form":
        return _changed_form(name, delivered.body, f"{quote_plus(name)}={quote_plus(value)}".encode())
    document, parent, last = _parent(name, delivered)
    parent[last] = value
    return orjson.dumps(document)


def sealed_document(name: str, delivered: Delivered, value: str) -> bytes:
    """The JSON of a document with a text in the field; the document stays as it is. Raises PartError."""
    document, parent, last = _parent(name, delivered)
    before = parent[last] if isinstance(parent, list) else parent.get(last, parent)
    parent[last] = value
    body = orjson.dumps(document)
    if before is parent:  # there was none
        del parent[last]
    else:
        parent[last] = before
    return body


def without_field(place: BodyPlace, name: str, body: bytes) -> bytes:
    """The body without the field. Raises PartError for another kind of body."""
    if place == "form":
        return _changed_form(name, body, b"")
    document, parent, last = _parent(name, Delivered(body, None))
    if isinstance(parent, dict):
        parent.pop(last, None)
    return orjson.dumps(document)


def _changed_form(name: str, body: bytes, pair: bytes) -> bytes:
    kept = [each for each in body.split(b"&") if each and _name_of(each) != name]
    return b"&".join([*kept, pair] if pair else kept)


def _name_of(pair: bytes) -> str:
    name = pair.partition(b"=")[0].decode("utf-8", "replace")
    return unquote_plus(name) if "%" in name or "+" in name else name


def _parent(path: str, delivered: Delivered) -> tuple[Any, Any, Any]:
    """The whole document, the object or list that has the field, and its key there."""
    before, last = _split(path)
    document = delivered.taken()
    parent = found_at(document, before) if before else document
    if isinstance(parent, dict):
        return document, parent, last
    if isinstance(parent, list) and last.isdigit() and int(last) < len(parent):
        return document, parent, int(last)
    raise PartError(f"the body has no field {path}")


@functools.cache
def _split(path: str) -> tuple[str, str]:
    before, _, last = path.rpartition(".")
    return before, last

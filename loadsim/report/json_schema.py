"""The JSON Schema of a document that loadsim writes, from the types that it is written from.

The meaning of a key is the docstring under its field, as in a scenario file; what a key means wherever it stands is
said once, here. A schema allows keys that it does not name: a later version may add some.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import msgspec.inspect as inspect

from loadsim.plan.reference import docstrings
from loadsim.plan.schema import DIALECT

EVERYWHERE = {
    "schema": "Name and version of this document's form. The version grows when a key is removed or changes its "
    "meaning, and not when one is added.",
    "id": "Of this result; it is also the name of its directory.",
    "name": "What it is called in reports.",
    "started_at": "ISO 8601, UTC.",
    "ended_at": "ISO 8601, UTC.",
    "version": "Of loadsim.",
    "environment": "The machine and the software that measured.",
    "stdev": "Standard deviation.",
    "seed": "The same seed gives the same events.",
    "workers": "Number of generator processes.",
    "status": "HTTP status → number of answers.",
    "errors": "Error kind → number of events without a complete, valid answer.",
    "deliveries": "How many were sent.",
    "unfinished": "Still under way at the end.",
    "t_s": "When it begins, since the start of the run.",
    "width_s": "How long it is.",
    "reasons": "In words: why the outcome is what it is.",
    "ending": "How it came out; `unsure`: the machine was too noisy to tell.",
    "rate_completed": "Answers per second.",
    "success_rate": "2xx answers as a fraction of the events sent.",
    "sent": "Events sent.",
    "interval": "95 %; None: too few rounds for one.",
    "rounds": "How often everything was measured.",
    "scheme": "Name of the signature scheme.",
    "text": "As it was given.",
    "label": "In words.",
}
"""Key → what it means in every document, where nothing stands under its field."""
_PERCENTILE = re.compile(r"p(?P<number>\d+(?:_\d+)?)(?P<unit>_ms)?")
_IN_JSON = {"None": "null", "True": "true", "False": "false"}
_REFERENCE = "#/$defs/"


def json_schema(kind: type, schema: str) -> dict[str, Any]:
    """The schema of the documents of a type; `schema` is the value of their key of that name."""
    document = msgspec.json.schema(kind)
    definitions = document["$defs"]
    for cls in structs_of(kind):
        _describe(definitions[cls.__name__], cls)
    top = definitions.pop(document["$ref"].removeprefix(_REFERENCE))
    top["properties"]["schema"] = {"const": schema, "description": top["properties"]["schema"]["description"]}
    return {"$schema": DIALECT, "$id": f"urn:loadsim:{schema}", **top, "$defs": definitions}


def structs_of(kind: type) -> list[type[msgspec.Struct]]:
    """The type and all that stand in it, each once, in the order of the document."""
    return list(dict.fromkeys(_structs(inspect.type_info(kind))))


def meaning(kind: type, name: str) -> str:
    """What a field means; empty where nothing is written."""
    found = docstrings(kind).get(name) or EVERYWHERE.get(name, "")
    percentile = _PERCENTILE.fullmatch(name)
    if not found and percentile is not None:
        found = f"Percentile {percentile['number'].replace('_', '.')}."
    return in_json(found)


def in_json(text: str) -> str:
    """A docstring in the words of JSON."""
    return re.sub(r"\b(None|True|False)\b", lambda word: _IN_JSON[word[0]], text)


def _structs(kind: inspect.Type) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, inspect.StructType):
        yield kind.cls
        inner = [field.type for field in kind.fields]
    elif isinstance(kind, inspect.UnionType):
        inner = list(kind.types)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        inner = [kind.item_type]
    elif isinstance(kind, inspect.TupleType):
        inner = list(kind.item_types)
    else:
        inner = [kind.value_type] if isinstance(kind, inspect.DictType) else []
    for each in inner:
        yield from _structs(each)


def _describe(definition: dict[str, Any], cls: type[msgspec.Struct]) -> None:
    """Add what each key means. All are required: a document that is written has every key."""
    struct = inspect.type_info(cls)
    fields = struct.fields if isinstance(struct, inspect.StructType) else ()
    for field in fields:
        definition["properties"][field.encode_name]["description"] = meaning(cls, field.name)
        definition["properties"][field.encode_name].pop("default", None)
    del definition["title"]
    definition["description"] = in_json(" ".join((cls.__doc__ or "").split()))
    definition["required"] = [field.encode_name for field in fields]

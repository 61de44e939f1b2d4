"""The JSON Schema of a scenario file, from the types that read it. Editors complete and check keys with it.

It says which keys there are, their types and ranges. Rules between keys are in `scenario_rules` and not repeated here.
"""

from __future__ import annotations

from typing import Any

import msgspec
import msgspec.inspect as inspect

from loadsim.plan.reference import meaning_of
from loadsim.plan.scenario import Scenario
from loadsim.plan.typed_document import EXAMPLES, is_share, plain

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_TEXT = {"type": "string"}


def scenario_schema() -> dict[str, Any]:
    """The schema of a scenario file."""
    return {"$schema": DIALECT, "title": "A scenario of loadsim", **_of(inspect.type_info(Scenario))}


def _of(kind: inspect.Type) -> dict[str, Any]:
    """The schema of one type."""
    if isinstance(kind, inspect.UnionType):
        members = [_of(member) for member in kind.types if not isinstance(member, inspect.NoneType)]
        return members[0] if len(members) == 1 else {"anyOf": members}
    if isinstance(kind, inspect.Metadata):
        return {**_TEXT, "examples": [EXAMPLES[(kind.extra or {})["unit"]]]}
    if isinstance(kind, inspect.StructType):
        return _table(kind)
    if isinstance(kind, inspect.VarTupleType):
        return {"type": "array", "items": _of(kind.item_type)}
    if isinstance(kind, inspect.DictType):
        return {"type": "object", "additionalProperties": _of(kind.value_type)}
    if isinstance(kind, inspect.LiteralType):
        return {"enum": list(kind.values)}
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        limits = {name: getattr(kind, short) for short, name in _LIMITS.items() if getattr(kind, short) is not None}
        number = {"type": "integer" if isinstance(kind, inspect.IntType) else "number", **limits}
        return {"anyOf": [number, {**_TEXT, "examples": [EXAMPLES["share"]]}]} if is_share(kind) else number
    if isinstance(kind, inspect.BoolType):
        return {"type": "boolean"}
    return dict(_TEXT) if isinstance(kind, inspect.StrType) else {}


def _table(kind: inspect.StructType) -> dict[str, Any]:
    keys = {
        field.encode_name: {**_of(field.type), "description": meaning_of(kind.cls, field), **_default(field)}
        for field in kind.fields
    }
    required = [field.encode_name for field in kind.fields if field.required]
    schema: dict[str, Any] = {"type": "object", "properties": keys, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def _default(field: inspect.Field) -> dict[str, Any]:
    value = field.default
    if value is msgspec.NODEFAULT or value in (None, "") or isinstance(value, msgspec.Struct):
        return {}
    return {"default": plain(value, field.type)}

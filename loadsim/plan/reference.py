"""Every key of a file, from the types that read it: for the reference page and the JSON Schema.

The meaning of a key is the docstring under its field and stands nowhere else. Its last sentence may give an example:
"For example `30s`."
"""

from __future__ import annotations

import ast
import inspect as source
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
import msgspec.inspect as inspect

from loadsim.plan.typed_document import EXAMPLES, is_share, plain

_AN_EXAMPLE = re.compile(r"\s*For example `(?P<value>.+)`\.$")
_UNITS = {
    "duration": "time: ms, s, m, h",
    "rate": "rate: /s, /m, /h",
    "size": "size: B, KB, MB",
    "span": "AT:FOR, two times",
    "share": "share: %",
    "failure": "STATUS:SHARE",
    "slow": "TIME:SHARE",
    "speed": "size per second",
    "service": "TIME, exp:MEAN or lognormal:MEDIAN",
    "cycle": "EVERY:FOR, two times",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table. `default` and `example` are TOML; no default: the key is required, or absent."""

    name: str
    form: str
    required: bool
    default: str | None
    meaning: str
    example: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a file: its header as it is written, what it is, and its keys."""

    header: str
    meaning: str
    keys: tuple[Key, ...]


@cache
def docstrings(kind: type) -> Mapping[str, str]:
    """Field → the docstring under it, in one line, for a struct and those that it extends."""
    found: dict[str, str] = {}
    structs = [base for base in kind.__mro__ if issubclass(base, msgspec.Struct) and base is not msgspec.Struct]
    for base in reversed(structs):
        (tree,) = ast.parse(textwrap.dedent(source.getsource(base))).body
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for before, after in pairwise(body):
            if isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr):
                name, text = before.target, after.value
                if isinstance(name, ast.Name) and isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[name.id] = " ".join(text.value.split())
    return found


def meaning_of(kind: type, field: inspect.Field) -> str:
    """What a key means, without its example; empty where nothing is written."""
    return _AN_EXAMPLE.sub("", docstrings(kind).get(field.name, ""))


def tables(kind: type, path: str = "", header: str = "") -> Iterator[Table]:
    """The table that a struct describes, and those below it."""
    info = inspect.type_info(kind)
    fields = info.fields if isinstance(info, inspect.StructType) else ()
    below = [(field, *_inner(field.type)) for field in fields]
    summary = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    yield Table(header, summary, tuple(_key(kind, field) for field in fields))
    for field, inner, many in below:
        if inner is not None:
            at = f"{path}.{field.encode_name}" if path else field.encode_name
            name = f"{at}.NAME" if many == "by name" else at
            yield from tables(inner.cls, name, f"[[{name}]]" if many == "list" else f"[{name}]")


def _inner(kind: inspect.Type) -> tuple[inspect.StructType | None, str]:
    """The table that a value is or holds, and whether there are several."""
    if isinstance(kind, inspect.UnionType):
        return next((found for member in kind.types if (found := _inner(member))[0] is not None), (None, ""))
    if isinstance(kind, inspect.VarTupleType):
        return _inner(kind.item_type)[0], "list"
    if isinstance(kind, inspect.DictType):
        return _inner(kind.value_type)[0], "by name"
    return (kind, "") if isinstance(kind, inspect.StructType) else (None, "")


def _key(kind: type, field: inspect.Field) -> Key:
    written = _AN_EXAMPLE.search(docstrings(kind).get(field.name, ""))
    default = _default(field)
    return Key(
        field.encode_name,
        _form(field.type),
        field.required,
        default,
        meaning_of(kind, field),
        written["value"] if written else _example(field.type, default),
    )


def _default(field: inspect.Field) -> str | None:
    if field.default is not msgspec.NODEFAULT:
        value = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    else:
        return None
    return None if value in (None, "") or isinstance(value, msgspec.Struct) else toml(plain(value, field.type))


def toml(value: Any) -> str:
    """A JSON value as TOML, in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _example(kind: inspect.Type, default: str | None) -> str:
    """An example where none is written: another value than the default, if the type tells one."""
    if isinstance(kind, inspect.UnionType):
        kind = next(member for member in kind.types if not isinstance(member, inspect.NoneType))
    if isinstance(kind, inspect.Metadata):
        return toml(EXAMPLES[(kind.extra or {})["unit"]])
    if isinstance(kind, inspect.VarTupleType) and _inner(kind)[0] is None:
        return f"[{_example(kind.item_type, None)}]"
    if isinstance(kind, inspect.BoolType):
        return "false" if default == "true" else "true"
    if isinstance(kind, inspect.LiteralType):
        return next(text for value in kind.values if (text := toml(value)) != default)
    return default or ""


def _form(kind: inspect.Type) -> str:
    """The type of a value in words."""
    if isinstance(kind, inspect.UnionType):
        members = [member for member in kind.types if not isinstance(member, inspect.NoneType)]
        return " or ".join(dict.fromkeys(_form(member) for member in members))
    if isinstance(kind, inspect.Metadata):
        return _UNITS[(kind.extra or {})["unit"]]
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(map(toml, kind.values))
    if isinstance(kind, inspect.VarTupleType):
        return "tables" if isinstance(kind.item_type, inspect.StructType) else f"list of {_form(kind.item_type)}"
    if is_share(kind):
        return "number from 0 to 1, or share: %"
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        word = "whole number" if isinstance(kind, inspect.IntType) else "number"
        return word + _range(kind)
    if isinstance(kind, inspect.DictType):
        return "tables by name" if isinstance(kind.value_type, inspect.StructType) else "table"
    words = {inspect.BoolType: "true or false", inspect.StrType: "text", inspect.StructType: "table"}
    return words.get(type(kind), "any value")


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    low = f"at least {kind.ge}" if kind.ge is not None else f"above {kind.gt}" if kind.gt is not None else ""
    high = f"at most {kind.le:g}" if kind.le is not None and kind.le < 2**53 else ""
    return "".join(f", {text}" for text in (low, high) if text)

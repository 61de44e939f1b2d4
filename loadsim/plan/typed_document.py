"""Reads a plain document (TOML tables, JSON objects) into typed structs, or raises an error in one line.

The annotations of the struct are the only description of a file: which keys there are, their types and ranges, and,
by `Duration`, `Rate` and `Size`, which values are texts with a unit. A number from 0 to 1 may be written as a share,
"50%".
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec
import msgspec.inspect as inspect

from loadsim.plan import units
from loadsim.spelling import did_you_mean

T = TypeVar("T")

Duration = Annotated[int, msgspec.Meta(extra={"unit": "duration"})]
"""Nanoseconds; in a document a text such as "30s"."""
Rate = Annotated[Fraction, msgspec.Meta(extra={"unit": "rate"})]
"""Events per second, exactly; in a document a text such as "500/s"."""
Size = Annotated[int, msgspec.Meta(extra={"unit": "size"})]
"""Bytes; in a document a text such as "64KB"."""

_PARSE: dict[str, Callable[[str], Any]] = {
    "duration": units.parse_duration,
    "rate": units.parse_rate,
    "size": units.parse_size,
    "span": units.parse_span,
    "share": units.parse_share,
    "failure": units.parse_failure,
    "slow": units.parse_slow,
    "speed": units.parse_speed,
    "service": units.parse_service,
    "cycle": units.parse_cycle,
}
_FORMAT: dict[str, Callable[[Any], str]] = {
    "duration": units.format_duration,
    "rate": units.format_rate,
    "size": units.format_size,
    "span": units.format_span,
    "share": units.format_share,
    "failure": units.format_failure,
    "slow": units.format_slow,
    "speed": units.format_speed,
    "service": units.format_service,
    "cycle": units.format_cycle,
}
EXAMPLES = {
    "duration": "30s",
    "rate": "500/s",
    "size": "64KB",
    "span": "10s:1.4s",
    "share": "1%",
    "failure": "503:1%",
    "slow": "500ms:2%",
    "speed": "64KB/s",
    "service": "lognormal:50ms",
    "cycle": "5s:2s",
}
"""A text of each unit."""

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "object": "a table",
    "array": "a list",
    "null": "nothing",
}
_LONGEST = 500
DEEPEST = 64
"""Levels of a document; ours need six, and a body that is set as many as its event has."""
_AT = re.compile(r"(?s)(.*?)(?: - at `(?:key(?: in)? `?)?\$\.?(.*?)`)?")


def one_line(text: str) -> str:
    """The text for a message: control characters escaped, and cut if it is too long."""
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


class DocumentError(ValueError):
    """An error in a document. `key` is the dotted path ("" for the whole), `reason` one line."""

    def __init__(self, key: str, reason: str) -> None:
        self.key = one_line(key)
        self.reason = one_line(reason)
        super().__init__(f"{self.key}: {self.reason}" if key else self.reason)


def parse_toml(text: str) -> dict[str, Any]:
    """The document of a TOML text. Raises DocumentError, in one line, for a text that is not TOML, or nested too
    deeply."""
    document: dict[str, Any] | None
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # also of a number with thousands of digits
        raise DocumentError("", f"not TOML: {error}") from None
    except RecursionError:
        document = None
    if document is None or _depth(document) > DEEPEST:
        raise DocumentError("", f"nested more than {DEEPEST} levels deep")
    return document


def _depth(document: Any) -> int:
    """Depth of nested tables and lists, computed without recursion, which has its own limit."""
    depth, level = 0, [document]
    while level := [inner for each in level if isinstance(each, dict | list) for inner in _values(each)]:
        depth += 1
    return depth


def _values(node: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node


_MOST_NAMES = 24


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean "rate"?` when something known is close, else the known names, or some where there are many."""
    known = sorted(known)
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    names = f"; known: {', '.join(known[:_MOST_NAMES])}{more}" if known else ""
    return did_you_mean(name, known, "; ") or names


_info: Callable[[Any], inspect.Type] = cache(inspect.type_info)
"""What msgspec finds in the annotations of a type, which takes milliseconds where it has many fields."""


def read(document: Any, kind: type[T], path: str = "") -> T:
    """The struct that a document describes; `path`: its place in a file. Raises DocumentError at the first error."""
    return _convert(_prepare(document, _info(kind), path), kind, path)


def write(value: Any) -> Any:
    """The document of a struct: units as texts, with all defaults, without absent (None) keys."""
    return plain(value, _info(type(value)))


def _prepare(value: Any, kind: inspect.Type, path: str) -> Any:
    if isinstance(kind, inspect.UnionType):
        if value is None:
            return None
        kind = _member(kind, table=isinstance(value, dict))
    if isinstance(kind, inspect.Metadata):
        return _quantity(value, (kind.extra or {})["unit"], path)
    if is_share(kind) and isinstance(value, str):
        return _quantity(value, "share", path)
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        return _table(value, kind, path)
    if isinstance(kind, inspect.VarTupleType) and isinstance(value, list | tuple):
        return [_prepare(item, kind.item_type, f"{path}[{number}]") for number, item in enumerate(value)]
    if isinstance(kind, inspect.DictType) and isinstance(value, dict):
        return {key: _entry(item, kind.value_type, _join(path, key)) for key, item in value.items()}
    if isinstance(kind, inspect.LiteralType) and isinstance(value, str) and value not in kind.values:
        raise DocumentError(path, f'"{value}" is not one of {", ".join(map(str, kind.values))}')
    return value


def is_share(kind: inspect.Type) -> bool:
    """Whether values of this type are numbers from 0 to 1."""
    return isinstance(kind, inspect.FloatType) and (kind.ge, kind.le) == (0, 1)


def _member(kind: inspect.UnionType, *, table: bool) -> inspect.Type:
    """The one of the types of a value that may be left out, or be written as a table or not."""
    members = [member for member in kind.types if not isinstance(member, inspect.NoneType)]
    fitting = [member for member in members if isinstance(member, inspect.StructType) == table]
    return (fitting or members)[0]


def _entry(value: Any, kind: inspect.Type, path: str) -> Any:
    """A value under a free key, converted here because msgspec's messages do not name such keys."""
    prepared = _prepare(value, kind, path)
    if isinstance(kind, inspect.StructType):
        return _convert(prepared, kind.cls, path)
    if isinstance(kind, inspect.UnionType):
        texts: Any = str | tuple[str, ...]  # the one choice that there is under a free key
        return _convert(prepared, texts, path)
    return _convert(prepared, str, path) if isinstance(kind, inspect.StrType) else prepared


def _convert(value: Any, kind: type[T], path: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _translated(str(error), path) from None


def _quantity(value: Any, unit: str, path: str) -> Any:
    if not isinstance(value, str):
        raise DocumentError(path, f'a {unit} is a text with its unit, such as "{EXAMPLES[unit]}"')
    try:
        return _PARSE[unit](value)
    except units.UnitError as error:
        raise DocumentError(path, str(error)) from None


def _table(value: dict[str, Any], kind: inspect.StructType, path: str) -> dict[str, Any]:
    fields = {field.encode_name: field for field in kind.fields}
    for key in value:
        if key not in fields:
            raise DocumentError(_join(path, key), f"unknown key{suggestion(key, fields)}")
    for name, field in fields.items():
        if field.required and name not in value:
            raise DocumentError(_join(path, name), "is missing")
    return {key: _prepare(item, fields[key].type, _join(path, key)) for key, item in value.items()}


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _translated(message: str, path: str) -> DocumentError:
    """msgspec's message in the terms of the file, its `$.a[0].b` as the key below `path`."""
    text, below = re.fullmatch(_AT, message).groups()  # type: ignore[union-attr]  # the pattern matches any text
    words = re.sub(r"`(\w+(?: \| \w+)*)`", lambda names: _either(names[1].split(" | ")), text)
    return DocumentError(_join(path, below) if below else path, words[:1].lower() + words[1:])


def _either(names: list[str]) -> str:
    if len(names) > 1:
        names = [name for name in names if name != "null"]
    return " or ".join(_WORDS.get(name, name) for name in names)


def plain(value: Any, kind: inspect.Type) -> Any:
    """A value of this type as a document has it."""
    if isinstance(kind, inspect.UnionType):
        kind = _member(kind, table=isinstance(value, msgspec.Struct))
    if isinstance(kind, inspect.Metadata):
        return _FORMAT[(kind.extra or {})["unit"]](value)
    if isinstance(kind, inspect.StructType):
        pairs = ((field, getattr(value, field.name)) for field in kind.fields)
        return {field.encode_name: plain(item, field.type) for field, item in pairs if item is not None}
    if isinstance(kind, inspect.VarTupleType):
        return [plain(item, kind.item_type) for item in value]
    return msgspec.to_builtins(value)

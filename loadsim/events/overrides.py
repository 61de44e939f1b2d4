"""Fields that the user sets by path, such as `data.0.user.userId`.

Every step of a path must exist, the last one too: a misspelt path is an error, never a new field. The error names the
fields that exist.
"""

from __future__ import annotations

from typing import Any

import orjson

from loadsim.model import JsonValue, UsageError
from loadsim.spelling import nearest


def parse_override(text: str) -> tuple[str, JsonValue]:
    """`path=value` as (path, value); the value is read as JSON, or else taken as a string. Raises UsageError."""
    path, equals, value = text.partition("=")
    path = path.strip()
    if not equals or not path:
        raise UsageError(f"cannot read the override {text!r}: write PATH=VALUE, e.g. data.0.user.userId=u-1")
    try:
        return path, orjson.loads(value)
    except orjson.JSONDecodeError:
        return path, value


class Override:
    """One path and the value it is set to, checked against a payload of the same structure."""

    __slots__ = ("_last", "_parents", "_value")

    def __init__(self, path: str, value: JsonValue, sample: JsonValue) -> None:
        """Resolve `path` in `sample`; raises UsageError naming what exists at the step that does not."""
        steps: list[Any] = []
        node: Any = sample
        for number, step in enumerate(path.split(".")):
            steps.append(_key(node, step, path, number, sample))
            node = node[steps[-1]]
        self._parents = steps[:-1]
        self._last = steps[-1]
        self._value = value

    def apply(self, document: JsonValue) -> None:
        """Set the value in `document`, in place."""
        node: Any = document
        for step in self._parents:
            node = node[step]
        node[self._last] = self._value


def _key(node: Any, step: str, path: str, number: int, sample: JsonValue) -> str | int:
    """`step` as a key of `node`; raises UsageError naming what exists."""
    if isinstance(node, dict) and step in node:
        return step
    if isinstance(node, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(node):
        return int(step[:9])
    raise UsageError(f"cannot set {path!r}: {_what_exists(node, path.split('.'), number, sample)}")


def _what_exists(node: Any, steps: list[str], number: int, sample: JsonValue) -> str:
    here = ".".join(steps[:number])
    where = f"{here!r}" if here else "the payload"
    if isinstance(node, dict):
        near = nearest(steps[number], node)
        hint = f'; did you mean "{".".join([*steps[:number], near])}"?' if near else ""
        return f"{where} has no field {steps[number]!r}, only {', '.join(node) or 'none'}{hint}"
    if isinstance(node, list):
        through = [*steps[:number], "0", *steps[number:]]
        hint = f'; did you mean "{".".join(through)}"?' if _resolves(sample, through) else ""
        return f"{where} is a list of {len(node)}, so the next step is an index from 0{hint}"
    return f"{where} is a plain value and has nothing inside it"


def _resolves(node: Any, steps: list[str]) -> bool:
    for step in steps:
        if isinstance(node, list) and step == "0" and node:
            node = node[0]
        elif isinstance(node, dict) and step in node:
            node = node[step]
        else:
            return False
    return True

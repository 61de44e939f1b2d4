"""Several fields of a JSON body, as parts of a message, read in one walk over the parsed body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Protocol

NO_INDEX = 1 << 62
"""Stands for a step that is not an index: no list is as long."""


class Body(Protocol):
    """A JSON body: a `message_parts.Delivered`."""

    @property
    def document(self) -> Any:
        """The body, parsed."""

    def json(self, path: str) -> bytes:
        """The text of one field."""


class Path(str):
    """The path of a field, such as `items.0.id`."""

    __slots__ = ()


def index_of(step: str) -> int:
    """The step of a path as an index of a list, which no list has where the step is not a number."""
    try:
        return int(step)
    except ValueError:
        return NO_INDEX


_PLAIN = frozenset((str, int))
"""Types whose text `str` gives; true is of another one."""
Getter = Callable[[Any], Any]


class JsonRun:
    """Two or more fields of a JSON body with constant bytes between them. The result is that of `Delivered.json` for
    each path, which also has what is unusual: a number with a fraction, a missing field, a body that is not JSON."""

    __slots__ = ("_gets", "_leaves", "_pieces", "_template")

    def __init__(self, pieces: Sequence[bytes | Path]) -> None:
        self._pieces = list(pieces)
        self._template = "".join(
            "%s" if isinstance(piece, Path) else piece.decode().replace("%", "%%") for piece in pieces
        )
        self._gets: list[tuple[int, Getter, bool]] = []
        """The number of a value, what gets values in it, and whether those are several. The body is value 0."""
        numbers = self._planned([tuple(piece.split(".")) for piece in pieces if isinstance(piece, Path)])
        self._leaves = itemgetter(*(numbers[tuple(piece.split("."))] for piece in pieces if isinstance(piece, Path)))

    def _planned(self, paths: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
        """Plan `_gets`; the number of the value at the end of each path, and of each on the way."""
        children: dict[tuple[str, ...], list[str]] = {}
        for path in paths:
            for depth, step in enumerate(path):
                steps = children.setdefault(path[:depth], [])
                if step not in steps:
                    steps.append(step)
        numbers: dict[tuple[str, ...], int] = {(): 0}
        for parent in sorted(children, key=len):
            names = [step for step in children[parent] if index_of(step) == NO_INDEX]
            if len(names) > 1:
                self._gets.append((numbers[parent], itemgetter(*names), True))
            else:
                self._gets += [(numbers[parent], itemgetter(name), False) for name in names]
            rest = [step for step in children[parent] if step not in names]
            self._gets += [(numbers[parent], _item(step), False) for step in rest]
            for step in (*names, *rest):
                numbers[*parent, step] = len(numbers)
        return numbers

    def __call__(self, _timestamp: bytes, _id: bytes, delivered: Body) -> bytes:
        """The bytes of the run. Raises PartError."""
        values: list[Any] = [delivered.document]
        try:
            for number, get, is_several in self._gets:
                if is_several:
                    values += get(values[number])
                else:
                    values.append(get(values[number]))
            leaves = self._leaves(values)
            if _PLAIN.issuperset(map(type, leaves)):
                text: str = self._template % leaves
                return text.encode()
        except (LookupError, TypeError, ValueError):
            pass
        return b"".join([delivered.json(piece) if isinstance(piece, Path) else piece for piece in self._pieces])


def _item(step: str) -> Getter:
    """Gets the item of a list, or the value of an object, at a step that is a number."""
    index = index_of(step)
    return lambda node: node[index] if type(node) is list else node[step]

"""Several fields of a JSON body, as parts of a message, read in one walk over the parsed body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadsim.signing.message_parts import Delivered


NO_INDEX = 1 << 62
"""Stands for a step that is not an index: no list is as long."""


class Path(str):
    """The path of a field, such as `items.0.id`."""

    __slots__ = ()


def index_of(step: str) -> int:
    """The step of a path as an index of a list, which no list has where the step is not a number."""
    try:
        return int(step)
    except ValueError:
        return NO_INDEX


class JsonRun:
    """Fields of a JSON body with constant bytes between them. The result is that of `Delivered.json` for each path,
    which also has what is unusual: a number with a fraction, a missing field, a body that is not JSON."""

    __slots__ = ("_leaves", "_pieces", "_places", "_steps")

    def __init__(self, pieces: Sequence[bytes | Path]) -> None:
        self._pieces = list(pieces)
        self._places = [place for place, piece in enumerate(pieces) if isinstance(piece, Path)]
        self._steps: list[tuple[int, str, int]] = []
        """Number of the value in which it steps, the step, and the step as an index. The body is value 0."""
        numbers: dict[tuple[str, ...], int] = {(): 0}
        self._leaves = []
        for piece in pieces:
            if not isinstance(piece, Path):
                continue
            steps = tuple(piece.split("."))
            for depth in range(len(steps)):
                if steps[: depth + 1] not in numbers:
                    numbers[steps[: depth + 1]] = len(numbers)
                    self._steps.append((numbers[steps[:depth]], steps[depth], index_of(steps[depth])))
            self._leaves.append(numbers[steps])

    def __call__(self, _timestamp: bytes, _id: bytes, delivered: Delivered) -> bytes:
        """The bytes of the run. Raises PartError."""
        values: list[Any] = [delivered.document]
        pieces: list[Any] = self._pieces.copy()
        try:
            for number, step, index in self._steps:
                node = values[number]
                values.append(node[index] if type(node) is list else node[step])
            for place, leaf in zip(self._places, self._leaves, strict=True):
                value = values[leaf]
                if type(value) is str:
                    pieces[place] = value.encode()
                else:
                    pieces[place] = b"%d" % value if type(value) is int else None  # None cannot be joined
            return b"".join(pieces)
        except (LookupError, TypeError, ValueError):
            return b"".join([delivered.json(piece) if isinstance(piece, Path) else piece for piece in self._pieces])

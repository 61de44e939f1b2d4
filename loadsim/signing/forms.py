"""Form-encoded bodies (application/x-www-form-urlencoded) as they are signed: one field, or all of them sorted.

`PlainForms` reads any body and is what a receiver uses. `RememberedForms` gives the same for a sender, whose events
differ in few fields, at a fraction of the cost.
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import unquote

MOST_FIELDS = 2_000
_MOST_LEARNED = 64
_LONGEST_LEARNED = 65_536
"""Most fields, and bytes, of a form whose layout is learned."""
_MOST_LAYOUTS = 8


class FieldTwiceError(ValueError):
    """A form has two values for a field."""


class Forms(Protocol):
    """Reads forms. Both raise ValueError for a body that is none."""

    def value(self, body: bytes, name: str) -> bytes | None:
        """The value of the field of that name; None without one. Raises FieldTwiceError for two values."""

    def sorted_text(self, body: bytes) -> bytes:
        """Names and values of all fields joined, sorted by name and value, equal pairs once."""


class PlainForms:
    """Decodes every field of every body."""

    def value(self, body: bytes, name: str) -> bytes | None:
        values = {value for key, value in fields_of(body) if key == name}
        if len(values) > 1:  # whoever uses the form may take another one than is verified
            raise FieldTwiceError
        return values.pop().encode() if values else None

    def sorted_text(self, body: bytes) -> bytes:
        return "".join(name + value for name, value in sorted(set(fields_of(body)))).encode()


PLAIN_FORMS = PlainForms()


def fields_of(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form, as `parse_qsl` reads them with blank values kept, but quicker. Raises ValueError."""
    if body.count(b"&") >= MOST_FIELDS:
        raise ValueError("too many fields")
    return [_pair(pair) for pair in body.decode().split("&") if pair]


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return _decoded(name), _decoded(value)


def _decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    return unquote(text, errors="strict") if "%" in text else text


class RememberedForms:
    """Reads the forms of one sender: what is the same in every form is decoded once. Results are those of
    `PlainForms`."""

    __slots__ = ("_readers",)

    def __init__(self) -> None:
        self._readers: dict[str | None, _Reader] = {}

    def value(self, body: bytes, name: str) -> bytes | None:
        found = self._reader(name).read(body)
        return PLAIN_FORMS.value(body, name) if found is None else found

    def sorted_text(self, body: bytes) -> bytes:
        found = self._reader(None).read(body)
        return PLAIN_FORMS.sorted_text(body) if found is None else found

    def _reader(self, name: str | None) -> _Reader:
        reader = self._readers.get(name)
        if reader is None:
            reader = self._readers[name] = _Reader(name)
        return reader


class _Reader:
    """Reads one field, or all of them sorted (None), from forms that are alike. It learns which values differ."""

    __slots__ = ("_field", "_layouts", "_seen")

    def __init__(self, field: str | None) -> None:
        self._field = field
        self._layouts: list[_Layout] = []
        self._seen: dict[tuple[bytes, ...], tuple[list[bytes], set[int], _Layout | None]] = {}
        """By the names of the fields: the pairs of the first form, which of them differed, the layout."""

    def read(self, body: bytes) -> bytes | None:
        """None where it is not learned how. Raises ValueError for a value that cannot be decoded."""
        for layout in self._layouts:
            found = layout.read(body)
            if found is not None:
                return found
        self._learn(body)
        return None

    def _learn(self, body: bytes) -> None:
        pairs = body.split(b"&", _MOST_LEARNED)
        names = tuple([pair.partition(b"=")[0] for pair in pairs])
        seen = self._seen.get(names)
        if seen is None:
            if len(pairs) > _MOST_LEARNED or len(self._seen) >= _MOST_LAYOUTS or len(body) > _LONGEST_LEARNED:
                return
            self._seen[names] = pairs, set(), None
            return
        first, differing, layout = seen
        differing.update(place for place, pair in enumerate(pairs) if pair != first[place])
        learned = _layout(pairs, differing, self._field)
        self._seen[names] = first, differing, learned
        self._layouts = [each for each in self._layouts if each is not layout]
        if learned is not None:
            self._layouts.append(learned)


class _Layout:
    """Forms of one layout: constant bytes, and values between them."""

    __slots__ = ("_before", "_end", "_pieces", "_places")

    def __init__(self, before: list[bytes], end: bytes, pieces: list[bytes], places: list[int]) -> None:
        """`before` stands before each value, `end` behind the last; value *i* belongs in `pieces` at `places[i]`."""
        self._before, self._end, self._pieces, self._places = before, end, pieces, places

    def read(self, body: bytes) -> bytes | None:
        """The pieces with the values; None for a form of another layout."""
        position, pieces = 0, self._pieces.copy()
        for before, place in zip(self._before, self._places, strict=True):
            if not body.startswith(before, position):
                return None
            start = position + len(before)
            position = body.find(b"&", start)
            if position < 0:
                position = len(body)
            value = body[start:position]
            if b"%" in value or b"+" in value or not value.isascii():
                value = _decoded(value.decode()).encode()
            pieces[place] = value
        return b"".join(pieces[:-1]) if body[position:] == self._end else None


def _layout(pairs: list[bytes], differing: set[int], field: str | None) -> _Layout | None:
    """The layout of forms like this one; None where it has none: an empty pair, or a name twice."""
    try:
        fields = [_pair(pair.decode()) for pair in pairs]
    except ValueError:
        return None
    names = [name for name, _ in fields]
    if b"" in pairs or len(set(names)) < len(names) or any(b"=" not in pairs[place] for place in differing):
        return None
    before, run = [], b""
    for place, pair in enumerate(pairs):
        run += b"&" * (place > 0)
        if place in differing:
            before.append(run + pair.partition(b"=")[0] + b"=")
            run = b""
        else:
            run += pair
    pieces: list[bytes] = []
    place_of: dict[int, int] = {}
    for place in sorted(range(len(pairs)), key=names.__getitem__):
        if field is None:
            pieces.append(names[place].encode())
        elif field != names[place]:
            continue
        place_of[place] = len(pieces)
        pieces.append(fields[place][1].encode())
    if not pieces:
        return None
    pieces.append(b"")  # where values go that are not asked for; it is left out
    return _Layout(before, run, pieces, [place_of.get(place, len(pieces) - 1) for place in sorted(differing)])

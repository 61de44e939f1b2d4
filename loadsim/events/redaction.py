"""Blanks fields of a body before it is written anywhere: by path in JSON, by name in a form.

Every other byte stays as it was. A value is replaced by an empty one of its own JSON type, so that an endpoint that
checks types still accepts the body: `""`, `0`, `false`, `[]`, `{}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed lacks it
from urllib.parse import quote_plus, unquote_plus

from loadsim.model import UsageError

EVERY = "*"
"""The step of a path that stands for every element of an array and every value of an object."""
_BLANK = {'"': '""', "{": "{}", "[": "[]", "t": "false", "f": "false", "n": "null"}
_NUMBER = "0"
_SPACE = " \t\n\r"
_value_at = json.JSONDecoder(strict=False).scan_once  # type: ignore[attr-defined]  # typeshed lacks it
Path = tuple[str, ...]


class Redaction:
    """The fields to blank. A body that is neither JSON nor a form is blanked as a whole, since nobody knows what is in
    it."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Paths such as `data.email` or `items.*.name`; in a form the whole path, or its first step where that field
        holds JSON, is the name of a field. Raises UsageError."""
        self._names = frozenset(paths)
        self._paths = tuple(tuple(path.split(".")) for path in self._names)
        for path in self._paths:
            if not all(path):
                raise UsageError(f"--redact {'.'.join(path)}: write a path such as data.email or items.*.name")

    def __bool__(self) -> bool:
        return bool(self._paths)

    def of(self, body: bytes, content_type: str) -> bytes:
        """The body with these fields blank."""
        if not self._paths:
            return body
        try:
            text = body.decode()
            if "x-www-form-urlencoded" in content_type.lower():
                return self._form(text).encode()
            return _blanked(text, self._paths).encode()
        except (ValueError, RecursionError):
            return b""

    def _form(self, text: str) -> str:
        return "&".join(self._pair(pair) for pair in text.split("&"))

    def _pair(self, pair: str) -> str:
        written, equals, value = pair.partition("=")
        name = unquote_plus(written)
        if name in self._names or (EVERY,) in self._paths:
            return written + equals
        inside = [path[1:] for path in self._paths if len(path) > 1 and path[0] in (name, EVERY)]
        if not inside:
            return pair
        text = unquote_plus(value)
        try:
            return f"{written}={quote_plus(_blanked(text, inside))}"
        except (ValueError, RecursionError):
            return written + equals


def _blanked(text: str, paths: Sequence[Path]) -> str:
    """The JSON text with the values at these paths blank. Raises ValueError, RecursionError."""
    pieces, done = [], 0
    start = _skip(text, 0)
    spans: list[tuple[int, int]] = []
    end = _skip(text, _walk(text, start, paths, spans))
    if end != len(text):
        raise ValueError("more than one JSON text")
    for begin, stop in spans:
        pieces += [text[done:begin], _BLANK.get(text[begin], _NUMBER)]
        done = stop
    return "".join(pieces) + text[done:]


def _walk(text: str, at: int, paths: Sequence[Path], spans: list[tuple[int, int]]) -> int:
    """Note the spans to blank in the value that begins at `at`; returns where the value ends."""
    if not paths or text[at : at + 1] not in ("{", "["):
        return _end_of(text, at)
    of_object = text[at] == "{"
    at = _skip(text, at + 1)
    closing = "}" if of_object else "]"
    if text[at : at + 1] == closing:
        return at + 1
    number = 0
    while True:
        key = str(number)
        if of_object:
            key, at = _key(text, at)
        below = [path[1:] for path in paths if path[0] in (key, EVERY)]
        if () in below:
            end = _end_of(text, at)
            spans.append((at, end))
        else:
            end = _walk(text, at, below, spans)
        at = _skip(text, end)
        following, at = text[at : at + 1], at + 1
        if following == closing:
            return at
        if following != ",":
            raise ValueError("not JSON")
        at, number = _skip(text, at), number + 1


def _key(text: str, at: int) -> tuple[str, int]:
    """The key that begins at `at`, and where its value begins."""
    if text[at : at + 1] != '"':
        raise ValueError("not JSON")
    key, at = scanstring(text, at + 1, False)
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        raise ValueError("not JSON")
    return key, _skip(text, at + 1)


def _end_of(text: str, at: int) -> int:
    try:
        return int(_value_at(text, at)[1])
    except StopIteration:
        raise ValueError("not JSON") from None


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in _SPACE and at < len(text):
        at += 1
    return at

"""Misreadings of form-encoded bodies: what an endpoint makes of one that parses it and writes or reads it otherwise.

Those that change values leave the bytes of all other fields as they are: so they also fit schemes that sign values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlencode

from loadsim.signing.forms import MOST_FIELDS
from loadsim.signing.misreadings import MISREADINGS, RAW, Misreading

_FORM = re.compile(rb"[^{\[\s\"=&]+=[^\s\"]*")
Fields = list[tuple[str, str]]
"""Names as they are meant, and the fields as they are written."""


def _misread(name: str, what: str, signed: str, read: Callable[[bytes], bytes]) -> Misreading:
    mend = f"{RAW}; where the provider signs values, read all of them, as they were sent"
    return Misreading(name, f"the form is verified {what}", mend, f"what was signed is the form {signed}", read)


def _checked(body: bytes) -> str:
    if _FORM.fullmatch(body) is None or body.count(b"&") >= MOST_FIELDS:
        raise ValueError("not a form")
    return body.decode("utf-8")


def _written_again(
    body: bytes, *, by: Callable[..., str] = quote_plus, blanks: bool = True, last: bool = False
) -> bytes:
    pairs = parse_qsl(_checked(body), keep_blank_values=blanks, errors="strict")
    return urlencode(list(dict(pairs).items()) if last else pairs, quote_via=by).encode()


def _with_fields(body: bytes, change: Callable[[Fields], Fields]) -> bytes:
    fields = [(unquote_plus(text.partition("=")[0]), text) for text in _checked(body).split("&")]
    return "&".join(text for _, text in change(fields)).encode()


def _last(fields: Fields) -> Fields:
    """Each name at the place of its first field, with the last."""
    return list(dict(fields).items())


def _first(fields: Fields) -> Fields:
    return list(dict(reversed(fields)).items())[::-1]


def _latin(fields: Fields) -> Fields:
    found = []
    for name, text in fields:
        key, equals, value = text.partition("=")
        plain = unquote_plus(value, "latin-1")
        found.append((name, text if plain.isascii() else f"{key}{equals}{quote_plus(plain)}"))
    return found


def _undecoded(fields: Fields) -> Fields:
    """Decoded once, each field is what is written now."""
    parts = [(name, *text.partition("=")) for name, text in fields]
    return [(name, f"{quote_plus(key)}{equals}{quote_plus(value)}") for name, key, equals, value in parts]


def _plus_kept(fields: Fields) -> Fields:
    return [(name, text.replace("+", "%2B")) for name, text in fields]


def _changed(name: str, words: str, change: Callable[[Fields], Fields]) -> Misreading:
    return _misread(name, words, words, partial(_with_fields, change=change))


_AGAIN = "after it was parsed and written again"

FORM_MISREADINGS: tuple[Misreading, ...] = (
    _changed(
        "form-no-blanks",
        "without its empty values, which parsers such as Python's parse_qsl leave out",
        lambda fields: [each for each in fields if not each[1] or each[1].partition("=")[2]],
    ),
    _changed("form-last", "with only the last value of a repeated name", _last),
    _changed("form-first", "with only the first value of a repeated name", _first),
    _changed("form-latin-1", "with its letters decoded as Latin-1 (ISO 8859-1)", _latin),
    _changed("form-plus", "with + as it is written, not as the space that it means", _plus_kept),
    _changed("form-undecoded", "with its names and values as they are written, not decoded", _undecoded),
    _changed("form-in-order", "with its fields in order", sorted),
    _misread("form-again", f"{_AGAIN}, with + for spaces", "written again, with + for spaces", _written_again),
    _misread(
        "form-again-20",
        f"{_AGAIN}, with %20 for spaces",
        "written again, with %20 for spaces",
        partial(_written_again, by=quote),
    ),
    _misread(
        "form-again-no-blanks",
        f"{_AGAIN}, without its empty values",
        "written again, without its empty values",
        partial(_written_again, blanks=False),
    ),
    _misread(
        "form-again-last",
        f"{_AGAIN}, with only the last value of a repeated name",
        "written again, with only the last value of a repeated name",
        partial(_written_again, last=True),
    ),
)
"""The more probable first."""
OF_FORMS = (*FORM_MISREADINGS, *(each for each in MISREADINGS if not each.name.startswith("json-")))
"""All that an endpoint may do to a form."""

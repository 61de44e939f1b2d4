"""The message of a scheme's table: `{timestamp}.{body}`, `{json:PATH}`, filters. Errors name the key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from loadsim.signing.fields import Field
from loadsim.signing.message_parts import FILTERS, NAMED, SOURCES, Part
from loadsim.signing.scheme_data import Algorithm
from loadsim.signing.tokens import Shared
from loadsim.spelling import did_you_mean

_MESSAGE_FIELDS = tuple(field.value for field in Field)
FIELD = re.compile(r"\{([^{}]*)\}")
_HMAC_ONLY = ("digest", "key")


class TableError(ValueError):
    """An error in a table: `key`, and the reason in one line."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}" if key else reason)
        self.key = key
        self.reason = reason


def fields_in(key: str, template: str, known: Sequence[str] | None) -> list[str]:
    """The names in braces. Raises TableError for one that is not known (None: all are), or for an unpaired brace."""
    names = FIELD.findall(template)
    for name in names:
        if known is not None and name not in known:
            braced = [f"{{{field}}}" for field in known]
            raise TableError(key, f"unknown field {{{name}}}{hint(f'{{{name}}}', braced)}")
    if re.search(r"[{}]", FIELD.sub("", template)):
        raise TableError(key, f'"{template}" has a brace without its partner')
    return names


def message_parts(template: str) -> tuple[Field | Part | bytes, ...]:
    """The parts of a message. Raises TableError."""
    parts = template_parts("signed", template)
    # Some providers sign parts of the request alone; whoever names such a part means it.
    if not any(part is Field.body or isinstance(part, Part) for part in parts):
        raise TableError("signed", "does not hold {body}: a signature that does not cover the body is useless")
    return parts


def template_parts(key: str, template: str) -> tuple[Field | Part | bytes, ...]:
    """The parts of a template. Raises TableError, which names the key."""
    fields_in(key, template, None)
    parts: list[Field | Part | bytes] = []
    for number, text in enumerate(FIELD.split(template)):
        if number % 2:
            parts.append(_part(key, text))
        elif text:
            parts.append(text.encode())
    return tuple(parts)


def _part(key: str, text: str) -> Field | Part:
    whole, *filters = text.split("|")
    source, colon, name = whole.partition(":")
    known = (*_MESSAGE_FIELDS, *(f"{each}:NAME" if each in NAMED else each for each in SOURCES))
    if source not in _MESSAGE_FIELDS and source not in SOURCES:
        raise TableError(key, f"unknown field {{{text}}}{hint(f'{{{text}}}', [f'{{{each}}}' for each in known])}")
    if (source in NAMED) != bool(name) or (colon and source not in NAMED):
        form = f"{{{source}:NAME}}" if source in NAMED else f"{{{source}}}"
        raise TableError(key, f"{{{text}}} is written {form}")
    for each in filters:
        if each not in FILTERS:
            raise TableError(key, f"{{{text}}}: unknown filter {each}{hint(each, tuple(FILTERS))}")
    if source in _MESSAGE_FIELDS and not filters:
        return Field(source)
    return Part(source, name.lower() if source == "header" else name, tuple(filters))


def check_algorithm(table: Mapping[str, Any], algorithm: Algorithm, *, sends_secret: bool) -> None:
    """Raises TableError for keys that do not go with the algorithm."""
    if sends_secret != (algorithm == "none"):
        reason = (
            '{secret} in a header is for algorithm = "none" only'
            if sends_secret
            else ('with "none" nothing is signed: write {secret}, not {signature}')
        )
        raise TableError("algorithm", reason)
    if algorithm == "none" and "signed" in table:
        raise TableError("signed", 'with algorithm = "none" nothing is signed')
    if algorithm == "none" and "several" in table:
        raise TableError("several", 'with algorithm = "none" one secret is sent')
    if algorithm != "none" and table.get("encoding") == "text":
        raise TableError("encoding", '"text" is for algorithm = "none" only')
    if algorithm not in ("hmac", *get_args(Shared)):
        for key in _HMAC_ONLY:
            if key in table:
                raise TableError(key, f'is for algorithm = "hmac", not for "{algorithm}"')


def hint(name: str, known: Sequence[str]) -> str:
    return did_you_mean(name, known, "; ") or f"; known: {', '.join(known)}"

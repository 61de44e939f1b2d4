"""The token of a scheme's table: `claims`, `token_header` and `checked`. Errors name the key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from loadsim.signing.message_tables import TableError, hint, template_parts
from loadsim.signing.scheme_data import Algorithm
from loadsim.signing.tokens import ALWAYS_CHECKED, TIMES, Claim, Paired, Shared, Token, TokenValue, source_of

TABLES = ("claims", "token_header")
KEYS = (*TABLES, "checked")
ALGORITHMS: tuple[Algorithm, ...] = (*get_args(Shared), *get_args(Paired))
_TIME = re.compile(r"\{timestamp(?:([+-][0-9]{1,7}))?\}")
_NOT_FOR_TOKENS = ("signed", "digest", "encoding", "several", "timestamp", "timestamp_field")
_LARGEST = 2**53 - 1
"""Greater numbers are not exact in JSON."""
_OWN = ("alg", "crit", "b64")
"""Header parameters that a table cannot set: they change how a token is read."""


def read_token(table: Mapping[str, Any], algorithm: Algorithm, *, sends_token: bool) -> Token | None:
    """The token of a table; None where it describes none. Raises TableError."""
    if sends_token != (algorithm in ALGORITHMS):
        reason = (
            f"{{jwt}} needs one of {', '.join(ALGORITHMS)}"
            if sends_token
            else f'"{algorithm}" is for a token: write {{jwt}}, not {{signature}}'
        )
        raise TableError("algorithm", reason)
    if not sends_token:
        for key in KEYS:
            if key in table:
                raise TableError(key, "is for a token: no value of headers holds {jwt}")
        return None
    for key in _NOT_FOR_TOKENS:
        if key in table:
            raise TableError(key, "does not go with {jwt}: what is signed are the claims")
    if not table.get("claims"):
        raise TableError("claims", "is missing: it is the table of what the token says")
    for name in table.get("token_header", {}):
        if name in _OWN:
            raise TableError("token_header", f"{name} cannot be set")
    checked = tuple(table.get("checked", ()))
    for name in checked:
        if name not in table["claims"]:
            raise TableError("checked", f"{name} is not one of the claims{hint(name, tuple(table['claims']))}")
    claims = tuple(_claim(name, value, checked) for name, value in table["claims"].items())
    return Token(algorithm, claims, tuple(table.get("token_header", {}).items()))  # type: ignore[arg-type]  # checked


def check_values(key: str, value: object) -> None:
    """Raises TableError unless it is a table of texts, whole numbers and booleans."""
    if not isinstance(value, Mapping) or not all(map(_is_value, value.values())):
        raise TableError(key, 'must be a table of texts, whole numbers and booleans, such as { iss = "shop" }')


def _is_value(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and abs(value) <= _LARGEST)


def _claim(name: str, value: TokenValue, checked: tuple[str, ...]) -> Claim:
    is_named = name in checked or name in ALWAYS_CHECKED
    if not isinstance(value, str):
        return Claim(name, value, is_checked=is_named)
    if (time := _TIME.fullmatch(value)) is not None:
        if name in checked:
            raise TableError("checked", f"{name} is a time, which is judged by tolerance")
        return Claim(name, offset_s=int(time[1] or 0))
    if name in TIMES:
        raise TableError("claims", f'{name} is a time: write "{{timestamp}}" or, with seconds, "{{timestamp+300}}"')
    parts = template_parts("claims", value)
    sources = set(map(source_of, parts)) - {""}
    if "timestamp" in sources:
        raise TableError("claims", f"{name}: {{timestamp}} stands alone as a value")
    if not sources:
        return Claim(name, value, is_checked=is_named)
    if "id" in sources and name in checked:
        raise TableError("checked", f"{name} holds the event's id, which a receiver does not know")
    return Claim(name, parts=parts, is_checked="id" not in sources)

"""Makes a `Scheme` from a table, which has headers and message as templates; errors are one line.

The form of the table is the same in `schemes.toml` and in a user's own `[target.custom]`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from loadsim.model import UsageError
from loadsim.signing.description import Scheme
from loadsim.signing.retry_marks import FIRST, REASONS
from loadsim.signing.scheme_data import Digest, Encoding, Field, KeyForm, SignatureHeader, Timestamp
from loadsim.signing.timestamps import Unit
from loadsim.spelling import did_you_mean

DEFAULT_SECRET_ENV = "LOADSIM_WEBHOOK_SECRET"  # noqa: S105 - a variable's name
DEFAULT_TOLERANCE = "5m"

_CHOICES: dict[str, tuple[str, ...]] = {
    "timestamp": get_args(Unit),
    "digest": get_args(Digest),
    "encoding": get_args(Encoding),
    "key": get_args(KeyForm),
}
_TEXTS = (
    "title", "like", "accepts", "signed", "several", "timestamp_field", "attempt_field", "tolerance", "secret_env",
    "url_decoded",
)  # fmt: skip
_LISTS = ("headers", "retry_headers")
KEYS = (*_LISTS, "retry_reasons", *_TEXTS, *_CHOICES)
"""Every key of a table."""

_MESSAGE_FIELDS = tuple(field.value for field in Field)
_HEADER_FIELDS = ("timestamp", "id", "event", "signature", *FIRST)
_RETRY_FIELDS = (*FIRST, "reason", "first")
_FIELD = re.compile(r"\{([^{}]*)\}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION = re.compile(r"([0-9]{1,6})(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_RESERVED = {"content-length", "transfer-encoding", "content-type", "host", "connection"}

Find = Callable[[str], Mapping[str, Any] | None]
"""Returns the table of a scheme by name, with the table that it is `like` merged in; None: unknown scheme."""


class TableError(ValueError):
    """An error in a table: `key`, and the reason in one line."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}" if key else reason)
        self.key = key
        self.reason = reason


def read_table(name: str, table: Mapping[str, Any], find: Find, where: str) -> Scheme:
    """The scheme that a table describes. `where` is the name of the table in messages. Raises UsageError."""
    try:
        return _scheme(name, _whole(table, find), find)
    except TableError as error:
        raise UsageError(f"{where}.{error}" if error.key else f"{where}: {error}") from None


def _whole(table: Mapping[str, Any], find: Find) -> dict[str, Any]:
    """The table merged over the one that it is `like`, with its types checked."""
    for key, value in table.items():
        if key not in KEYS:
            raise TableError(key, f"unknown key{_hint(key, KEYS)}")
        if key == "retry_reasons":
            _check_reasons(value)
        elif key in _LISTS:
            if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
                raise TableError(key, 'must be a list of strings "Name: value"')
        elif not isinstance(value, str):
            raise TableError(key, "must be a string")
        if key in _CHOICES and value not in _CHOICES[key]:
            raise TableError(key, f'"{value}" is not one of {", ".join(_CHOICES[key])}')
    base: Mapping[str, Any] = {}
    if "like" in table:
        found = find(table["like"])
        if found is None:
            raise TableError("like", f'there is no scheme "{table["like"]}"')
        base = found
    return {**base, **table}


@dataclass(slots=True)
class _Headers:
    """The parsed header lines."""

    constants: list[tuple[str, str]]
    ids: list[str]
    timestamp: str | None = None
    signature: SignatureHeader | None = None


def _scheme(name: str, table: Mapping[str, Any], find: Find) -> Scheme:
    for key in ("headers", "signed"):
        if not table.get(key):
            raise TableError(key, "is missing")
    headers = _headers(table["headers"], table.get("several"))
    if headers.signature is None:
        raise TableError("headers", "no value holds {signature}")
    signed = _message(table["signed"])
    timestamp = _timestamp(headers, headers.signature, table)
    _check_message(signed, timestamp, headers)
    described = Scheme(
        name=name,
        title=table.get("title", name),
        signature=headers.signature,
        signed=signed,
        default_secret_env=_secret_env(table.get("secret_env", DEFAULT_SECRET_ENV)),
        timestamp=timestamp,
        id_headers=tuple(headers.ids),
        constants=tuple(headers.constants),
        retry_headers=tuple(_retry_line(line) for line in table.get("retry_headers", ())),
        retry_reasons=tuple(table.get("retry_reasons", {}).items()),
        attempt_field=table.get("attempt_field"),
        digest=table.get("digest", "sha256"),
        encoding=table.get("encoding", "hex"),
        key=table.get("key", "utf8"),
        tolerance_s=_tolerance(table.get("tolerance"), timestamp),
        url_decoded=table.get("url_decoded", ""),
        like=table.get("like"),
    )
    return _accepting(described, table["accepts"], find) if "accepts" in table else described


def _accepting(described: Scheme, name: str, find: Find) -> Scheme:
    """The scheme, with the header names of another one as names that a receiver accepts too."""
    table = find(name)
    if table is None:
        raise TableError("accepts", f'there is no scheme "{name}"')
    other = _scheme(name, {key: value for key, value in table.items() if key != "accepts"}, find)
    names = {"signature": other.signature, "timestamp": other.timestamp, "id_headers": other.id_headers}
    if Field.timestamp in described.signed and (other.timestamp is None or other.timestamp.place == "body"):
        raise TableError("accepts", f"{name} has no header for {{timestamp}}")
    if Field.id in described.signed and not other.id_headers:
        raise TableError("accepts", f"{name} has no header for {{id}}")
    return dataclasses.replace(described, accepts=dataclasses.replace(described, **names))  # type: ignore[arg-type]


# -- headers --------------------------------------------------------------------------------------------------------


def _headers(lines: list[str], several: str | None) -> _Headers:
    found = _Headers([], [])
    seen: set[str] = set()
    for line in lines:
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or _TOKEN.fullmatch(name) is None:
            raise TableError("headers", f'"{line}" is not written "Name: value"')
        if name.lower() in _RESERVED:
            raise TableError("headers", f"{name} is set by the request itself")
        if name.lower() in seen:
            raise TableError("headers", f"{name} is given twice")
        seen.add(name.lower())
        if not value.isascii() or not value.isprintable():
            raise TableError("headers", f"the value of {name} must be printable ASCII")
        _place(found, name, value, several)
    return found


def _retry_line(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or _TOKEN.fullmatch(name) is None or name.lower() in _RESERVED:
        raise TableError("retry_headers", f'"{line}" is not written "Name: value", or is set by the request itself')
    if not value.isascii() or not value.isprintable():
        raise TableError("retry_headers", f"the value of {name} must be printable ASCII")
    _fields("retry_headers", value, _RETRY_FIELDS)
    return name, value


def _check_reasons(value: object) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise TableError("retry_reasons", 'must be a table of texts, such as { timeout = "http_timeout" }')
    for name, text in value.items():
        if name not in REASONS:
            raise TableError("retry_reasons", f"unknown reason {name}{_hint(name, REASONS)}")
        if not text.isascii() or not text.isprintable():
            raise TableError("retry_reasons", f"{name} must be printable ASCII")


def _place(found: _Headers, name: str, value: str, several: str | None) -> None:
    fields = _fields("headers", value, _HEADER_FIELDS)
    if "signature" in fields:
        if found.signature is not None:
            raise TableError("headers", f"{{signature}} stands in {found.signature.name} and in {name}: keep one")
        found.signature = _signature(name, value, several)
    elif value == "{timestamp}":
        if found.timestamp is not None:
            raise TableError("headers", f"{{timestamp}} stands in {found.timestamp} and in {name}: keep one")
        found.timestamp = name
    elif value == "{id}":
        found.ids.append(name)
    elif "timestamp" in fields or "id" in fields:
        raise TableError("headers", f"{name}: {{timestamp}} and {{id}} stand alone as a value")
    else:
        found.constants.append((name, value))


def _signature(name: str, value: str, several: str | None) -> SignatureHeader:
    """`prefix{signature}`, or `t={timestamp},v1={signature}` where `several` is the comma."""
    separator = several.encode() if several else None
    before, _, after = value.partition("{signature}")
    if after:
        raise TableError("headers", f"{name}: nothing can stand behind {{signature}}")
    if "{timestamp}" not in before:
        if "{" in before:
            raise TableError("headers", f"{name}: only {{timestamp}} can stand before {{signature}}")
        return SignatureHeader(name, before.encode(), separator)
    start, _, prefix = before.partition("{timestamp}")
    if several is None or not prefix.startswith(several):
        raise TableError("several", f"is what stands between {{timestamp}} and {{signature}} in {name}: name it")
    prefix = prefix.removeprefix(several)
    if not start or not prefix or "{" in start + prefix or start == prefix:
        raise TableError(
            "headers", f'{name}: each entry needs a name of its own, as in "t={{timestamp}},v1={{signature}}"'
        )
    return SignatureHeader(name, prefix.encode(), separator, start.encode())


# -- message, timestamp, the rest -----------------------------------------------------------------------------------


def _fields(key: str, template: str, known: Sequence[str]) -> list[str]:
    """The names in braces. Raises TableError for one that is not known, or a brace that is left over."""
    names = _FIELD.findall(template)
    for name in names:
        if name not in known:
            braced = [f"{{{field}}}" for field in known]
            raise TableError(key, f"unknown field {{{name}}}{_hint(f'{{{name}}}', braced)}")
    if re.search(r"[{}]", _FIELD.sub("", template)):
        raise TableError(key, f'"{template}" has a brace without its partner')
    return names


def _message(template: str) -> tuple[Field | bytes, ...]:
    names = _fields("signed", template, _MESSAGE_FIELDS)
    if "body" not in names:
        raise TableError("signed", "does not hold {body}: a signature that does not cover the body is useless")
    parts: list[Field | bytes] = []
    for number, text in enumerate(_FIELD.split(template)):
        if number % 2:
            parts.append(Field(text))
        elif text:
            parts.append(text.encode())
    return tuple(parts)


def _timestamp(headers: _Headers, signature: SignatureHeader, table: Mapping[str, Any]) -> Timestamp | None:
    unit: Unit = table.get("timestamp", "s")
    field = table.get("timestamp_field")
    places: list[Timestamp] = []
    if headers.timestamp is not None and field is None:
        places.append(Timestamp("header", headers.timestamp, unit))
    if signature.timestamp_prefix is not None:
        places.append(Timestamp("signature", signature.timestamp_prefix.decode(), unit))
    if field is not None:
        places.append(Timestamp("body", field, unit, copied_to=headers.timestamp))
    if len(places) > 1:
        raise TableError("timestamp_field" if field else "headers", "the timestamp is in two places: keep one")
    return places[0] if places else None


def _check_message(signed: tuple[Field | bytes, ...], timestamp: Timestamp | None, headers: _Headers) -> None:
    if Field.timestamp in signed and (timestamp is None or timestamp.place == "body"):
        raise TableError("signed", "holds {timestamp}, but no header carries it")
    if Field.id in signed and not headers.ids:
        raise TableError("signed", "holds {id}, but no header carries it")


def _tolerance(text: str | None, timestamp: Timestamp | None) -> int | None:
    if timestamp is None:
        if text is not None:
            raise TableError("tolerance", "the scheme has no timestamp")
        return None
    match = _DURATION.fullmatch(text or DEFAULT_TOLERANCE)
    if match is None:
        raise TableError("tolerance", f'"{text}" is not a duration in s, m or h, such as "5m" ("0s" takes any time)')
    return int(match[1]) * _SECONDS[match[2]] or None


def _secret_env(name: str) -> str:
    if _VARIABLE.fullmatch(name) is None:
        raise TableError("secret_env", "is the name of an environment variable: letters, digits and _")
    return name


def _hint(name: str, known: Sequence[str]) -> str:
    return did_you_mean(name, known, "; ") or f"; known: {', '.join(known)}"

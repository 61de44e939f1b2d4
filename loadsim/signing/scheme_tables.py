"""Makes a `Scheme` from a table, which has headers and message as templates; errors are one line.

The form of the table is the same in `schemes.toml` and in a user's own `[target.custom]`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from loadsim.model import UsageError
from loadsim.signing.certificate_tables import certificate_place, named_algorithm
from loadsim.signing.description import Scheme
from loadsim.signing.fields import Field
from loadsim.signing.header_tables import TOKEN, Headers, check_message, put_in_body, read_headers, retry_line
from loadsim.signing.message_tables import TableError, check_algorithm, hint, message_parts
from loadsim.signing.retry_marks import REASONS
from loadsim.signing.scheme_data import Algorithm, Digest, Encoding, KeyForm, SignatureHeader, Timestamp
from loadsim.signing.timestamps import Unit
from loadsim.signing.token_tables import TABLES, check_values, read_token
from loadsim.signing.tokens import Token

DEFAULT_SECRET_ENV = "LOADSIM_WEBHOOK_SECRET"  # noqa: S105 - a variable's name
DEFAULT_TOLERANCE = "5m"

_CHOICES: dict[str, tuple[str, ...]] = {
    "timestamp": get_args(Unit),
    "digest": get_args(Digest),
    "encoding": get_args(Encoding),
    "key": get_args(KeyForm),
    "algorithm": get_args(Algorithm),
}
_TEXTS = (
    "title", "like", "accepts", "signed", "several", "timestamp_field", "attempt_field", "tolerance", "secret_env",
    "url_decoded", "signature_field", "confirmed", "documentation", "certificate_url", "certificate_field",
    "algorithm_field",
)  # fmt: skip
_LISTS = ("headers", "aliases", "retry_headers", "certificates", "checked")
KEYS = (*_LISTS, "retry_reasons", *TABLES, *_TEXTS, *_CHOICES)
"""Every key of a table."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION = re.compile(r"([0-9]{1,6})(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}

Find = Callable[[str], Mapping[str, Any] | None]
"""Returns the table of a scheme by name, with the table that it is `like` merged in; None: unknown scheme."""


def read_table(name: str, table: Mapping[str, Any], find: Find, where: str) -> Scheme:
    """The scheme that a table describes. `where` is the name of the table in messages. Raises UsageError."""
    try:
        return _scheme(name, _whole(table, find), find)
    except TableError as error:
        raise UsageError(f"{where}.{error}" if error.key else f"{where}: {error}") from None


def _check_reasons(key: str, value: object) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise TableError(key, 'must be a table of texts, such as { timeout = "http_timeout" }')
    for name, text in value.items():
        if name not in REASONS:
            raise TableError(key, f"unknown reason {name}{hint(name, REASONS)}")
        if not text.isascii() or not text.isprintable():
            raise TableError(key, f"{name} must be printable ASCII")


_TABLE_CHECKS = {"retry_reasons": _check_reasons, **dict.fromkeys(TABLES, check_values)}
"""How the keys whose values are tables are checked."""


def _whole(table: Mapping[str, Any], find: Find) -> dict[str, Any]:
    """The table merged over the one that it is `like`, with its types checked."""
    for key, value in table.items():
        if key not in KEYS:
            raise TableError(key, f"unknown key{hint(key, KEYS)}")
        if key in _TABLE_CHECKS:
            _TABLE_CHECKS[key](key, value)
        elif key in _LISTS:
            if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
                raise TableError(key, "must be a list of strings" + ("" if key == "checked" else ' "Name: value"'))
        elif key == "key" and isinstance(value, list) and value and all(isinstance(form, str) for form in value):
            pass  # several forms, in order
        elif not isinstance(value, str):
            raise TableError(key, "must be a string" + (", or a list of strings" if key == "key" else ""))
        for choice in (value if isinstance(value, list) else [value]) if key in _CHOICES else ():
            if choice not in _CHOICES[key]:
                raise TableError(key, f'"{choice}" is not one of {", ".join(_CHOICES[key])}')
    base: Mapping[str, Any] = {}
    if "like" in table:
        found = find(table["like"])
        if found is None:
            raise TableError("like", f'there is no scheme "{table["like"]}"')
        base = found
    return merged(base, table)


def merged(base: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """A table over the one that it is `like`; of a token each claim is replaced by itself."""
    found = {**base, **table}
    for key in TABLES:
        if key in base and key in table:
            found[key] = {**base[key], **table[key]}
    return found


def _scheme(name: str, table: Mapping[str, Any], find: Find) -> Scheme:
    algorithm: Algorithm = table.get("algorithm", "hmac")
    for key in ("headers", "signed"):
        if (
            not table.get(key)
            and not (key == "signed" and (algorithm == "none" or "claims" in table))
            and not (key == "headers" and "signature_field" in table)
        ):
            raise TableError(key, "is missing")
    headers = read_headers(table.get("headers", []), table.get("several"))
    if "signature_field" in table:
        put_in_body(headers, table["signature_field"], table.get("several"))
    if headers.signature is None:
        raise TableError("headers", "no value holds {secret}" if algorithm == "none" else "no value holds {signature}")
    check_algorithm(table, algorithm, sends_secret=headers.code == "secret")
    token = read_token(table, algorithm, sends_token=headers.code == "jwt")
    if token is None:
        signed = message_parts(table["signed"]) if "signed" in table else ()
        timestamp = _timestamp(headers, headers.signature, table)
        check_message(signed, timestamp, headers)
    else:
        signed, timestamp = token.parts, _time_in(token, headers, headers.signature)
        check_message(signed, timestamp, headers, key="claims")
    keys = table.get("key", "utf8")
    keys = keys if isinstance(keys, list) else [keys]
    certificate = certificate_place(headers, table, algorithm)
    described = Scheme(
        name=name,
        title=table.get("title", name),
        signature=headers.signature,
        signed=signed,
        default_secret_env=_secret_env(table.get("secret_env", DEFAULT_SECRET_ENV)),
        timestamp=timestamp,
        id_headers=tuple(headers.ids),
        constants=tuple(headers.constants),
        retry_headers=tuple(retry_line(line) for line in table.get("retry_headers", ())),
        retry_reasons=tuple(table.get("retry_reasons", {}).items()),
        attempt_field=table.get("attempt_field"),
        digest=table.get("digest", "sha256"),
        encoding=table.get("encoding", "text" if algorithm == "none" else "hex"),
        key=keys[0],
        further_keys=tuple(keys[1:]),
        algorithm=algorithm,
        token=token,
        tolerance_s=_tolerance(table.get("tolerance"), timestamp),
        url_decoded=table.get("url_decoded", ""),
        like=table.get("like"),
        confirmed=table.get("confirmed", ""),
        documentation=table.get("documentation", ""),
        certificate=certificate,
        named_algorithm=named_algorithm(headers, table, certificate),
    )
    if "aliases" in table:
        if "accepts" in table:
            raise TableError("aliases", "and accepts both say which other headers are taken: keep one")
        return _aliased(described, table["aliases"])
    return _accepting(described, table["accepts"], find) if "accepts" in table else described


def _aliased(described: Scheme, lines: list[str]) -> Scheme:
    """The scheme, with other names of its headers that a receiver takes too."""
    others: dict[str, str] = {}
    known = described.header_names()
    for line in lines:
        name, colon, other = (text.strip() for text in line.partition(":"))
        if not colon or TOKEN.fullmatch(name) is None or TOKEN.fullmatch(other) is None:
            raise TableError("aliases", f'"{line}" is not written "Name: other name"')
        if name.lower() not in known:
            raise TableError("aliases", f"{name} is not a header that is verified{hint(name.lower(), known)}")
        others[name.lower()] = other

    def renamed(name: str) -> str:
        return others.get(name.lower(), name)

    timestamp = described.timestamp
    if timestamp is not None and timestamp.place == "header":
        timestamp = dataclasses.replace(timestamp, name=renamed(timestamp.name))
    signature = dataclasses.replace(described.signature, name=renamed(described.signature.name), further=())
    alike = dataclasses.replace(
        described, signature=signature, timestamp=timestamp, id_headers=tuple(map(renamed, described.id_headers))
    )
    return dataclasses.replace(described, accepts=alike)


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


# -- message, timestamp, the rest -----------------------------------------------------------------------------------


def _timestamp(headers: Headers, signature: SignatureHeader, table: Mapping[str, Any]) -> Timestamp | None:
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


def _time_in(token: Token, headers: Headers, signature: SignatureHeader) -> Timestamp | None:
    if headers.timestamp is not None or signature.timestamp_prefix is not None:
        raise TableError("headers", "{timestamp} does not go with {jwt}: a token holds its time as a claim")
    return Timestamp("token", token.times[0].name) if token.times else None


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

"""Parts of a signed message beyond the usual fields: headers, the URL's parts, fields of the body, and filters.

`compiled` makes one function of a scheme's message. What is the same for every delivery is computed once there.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import itertools
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, get_args
from urllib.parse import unquote, urlsplit

import orjson

from loadsim.model import UsageError
from loadsim.signing.forms import PLAIN_FORMS, FieldTwiceError, Forms
from loadsim.signing.json_fields import JsonRun, Path, index_of

Source = Literal["header", "query", "path", "json", "json-line", "form", "form-sorted"]
NAMED = ("header", "query", "json", "json-line", "form")
"""Sources that need a name after a colon."""
BODY_SOURCES = ("body", "json", "json-line", "form", "form-sorted")
LONGEST_HEADER = 4_096


class Headers(Protocol):
    """The headers: a dict by lower-case name, or a web framework's mapping that ignores case."""

    def get(self, key: str, /) -> str | None:
        """The header's value; None when it is missing."""


class PartError(ValueError):
    """A delivery lacks a part that is signed."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `{json:data.id}`, `{header:X-Request-Id}`, `{body|sha256|hex}`.

    `source` is a `Source` or the name of a usual field; `filters` are applied in order.
    """

    source: str
    name: str = ""
    filters: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it is written between the braces."""
        return "|".join((f"{self.source}:{self.name}" if self.name else self.source, *self.filters))

    @property
    def is_of_body(self) -> bool:
        """Whether it depends on the body."""
        return self.source in BODY_SOURCES


FILTERS: dict[str, Callable[[bytes], bytes]] = {
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "crc32": lambda data: b"%d" % zlib.crc32(data),
    "lower": bytes.lower,
    "hex": binascii.hexlify,
    "base64": lambda data: binascii.b2a_base64(data, newline=False),
    "base64url": lambda data: base64.urlsafe_b64encode(data).rstrip(b"="),
}
"""What a filter makes of a part: `sha256` the 32 bytes of the digest, `crc32` a decimal number."""
SOURCES: tuple[str, ...] = get_args(Source)


class Delivered:
    """The body and headers of one delivery; each is parsed once, when a part first needs it."""

    __slots__ = ("_document", "_forms", "_headers", "_is_exact", "body")

    def __init__(self, body: bytes, headers: Headers | None, forms: Forms = PLAIN_FORMS) -> None:
        """`forms` reads a form-encoded body."""
        self.body = body
        self._headers = headers
        self._forms = forms
        self._document: Any = self
        self._is_exact = False

    def header(self, name: str) -> bytes:
        """The value of a header, by lower-case name."""
        text = None if self._headers is None else self._headers.get(name)
        if text is None:
            raise PartError(f"the header {name} is missing")
        if len(text) > LONGEST_HEADER:
            raise PartError(f"the header {name} is longer than {LONGEST_HEADER:,} characters")
        return text.encode("latin-1", "replace")

    def json(self, path: str) -> bytes:
        """The text of a value in the JSON body; null is empty, numbers are as they are written."""
        value = found_at(self.document, path)
        if type(value) is str:
            return value.encode("utf-8", "surrogatepass")
        if isinstance(value, float) and not self._is_exact:
            self._document, self._is_exact = _exactly(self.body), True
            value = found_at(self._document, path)
        return _text(value)

    def json_line(self, path: str) -> bytes:
        """Name and value of a field of the JSON body, a line each; nothing where the body lacks it, or it is null."""
        document = self.document  # a body that is not JSON is an error
        try:
            value = found_at(document, path)
        except PartError:
            return b""
        return b"" if value is None else b"%b\n%b\n" % (path.encode(), self.json(path))

    @property
    def document(self) -> Any:
        """The JSON body, parsed."""
        if self._document is self:
            self._document = _parsed(self.body)
        return self._document

    def taken(self) -> Any:
        """The JSON body, parsed, for a caller that changes it: this delivery must not be read afterwards."""
        return _parsed(self.body) if self._is_exact else self.document

    def form(self, name: str) -> bytes:
        """The value of a field of the form-encoded body."""
        try:
            value = self._forms.value(self.body, name)
        except FieldTwiceError:
            raise PartError(f"the form has the field {name} twice") from None
        except ValueError:
            raise PartError("the body is not a form") from None
        if value is None:
            raise PartError(f"the form has no field {name}")
        return value

    def sorted_form(self) -> bytes:
        """Names and values of all fields joined, sorted by name and value, equal pairs once (as Twilio signs them)."""
        try:
            return self._forms.sorted_text(self.body)
        except ValueError:
            raise PartError("the body is not a form") from None


class Document(Delivered):
    """A delivery with a JSON body that is not serialised yet."""

    __slots__ = ()

    def __init__(self, document: Any, headers: Headers | None) -> None:
        self.body = b""
        self._headers, self._document, self._is_exact = headers, document, False

    def json(self, path: str) -> bytes:
        """As `Delivered.json`."""
        if not self.body:
            self.body = orjson.dumps(self._document)
        return super().json(path)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise PartError("the body is not JSON") from None


@functools.cache
def _steps(path: str) -> tuple[tuple[str, int], ...]:
    """The steps of a path, each also as the index that it is in a list."""
    return tuple((step, index_of(step)) for step in path.split("."))


def found_at(document: Any, path: str) -> Any:
    """The value at a path such as `items.0.id`. Raises PartError."""
    node = document
    try:
        for step, index in _steps(path):
            node = node[index] if type(node) is list else node[step]
    except (KeyError, IndexError, TypeError):
        raise PartError(f"the body has no field {path}") from None
    return node


def _exactly(body: bytes) -> Any:
    import json

    try:
        return json.loads(body, parse_float=_Number)
    except (ValueError, RecursionError):
        raise PartError("the body is not JSON") from None


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _text(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int | float):
        return repr(value).encode()
    raise PartError("the signed field of the body is not a single value")


# -- the whole message ----------------------------------------------------------------------------------------------

Compose = Callable[[bytes, bytes, "Delivered"], bytes]
"""(timestamp, id, delivery) -> the message. Raises PartError."""
OwnHeaders = Mapping[str, "bytes | str"]
"""What a sender writes into its headers, by lower-case name: bytes, or "timestamp" or "id"."""


def compiled(parts: Sequence[bytes | str | Part], scheme_name: str, url: str | None, own: OwnHeaders | None) -> Compose:
    """The function that makes the message. `parts`: bytes, names of variable fields, and Parts.

    `own` are the headers that a sender writes; a verifier (None) reads those that came. Raises UsageError for a part
    that no delivery can have.
    """
    steps: list[bytes | Callable[[bytes, bytes, Delivered], bytes]] = []
    for part in _with_runs(parts):
        step = part if isinstance(part, JsonRun) else _step(part, scheme_name, url, own)
        if isinstance(step, bytes) and steps and isinstance(steps[-1], bytes):
            steps[-1] += step
        else:
            steps.append(step)

    if len(steps) == 1 and not isinstance(steps[0], bytes):
        return steps[0]

    def compose(timestamp: bytes, event_id: bytes, delivered: Delivered) -> bytes:
        return b"".join([step if isinstance(step, bytes) else step(timestamp, event_id, delivered) for step in steps])

    return compose


def _with_runs(parts: Sequence[bytes | str | Part]) -> list[bytes | str | Part | JsonRun]:
    """The parts, with fields of JSON that follow each other as one."""
    found: list[bytes | str | Part | JsonRun] = []
    for is_run, group in itertools.groupby(parts, lambda part: isinstance(part, bytes) or _is_plain_json(part)):
        run = list(group)
        if is_run and sum(map(_is_plain_json, run)) > 1:
            found.append(JsonRun([Path(part.name) if isinstance(part, Part) else cast("bytes", part) for part in run]))
        else:
            found += run
    return found


def _is_plain_json(part: bytes | str | Part) -> bool:
    return isinstance(part, Part) and part.source == "json" and not part.filters


_FIELDS: dict[str, Callable[[bytes, bytes, Delivered], bytes]] = {
    "timestamp": lambda timestamp, _, __: timestamp,
    "id": lambda _, event_id, __: event_id,
    "body": lambda _, __, delivered: delivered.body,
}


def _step(
    part: bytes | str | Part, scheme_name: str, url: str | None, own: OwnHeaders | None
) -> bytes | Callable[[bytes, bytes, Delivered], bytes]:
    if isinstance(part, bytes):
        return part
    if isinstance(part, str):
        return _FIELDS[part]
    read = _reader(part, scheme_name, url, own)
    filters = [FILTERS[name] for name in part.filters]
    if isinstance(read, bytes):
        for change in filters:
            read = change(read)
        return read
    if not filters:
        return read
    plain = read

    def filtered(timestamp: bytes, event_id: bytes, delivered: Delivered) -> bytes:
        data = plain(timestamp, event_id, delivered)
        for change in filters:
            data = change(data)
        return data

    return filtered


def _reader(
    part: Part, scheme_name: str, url: str | None, own: OwnHeaders | None
) -> bytes | Callable[[bytes, bytes, Delivered], bytes]:
    name = part.name
    if part.source in ("path", "query"):
        return _of_url(part, scheme_name, url)
    if part.source == "header":
        if own is None:
            return lambda _, __, delivered: delivered.header(name)
        value = own.get(name)
        if value is None:
            raise UsageError(f"scheme {scheme_name} signs {{{part}}}, which is not sent: the event has no such header")
        return _FIELDS[value] if isinstance(value, str) else value
    if part.source == "json":
        return lambda _, __, delivered: delivered.json(name)
    if part.source == "json-line":
        return lambda _, __, delivered: delivered.json_line(name)
    if part.source == "form":
        return lambda _, __, delivered: delivered.form(name)
    if part.source == "form-sorted":
        return lambda _, __, delivered: delivered.sorted_form()
    return _FIELDS[part.source]


def _of_url(part: Part, scheme_name: str, url: str | None) -> bytes:
    if not url:
        raise UsageError(
            f"scheme {scheme_name} signs {{{part}}}: give the URL that the sender uses, as public_url or url"
        )
    split = urlsplit(url)
    if part.source == "path":
        return (split.path or "/").encode()
    for pair in split.query.split("&"):
        name, _, value = pair.partition("=")
        if unquote(name.replace("+", " ")) == part.name:
            return unquote(value.replace("+", " ")).encode()
    raise UsageError(f"scheme {scheme_name} signs {{{part}}}, which the URL lacks: add {part.name}=… to its query")

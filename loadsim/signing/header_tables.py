"""The headers of a scheme's table, as lines "Name: value", and a signature's place in the body. Errors name the key."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from loadsim.signing.fields import Field
from loadsim.signing.message_parts import Part
from loadsim.signing.message_tables import TableError, fields_in, hint
from loadsim.signing.retry_marks import FIRST
from loadsim.signing.scheme_data import SignatureHeader, Timestamp
from loadsim.signing.tokens import written

_CODES = ("signature", "signatures", "secret", "jwt")
_HEADER_FIELDS = ("timestamp", "id", "event", "certificate-url", *_CODES, *FIRST)
_RETRY_FIELDS = (*FIRST, "reason", "first")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RESERVED = {"content-length", "transfer-encoding", "content-type", "host", "connection"}


@dataclass(slots=True)
class Headers:
    """The parsed header lines."""

    constants: list[tuple[str, str]]
    ids: list[str]
    timestamp: str | None = None
    signature: SignatureHeader | None = None
    certificate: str | None = None
    """The header that names the certificate."""
    code: str = ""
    """The field that stands for the signature: `signature`, `signatures`, `secret` or `jwt`."""


def read_headers(lines: list[str], several: str | None) -> Headers:
    found = Headers([], [])
    seen: set[str] = set()
    for line in lines:
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or TOKEN.fullmatch(name) is None:
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


def retry_line(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or TOKEN.fullmatch(name) is None or name.lower() in _RESERVED:
        raise TableError("retry_headers", f'"{line}" is not written "Name: value", or is set by the request itself')
    if not value.isascii() or not value.isprintable():
        raise TableError("retry_headers", f"the value of {name} must be printable ASCII")
    fields_in("retry_headers", value, _RETRY_FIELDS)
    return name, value


def _place(found: Headers, name: str, value: str, several: str | None) -> None:
    fields = fields_in("headers", value, _HEADER_FIELDS)
    code = next((field for field in fields if field in _CODES), None)
    if code is not None:
        signature = _signature("headers", name, value, several, code)
        if found.signature is None:
            found.signature, found.code = signature, code
        elif dataclasses.replace(signature, name=found.signature.name) == dataclasses.replace(
            found.signature, further=()
        ):
            further = (*found.signature.further, name)
            found.signature = dataclasses.replace(found.signature, further=further)
        else:
            first = found.signature.name
            raise TableError("headers", f"{{{code}}} stands in {first} and, in another form, in {name}")
    elif value == "{timestamp}":
        if found.timestamp is not None:
            raise TableError("headers", f"{{timestamp}} stands in {found.timestamp} and in {name}: keep one")
        found.timestamp = name
    elif value == "{id}":
        found.ids.append(name)
    elif "timestamp" in fields or "id" in fields:
        raise TableError("headers", f"{name}: {{timestamp}} and {{id}} stand alone as a value")
    else:
        if "certificate-url" in fields:
            if value != "{certificate-url}" or found.certificate is not None:
                raise TableError("headers", f"{name}: {{certificate-url}} stands alone as a value, and once")
            found.certificate = name
        found.constants.append((name, value))


def put_in_body(found: Headers, line: str, several: str | None) -> None:
    """The signature's place from `json:PATH` or `form:NAME`, and a template behind a blank where it has a prefix."""
    where, _, value = line.partition(" ")
    place, _, name = where.partition(":")
    if place not in ("json", "form") or not name:
        raise TableError("signature_field", f'"{line}" is not written "json:PATH" or "form:NAME"')
    if found.signature is not None:
        raise TableError("signature_field", f"the signature stands in {found.signature.name} too: keep one")
    value = value.strip() or "{signature}"
    fields = fields_in("signature_field", value, ("timestamp", *_CODES))
    code = next((field for field in fields if field in _CODES), None)
    if code is None:
        raise TableError("signature_field", f'"{value}" does not hold {{signature}}')
    signature = _signature("signature_field", name, value, several, code)
    found.signature, found.code = dataclasses.replace(signature, place=place), code  # type: ignore[arg-type]  # checked


def _signature(key: str, name: str, value: str, several: str | None, code: str) -> SignatureHeader:
    """`prefix{signature}`, or `t={timestamp},v1={signature}` where `several` is the comma."""
    separator = several.encode() if several else None
    is_once = code == "signatures"
    if is_once and separator is None:
        raise TableError("several", f"is what stands between the {{signatures}} in {name}: name it")
    before, _, after = value.partition(f"{{{code}}}")
    if after:
        raise TableError(key, f"{name}: nothing can stand behind {{{code}}}")
    if "{timestamp}" not in before:
        if "{" in before:
            raise TableError(key, f"{name}: only {{timestamp}} can stand before {{{code}}}")
        return SignatureHeader(name, before.encode(), separator, is_prefix_once=is_once)
    start, _, prefix = before.partition("{timestamp}")
    if several is None or not prefix.startswith(several):
        raise TableError("several", f"is what stands between {{timestamp}} and {{{code}}} in {name}: name it")
    prefix = prefix.removeprefix(several)
    is_bare = is_once and not start and not prefix
    if "{" in start + prefix or ((not start or not prefix or start == prefix) and not is_bare):
        raise TableError(key, f'{name}: each entry needs a name of its own, as in "t={{timestamp}},v1={{{code}}}"')
    return SignatureHeader(name, prefix.encode(), separator, start.encode(), is_prefix_once=is_once)


def check_message(
    signed: tuple[Field | Part | bytes, ...], timestamp: Timestamp | None, headers: Headers, key: str = "signed"
) -> None:
    """Raises TableError, which names the key, for a part that no header carries or that holds the signature."""
    fields = {part.value if isinstance(part, Field) else part.source for part in signed if not isinstance(part, bytes)}
    if "timestamp" in fields and (timestamp is None or timestamp.place == "body"):
        raise TableError("signed", "holds {timestamp}, but no header carries it")
    if "id" in fields and not headers.ids:
        raise TableError("signed", "holds {id}, but no header carries it")
    sent = {name.lower() for name, _ in headers.constants} | {name.lower() for name in headers.ids} | {"content-type"}
    if timestamp is not None and timestamp.place == "header":
        sent.add(timestamp.name.lower())
    for part in signed:
        if isinstance(part, Part) and part.source == "header" and part.name not in sent:
            raise TableError(key, f"holds {{{part}}}, but headers has no line for it{hint(part.name, sorted(sent))}")
    if headers.signature is not None and headers.signature.place != "header":
        for part in signed:
            if not isinstance(part, bytes) and _holds(part, headers.signature):
                raise TableError(key, f"holds {written(part)}, which cannot cover the signature inside it")


def _holds(part: Field | Part, signature: SignatureHeader) -> bool:
    """Whether a part of the body holds the signature that is written there."""
    source, name = (part.source, part.name) if isinstance(part, Part) else (part.value, "")
    if source in ("body", "form-sorted"):
        return True
    if source == "form" or signature.place == "form":
        return source == signature.place and name == signature.name
    return source in ("json", "json-line") and f"{signature.name}.".startswith(f"{name}.")

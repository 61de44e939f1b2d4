"""One delivery as a row of a capture, in the form that `capture_file.read_recorded` reads."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from loadsim.model import NS_PER_S

TYPE_FIELDS = ("event", "type", "event_type", "eventType", "event_name", "topic")
"""The fields of a body in which providers write the type of the event, in the order in which they are tried."""
LONGEST_TYPE = 100


def row_line(body: bytes | None, kind: str | None, at_ns: int, headers: Mapping[str, str]) -> bytes:
    """The row, with its line end. A body that is not UTF-8 is written as `body_base64`; None: a row with a time
    alone."""
    row: dict[str, Any] = {"at": _instant(at_ns)}
    if kind is not None:
        row["type"] = kind
    if headers:
        row["headers"] = headers
    if body is not None:
        try:
            row["body"] = body.decode()
        except UnicodeDecodeError:
            row["body_base64"] = base64.b64encode(body).decode()
    return orjson.dumps(row) + b"\n"


def is_type(name: str) -> bool:
    """Whether the name of an event type can stand in a report and an objective (`{type:NAME}`)."""
    return bool(name.strip()) and name.isprintable() and not any(char in "{}," for char in name)


def type_in_body(body: bytes, content_type: str) -> str | None:
    """The type of the event as its body says it; None where it does not."""
    try:
        if "x-www-form-urlencoded" in content_type.lower():
            document: Any = dict(parse_qsl(body.decode()))
        else:
            document = orjson.loads(body)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    found = next((document[field] for field in TYPE_FIELDS if isinstance(document.get(field), str)), None)
    return usable_type(found)


def usable_type(name: str | None) -> str | None:
    """The name as the type of a row; None where it cannot be one."""
    return name if name is not None and is_type(name) and len(name) <= LONGEST_TYPE else None


def _instant(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, NS_PER_S)
    text = dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest // 1000:06d}Z"

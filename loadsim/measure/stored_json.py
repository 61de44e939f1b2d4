"""The JSON of stored results: how it is written, what can be raised where it is read, and which version wrote it."""

from __future__ import annotations

from typing import Any

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding foreign JSON or msgpack can raise beside our own ValueErrors: another form or cut short; not UTF-8;
nested too deeply."""

_LONGEST_SCHEMA = 40


def shown_schema(schema: str) -> str:
    """The schema of a foreign file, for a message."""
    return schema if len(schema) <= _LONGEST_SCHEMA else f"{schema[:_LONGEST_SCHEMA]}…"


def why_newer(schema: str, ours: str) -> str:
    """That a newer loadsim wrote a file of this schema (`loadsim.result/3`), where ours is an older version of the same
    one; empty otherwise."""
    name, _, version = ours.partition("/")
    their_name, _, their_version = schema.partition("/")
    if their_name != name or not (their_version.isascii() and their_version.isdecimal()):
        return ""
    digits = their_version.lstrip("0")  # compared as text: a foreign number may have any length
    if (len(digits), digits) <= (len(version), version):
        return ""
    return f"written by a newer loadsim ({shown_schema(schema)}, this one reads {ours}); update loadsim to read it"


def stored_json(value: Any) -> bytes:
    """The stored form of a result: indented JSON, one trailing newline."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"

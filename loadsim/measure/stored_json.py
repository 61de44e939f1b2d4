"""The JSON of stored results: how it is written, and what can be raised where it is read."""

from __future__ import annotations

from typing import Any

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding foreign JSON or msgpack can raise beside our own ValueErrors: another form or cut short; not UTF-8;
nested too deeply."""


def stored_json(value: Any) -> bytes:
    """The stored form of a result: indented JSON, one trailing newline."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"

"""The usual fields of a signed message."""

from __future__ import annotations

import enum


class Field(enum.Enum):
    """A usual part of the signed message; other parts are literal bytes and `message_parts.Part`s."""

    timestamp = "timestamp"
    id = "id"
    method = "method"
    url = "url"
    body = "body"

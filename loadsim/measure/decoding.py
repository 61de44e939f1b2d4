"""The exceptions that decoding foreign JSON or msgpack can raise, in addition to our own ValueErrors."""

from __future__ import annotations

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Another form or cut short; not UTF-8; nested too deeply."""

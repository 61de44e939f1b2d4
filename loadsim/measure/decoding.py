"""What decoding foreign JSON or msgpack raises, beside a ValueError of our own: named once for every stored form."""

from __future__ import annotations

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Of another form or cut short, not UTF-8, nested too deeply."""

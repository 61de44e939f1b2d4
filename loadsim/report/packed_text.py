"""Long texts in a small part of a page: compressed, in characters that HTML leaves alone. `page.js` unpacks them.

Two characters of 91 hold 13 bits. In base 64 the chart library alone would fill a page of 2 MB.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

import numpy as np

from loadsim.measure.hdr import Ints

DIGITS = bytes(code for code in range(33, 127) if code not in b"<>&")
"""The printable characters without those that HTML is made of, in the order of their codes."""
_BITS = 13
_LEVEL = 5
"""Of zlib. Level 6, the usual one, takes a third longer at the end of every run and saves 7 bytes in 1,000."""
_PAIRS = np.frombuffer(DIGITS, np.uint8)[np.stack(np.divmod(np.arange(1 << _BITS), len(DIGITS)), axis=1)]
"""The two digits of each number of 13 bits."""


@lru_cache(maxsize=1)  # a command that writes several pages packs the library once
def packed_library(source: str) -> str:
    """The packed source of the chart library."""
    return packed(source)


def packed(text: str) -> str:
    """The text as zlib data, to stand in a script element of a type that no browser runs: `LENGTH DIGITS`,
    without regard to spaces among the digits.

    LENGTH is the number of bytes. 13 bits are the number `91 * first + second` of two digits; the last are filled up.
    """
    data = zlib.compress(text.encode(), _LEVEL)
    digits = _PAIRS[_groups(data)].tobytes().decode()
    # CI runners take `##name[` anywhere in their output for a command, also in a page that is printed.
    return f"{len(data)} {re.sub('#(?=#)', '# ', digits)}"


def _groups(data: bytes) -> Ints:
    """The data as numbers of 13 bits, the first bit the highest; the last number is filled up with zeros."""
    rows = np.frombuffer(data + bytes(-len(data) % _BITS), np.uint8).reshape(-1, _BITS).astype(np.int64)
    rows = np.pad(rows, ((0, 0), (0, 1)))  # the last number of a row needs no third byte
    numbers = np.empty((len(rows), 8), np.int64)
    for place in range(8):
        first, begin = divmod(_BITS * place, 8)
        three = rows[:, first] << 16 | rows[:, first + 1] << 8 | rows[:, first + 2]
        numbers[:, place] = three >> 24 - _BITS - begin & (1 << _BITS) - 1
    return numbers.ravel()[: -(-len(data) * 8 // _BITS)]

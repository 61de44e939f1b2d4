"""Long texts in a small part of a page: compressed, in characters that HTML leaves alone. `page.js` unpacks them.

Two characters of 91 hold 13 bits. In base 64 the chart library alone would fill a page of 2 MB.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

import numpy as np

DIGITS = bytes(code for code in range(33, 127) if code not in b"<>&")
"""The printable characters without those that HTML is made of, in the order of their codes."""
_BITS = 13
_LEVEL = 6
"""Of zlib. The highest level takes a quarter longer at the end of a run and saves 2 bytes in 1,000."""


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
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    groups = np.pad(bits, (0, -bits.size % _BITS)).reshape(-1, _BITS)
    values = groups @ (1 << np.arange(_BITS - 1, -1, -1, dtype=np.uint16))
    pairs = np.stack(np.divmod(values, len(DIGITS)), axis=1)
    digits = np.frombuffer(DIGITS, np.uint8)[pairs].tobytes().decode()
    # CI runners take `##name[` anywhere in their output for a command, also in a page that is printed.
    return f"{len(data)} {re.sub('#(?=#)', '# ', digits)}"

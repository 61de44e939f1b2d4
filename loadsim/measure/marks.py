"""Which event a delivery is of: `<run-id>/<index>/<attempt>`, as the header `X-Loadsim-Id` carries it.

Decides the form, and reads many marks at once. They come from anyone, so every byte is looked at, and what is not of
the form is no mark. Refuses to know what is noted of a delivery.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from loadsim.measure.hdr import Ints

HEADER = "x-loadsim-id"
"""Lower case."""
_DIGITS, _ATTEMPT_DIGITS = 10, 3
MARK = re.compile(rb"([!-.0-~]{1,120})/([0-9]{1,%d})/[0-9]{1,%d}" % (_DIGITS, _ATTEMPT_DIGITS))
"""A whole mark: the run's name (printable ASCII without blanks and slashes), the event's index, the attempt."""
_END, _SLASH, _ZERO = ord("\n"), ord("/"), ord("0")


def indexes_of(marks: Sequence[bytes], run: bytes) -> Ints | None:
    """The index of every mark, in order; None unless all of them are of the form and of this run."""
    if not marks:
        return np.zeros(0, dtype=np.int64)
    prefix = run + b"/"
    # What lies between two texts with the same beginning has that beginning too.
    if not (min(marks).startswith(prefix) and max(marks).startswith(prefix)):
        return None
    chars = np.frombuffer(b"\n".join(marks) + b"\n", dtype=np.uint8)
    end, slashes = np.flatnonzero(chars == _END), np.flatnonzero(chars == _SLASH)
    if len(end) != len(marks) or len(slashes) != 2 * len(marks):
        return None
    begin, first, second = np.append(0, end[:-1] + 1), slashes[0::2], slashes[1::2]
    width, rest = second - first - 1, end - second - 1
    if (first - begin != len(run)).any() or not (_within(width, _DIGITS) and _within(rest, _ATTEMPT_DIGITS)):
        return None
    digits = chars - _ZERO  # what is below "0" wraps around to a large number
    attempt = [digits[np.minimum(second + place, end - 1)] for place in range(1, int(rest.max()) + 1)]
    if max(int(column.max()) for column in attempt) > 9:
        return None
    return _numbers(digits, first, width)


def _within(widths: Ints, most: int) -> bool:
    return bool(widths.min() >= 1 and widths.max() <= most)


def _numbers(digits: np.ndarray[tuple[int], np.dtype[np.uint8]], before: Ints, width: Ints) -> Ints | None:
    """The numbers of so many digits behind the places `before`; None where something else is among the digits."""
    number = np.zeros(len(before), dtype=np.int64)
    least = int(width.min())
    for place in range(1, int(width.max()) + 1):
        digit = digits[before + place if place <= least else before + np.minimum(place, width)]
        if digit.max() > 9:
            return None
        longer = number * 10 + digit
        number = longer if place <= least else np.where(place <= width, longer, number)
    return number

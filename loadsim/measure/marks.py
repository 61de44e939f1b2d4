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
RUN = re.compile(r"[!-.0-~]{1,120}")
"""What a run may be called in a mark."""
_SLASH, _ZERO = ord("/"), ord("0")


def indexes_of(marks: Sequence[bytes], run: bytes) -> Ints | None:
    """The index of every mark, in order; None unless all of them are of the form and of this run.

    It may also be None for marks that are, where those of one length have attempts of several.
    """
    if not marks:
        return np.zeros(0, dtype=np.int64)
    # Marks that come together mostly have indexes of one length, and then stand below each other.
    found = _of_one_length(marks, run)
    if found is not None:
        return found
    places: dict[int, list[int]] = {}
    for place, mark in enumerate(marks):
        places.setdefault(len(mark), []).append(place)
    if len(places) == 1:
        return None
    whole = np.empty(len(marks), dtype=np.int64)
    for where in places.values():
        some = _of_one_length([marks[place] for place in where], run)
        if some is None:
            return None
        whole[where] = some
    return whole


def _of_one_length(marks: Sequence[bytes], run: bytes) -> Ints | None:
    text = b"\n".join(marks) + b"\n"
    width = len(marks[0]) + 1
    prefix, slash, attempt = run + b"/", marks[0].rfind(b"/"), len(marks[0]) - marks[0].rfind(b"/") - 1
    digits = slash - len(prefix)
    if len(text) != len(marks) * width or not (1 <= digits <= _DIGITS and 1 <= attempt <= _ATTEMPT_DIGITS):
        return None
    rows = np.frombuffer(text, dtype=np.uint8).reshape(-1, width)
    # Every byte but the last of a row is held against what must stand there, and so is no line's end: the last one is.
    if not ((rows[:, : len(prefix)] == np.frombuffer(prefix, np.uint8)).all() and (rows[:, slash] == _SLASH).all()):
        return None
    columns = rows[:, len(prefix) : -1] - _ZERO  # what is below "0" wraps around to a large number
    columns[:, digits] = 0
    if columns.max() > 9:
        return None
    number = columns[:, 0].astype(np.int64)
    for column in range(1, digits):
        number *= 10
        number += columns[:, column]
    return number

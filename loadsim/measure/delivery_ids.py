"""Delivery ids: `<run-id>/<index>/<attempt>`, the value of the header `X-Loadsim-Id`, which names a delivery's event.

An id can come from anyone and is not signed, so every byte of it is checked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from loadsim.measure.hdr import Ints

HEADER = "x-loadsim-id"
"""Lower case."""
_DIGITS, _ATTEMPT_DIGITS = 10, 3
DELIVERY_ID = re.compile(rb"([!-.0-~]{1,120})/([0-9]{1,%d})/([0-9]{1,%d})" % (_DIGITS, _ATTEMPT_DIGITS))
"""A complete id: the run's name (printable ASCII without blanks and slashes), the event's index, the attempt."""
RUN = re.compile(r"[!-.0-~]{1,120}")
"""The names that a run can have in an id."""
_SLASH, _ZERO = ord("/"), ord("0")


def indexes_of(ids: Sequence[bytes], run: bytes) -> Ints | None:
    """The event index of every id, in order; None unless all of them are well-formed and of this run.

    It is also None where ids of one length have attempt numbers of different lengths; the caller then reads one by one.
    """
    if not ids:
        return np.zeros(0, dtype=np.int64)
    # Ids that arrive together mostly have one length, and are then rows of one matrix.
    found = _of_one_length(ids, run)
    if found is not None:
        return found
    places: dict[int, list[int]] = {}
    for place, text in enumerate(ids):
        places.setdefault(len(text), []).append(place)
    if len(places) == 1:
        return None
    whole = np.empty(len(ids), dtype=np.int64)
    for where in places.values():
        some = _of_one_length([ids[place] for place in where], run)
        if some is None:
            return None
        whole[where] = some
    return whole


def _of_one_length(ids: Sequence[bytes], run: bytes) -> Ints | None:
    text = b"\n".join(ids) + b"\n"
    width = len(ids[0]) + 1
    prefix, slash, attempt = run + b"/", ids[0].rfind(b"/"), len(ids[0]) - ids[0].rfind(b"/") - 1
    digits = slash - len(prefix)
    if len(text) != len(ids) * width or not (1 <= digits <= _DIGITS and 1 <= attempt <= _ATTEMPT_DIGITS):
        return None
    rows = np.frombuffer(text, dtype=np.uint8).reshape(-1, width)
    # Every byte but the last of a row is compared with what must be there; the last byte is the line end.
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

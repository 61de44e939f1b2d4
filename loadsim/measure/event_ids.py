"""Which event of a run a text names: by its delivery id (`X-Loadsim-Id`), or by the id that is in the event itself.

Ids come from a user's file or from an endpoint and are not signed, so every byte of them is checked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np

from loadsim.measure.delivery_ids import DELIVERY_ID, indexes_of
from loadsim.measure.hdr import Ints

_DIGITS = 12
"""Hex digits of the index at the end of an event's own id."""
_HEX = re.compile(rb"[0-9a-f]{12}")
_LONGEST_EXAMPLE = 80


class EventIds:
    """The ids of one run. `prefixes`: of the events' own ids, see `events.id_prefixes`."""

    def __init__(self, run: bytes, prefixes: Collection[bytes]) -> None:
        self._run, self._prefixes = run, frozenset(prefixes)
        self.by_body = False
        """Some event was named by its own id."""
        self.example = ""
        """The first text that names no event of the run."""

    def indexes(self, ids: Sequence[bytes]) -> Ints:
        """The event index of every id, in order; -1 for one that names no event of this run."""
        found = indexes_of(ids, self._run)
        return np.array([self._index(text) for text in ids], dtype=np.int64) if found is None else found

    def _index(self, text: bytes) -> int:
        if text[:-_DIGITS] in self._prefixes and _HEX.fullmatch(text, len(text) - _DIGITS):
            self.by_body = True
            return int(text[-_DIGITS:], 16)
        delivery_id = DELIVERY_ID.fullmatch(text)
        if delivery_id is not None and delivery_id[1] == self._run:
            return int(delivery_id[2])
        self.example = self.example or text.decode("utf-8", "replace")[:_LONGEST_EXAMPLE]
        return -1

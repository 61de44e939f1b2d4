"""A receiver while its secret is rotated: the old one is accepted beside the new one until its end.

Decides by the time since the first request, which all workers share. Refuses to know how a signature is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loadsim.receiver.decide import Checker
from loadsim.signing import Rejection


class Rotating:
    """Accepts what either secret signed; from `retire_ns` after the first request (None: never) the new one alone.

    `age_ns` tells how long ago the first request of all workers was. The reason of a refusal is the new secret's.
    """

    __slots__ = ("_age_ns", "_new", "_old", "_retire_ns", "header_names")

    def __init__(self, new: Checker, old: Checker, age_ns: Callable[[], int], retire_ns: int | None) -> None:
        self._new, self._old = new.verify, old.verify
        self._age_ns, self._retire_ns = age_ns, retire_ns
        self.header_names = new.header_names

    def verify(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Rejection | None:
        """See Checker."""
        # Asked first, so that the first request of all is the one that starts the clock.
        retired = self._retire_ns is not None and self._age_ns() >= self._retire_ns
        rejection = self._new(headers, body, now_s)
        if rejection is None or retired:
            return rejection
        return None if self._old(headers, body, now_s) is None else rejection

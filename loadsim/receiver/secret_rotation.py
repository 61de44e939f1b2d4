"""Secret rotation: the old secret is accepted beside the new one until it is retired.

Its time is counted from the first request, which all workers share.
"""

from __future__ import annotations

from collections.abc import Callable

from loadsim.signing import Checker, Headers, Rejection


class Rotating:
    """Accepts what either secret signed; from `retire_ns` after the first request (None: never) only the new one.

    `age_ns` returns the time since the first request to any worker. The reason of a refusal is that of the new secret.
    """

    __slots__ = ("_age_ns", "_new", "_old", "_retire_ns", "header_names")

    def __init__(self, new: Checker, old: Checker, age_ns: Callable[[], int], retire_ns: int | None) -> None:
        self._new, self._old = new.verify, old.verify
        self._age_ns, self._retire_ns = age_ns, retire_ns
        self.header_names = new.header_names

    def verify(self, headers: Headers, body: bytes, now_s: float) -> Rejection | None:
        """See Checker."""
        # Called first, so that the first request of all starts the clock.
        retired = self._retire_ns is not None and self._age_ns() >= self._retire_ns
        rejection = self._new(headers, body, now_s)
        if rejection is None or retired:
            return rejection
        return None if self._old(headers, body, now_s) is None else rejection

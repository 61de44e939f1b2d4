"""Chooses the time shifts to try: doubling until one is refused, then bisection to the second."""

from __future__ import annotations


class EdgeSearch:
    """The search for one side of a window, from 0 (which is accepted) to `limit_s`, in whole seconds.

    It takes at most 2 · `limit_s.bit_length()` + 1 trials, and is correct if every shift smaller than an accepted
    one is accepted too.
    """

    def __init__(self, limit_s: int) -> None:
        if limit_s < 1:
            raise ValueError("a limit of at least one second")
        self._limit = limit_s
        self.within = 0
        """The largest shift that was accepted."""
        self.beyond: int | None = None
        """The smallest that was refused; None if none was yet."""

    def next(self) -> int | None:
        """The next shift to try; None when the edge is found, or everything up to the limit is accepted."""
        if self.beyond is None:
            return None if self.within == self._limit else min(self._limit, max(1, 2 * self.within))
        return (self.within + self.beyond) // 2 if self.beyond - self.within > 1 else None

    def tell(self, shift: int, *, accepted: bool) -> None:
        """Record the outcome of the trial."""
        if accepted:
            self.within = shift
        else:
            self.beyond = shift

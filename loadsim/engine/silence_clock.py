"""A clock for noticing silent processes, which does not count time in which this process itself was stopped."""

from __future__ import annotations

from loadsim.model import NS_PER_S

LOOK_NS = NS_PER_S // 2
"""Longest time between two checks for silent processes."""


class Listening:
    """A clock that advances between two checks by at most the time that they may be apart.

    A process that was stopped and continued (Ctrl-Z, a frozen machine) has read no messages meanwhile. They still wait
    to be read, so its own pause must not make others appear silent.
    """

    def __init__(self) -> None:
        self._at_ns = 0
        self._seen_ns: int | None = None

    def at(self, now_ns: int) -> int:
        """The instant `now_ns` on this clock. Call it at every check and every message."""
        if self._seen_ns is not None:
            self._at_ns += min(max(0, now_ns - self._seen_ns), LOOK_NS)
        self._seen_ns = now_ns
        return self._at_ns

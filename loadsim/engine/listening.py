"""Whether somebody is silent, asked by a process that may itself have been stopped for a while.

Decides how much of the time that passed was spent listening. Knows no clock: instants are arguments.
"""

from __future__ import annotations

from loadsim.model import NS_PER_S

LOOK_NS = NS_PER_S // 2
"""How often, at least, whoever listens looks whether anybody is silent."""


class Listening:
    """Time as it passes for somebody who listens: between two looks no more than a look may take.

    A process that was stopped and continued (Ctrl-Z, a frozen machine) has heard nothing meanwhile, and what was said
    waits to be read: its own pause makes nobody silent.
    """

    def __init__(self) -> None:
        self._at_ns = 0
        self._seen_ns: int | None = None

    def at(self, now_ns: int) -> int:
        """The instant `now_ns` in such time; to be asked at every look and every word."""
        if self._seen_ns is not None:
            self._at_ns += min(max(0, now_ns - self._seen_ns), LOOK_NS)
        self._seen_ns = now_ns
        return self._at_ns

"""How much of unfinished bodies one worker holds over all its connections.

Decides whether there is room for more. Counts only what outlives one turn of the loop, so that a body that comes whole
costs nothing here. Refuses to know what is done about a body that has none.
"""

from __future__ import annotations

from loadsim.receiver.options import ReceiverOptions


class BufferBudget:
    """Bytes held, by everybody together, of the most that may be."""

    __slots__ = ("_held", "_most")

    def __init__(self, options: ReceiverOptions) -> None:
        self._most = options.max_buffered // options.workers
        self._held = 0

    def changed(self, before: int, after: int) -> bool:
        """Somebody who held `before` bytes holds `after`; False where that is more than before and too much in all."""
        self._held += after - before
        return after <= before or self._held <= self._most

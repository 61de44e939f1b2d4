"""Memory limit for incomplete bodies, over all connections of one worker.

Only bytes that are held for longer than one turn of the loop are counted, so a body that arrives whole costs nothing.
"""

from __future__ import annotations

from loadsim.receiver.options import ReceiverOptions


class BufferBudget:
    """Counts the bytes that all connections hold, and compares them with this worker's share of `max_buffered`."""

    __slots__ = ("_held", "_most")

    def __init__(self, options: ReceiverOptions) -> None:
        self._most = options.max_buffered // options.workers
        self._held = 0

    def changed(self, before: int, after: int) -> bool:
        """A connection that held `before` bytes now holds `after`. False when it grew and the total is over the
        limit."""
        self._held += after - before
        return after <= before or self._held <= self._most

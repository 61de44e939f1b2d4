"""What both HTTP engines of the receiver grant to connections, whatever the options are."""

from __future__ import annotations

BACKLOG = 4096
"""Connections that the kernel keeps until they are accepted."""
LINGER_S = 1.0
"""How long input of a refused sender is still read and discarded, so that the sender sees the answer and not a
reset."""
LONGEST_TICK_S = 1.0
"""Longest time between two checks of the connections' time limits."""

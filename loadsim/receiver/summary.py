"""What `loadsim receive --json` prints when it ends."""

from __future__ import annotations

import msgspec

from loadsim import __version__
from loadsim.receiver.supervisor import ReceiverStats


class ReceiverSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The companion receiver, from its start to its end."""

    schema: str = "loadsim.receiver/1"
    version: str = __version__
    url: str
    """Where it received."""
    scheme: str | None
    """Name of the signature scheme; None: it verified nothing."""
    started_at: str
    ended_at: str
    stats: ReceiverStats
    """What it counted."""

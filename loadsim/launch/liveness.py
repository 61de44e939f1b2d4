"""How long the parent, its shards and the hosts of a cluster may be silent before another one takes them as lost.

Silence is measured on the clock of `Listening`, which does not count the pauses of the process that waits.
"""

from __future__ import annotations

from loadsim.model import NS_PER_MS, NS_PER_S

SHARD_SILENCE_NS = 2_500 * NS_PER_MS
"""The parent takes a shard without a frame for this time as lost."""
BEAT_S = 0.5
"""A host of a cluster without another message for the parent sends a sign of life after this time."""
HOST_SILENCE_NS = 2 * NS_PER_S
"""The parent takes a host without a message for this time as lost: longer than BEAT_S, which may come a little late."""
RENEW_S = 1.0
"""The parent sends a sign of life to every host after this time."""
LEASE_S = 5.0
"""A host, or a shard of it, that got no message for this time takes the parent as gone or disconnected, and ends."""
START_LEASE_S = 60.0
"""The same before the plan has come."""

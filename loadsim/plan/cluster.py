"""Which cluster a run is spread over. `launch.cluster` makes it from what a user says, and refuses what is unsafe."""

from __future__ import annotations

import msgspec

from loadsim.addresses import is_loopback


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler of a Dask cluster, and what of the run may go there."""

    address: str
    """`tcp://HOST:PORT`, `tls://HOST:PORT`, or empty: one of our own on this machine."""
    local: int = 0
    """Workers of a cluster of our own; 0: it is somebody else's."""
    per_host: int = 1
    """Shards on each host."""
    ship_secret: bool = False
    allow_lost: int = 0
    """So many hosts may be lost: the others go on, and the run stays valid."""
    insecure: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @property
    def encrypted(self) -> bool:
        """Whether what is said to the cluster cannot be read on the way, and nobody else can speak to it."""
        return bool(self.local) or self.address.startswith("tls://")

    @property
    def here(self) -> bool:
        """Whether the scheduler is on this machine, as far as its address tells."""
        return bool(self.local) or is_loopback(host_of(self.address))

    @property
    def shown(self) -> str:
        """As the user wrote it."""
        return self.address or f"local:{self.local}"


def host_of(address: str) -> str:
    """The host of `PROTOCOL://HOST:PORT`, without brackets; empty where there is none."""
    return address.partition("://")[2].rpartition(":")[0].strip("[]")

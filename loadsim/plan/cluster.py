"""The cluster of a run. `launch.cluster` makes it from the user's options, and refuses unsafe ones."""

from __future__ import annotations

import msgspec

from loadsim.host_checks import is_loopback


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler of a Dask cluster, and the settings of a run on it."""

    address: str
    """`tcp://HOST:PORT`, `tls://HOST:PORT`, or empty for a cluster of our own on this machine."""
    local: int = 0
    """Number of workers of a cluster of our own; 0 for another cluster."""
    per_host: int = 1
    """Number of shards on each host."""
    ship_secret: bool = False
    allow_lost: int = 0
    """Number of hosts that may be lost: the others continue, and the run stays valid."""
    insecure: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @property
    def encrypted(self) -> bool:
        """Whether the connection to the cluster is encrypted, and needs a certificate."""
        return bool(self.local) or self.address.startswith("tls://")

    @property
    def here(self) -> bool:
        """Whether the scheduler is on this machine, by its address."""
        return bool(self.local) or is_loopback(host_of(self.address))

    @property
    def shown(self) -> str:
        """As the user wrote it."""
        return self.address or f"local:{self.local}"


def host_of(address: str) -> str:
    """The host of `PROTOCOL://HOST:PORT`, without brackets; empty where there is none."""
    return address.partition("://")[2].rpartition(":")[0].strip("[]")

"""What a host's name or address tells: whether it is this machine, and whether a request may name it.

Pages and machines' pages of ours answer to names that are theirs alone. A name that somebody else's DNS made point here
(DNS rebinding) is none of them, and an address cannot be rebound.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether an address or a name can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def answers_to(host: str, names: Collection[str]) -> bool:
    """Whether a Host header names an address, localhost, or one of `names` (lower case), whatever the port."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname or ""
        if "@" in parts.netloc:
            return False
        if name == "localhost" or name in names:
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

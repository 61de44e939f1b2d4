"""Checks of host names and addresses: is it this machine, and may a request name it in its Host header?

Our HTTP servers answer only to their own names and to IP addresses. This prevents DNS rebinding, in which a foreign
name is made to point here.
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

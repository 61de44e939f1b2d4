"""How many connections this process may open."""

from __future__ import annotations

import resource

RESERVED = 32
"""Descriptors that the process itself needs: pipes, epoll, timer, libraries."""


def raise_descriptor_limit(connections: int) -> int:
    """Raise the soft limit towards what `connections` need, and return how many connections the limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    return connections if soft == resource.RLIM_INFINITY else max(0, soft - RESERVED)

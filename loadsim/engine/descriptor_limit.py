"""The number of connections that this process may open, by its descriptor limit."""

from __future__ import annotations

import resource

from loadsim.model import LoadsimError

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


def check_descriptors() -> None:
    """Raise the limit to the minimum for child processes, which inherit it.

    Raises LoadsimError where the system does not allow it: a child would fail during its imports.
    """
    if raise_descriptor_limit(1) < 1:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        text = f"the descriptor limit ({soft}) allows no connection"
        raise LoadsimError(f"{text}: raise it (ulimit -n {2 * RESERVED} or more)")

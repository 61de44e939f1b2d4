"""How many connections this process may open."""

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
    """Before a process of our own is started, which inherits the limit: raise it to what each needs at least.

    Raises LoadsimError where the system does not let us: such a process would end while it is still being imported.
    """
    if raise_descriptor_limit(1) < 1:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        text = f"the descriptor limit ({soft}) allows no connection"
        raise LoadsimError(f"{text}: raise it (ulimit -n {2 * RESERVED} or more)")

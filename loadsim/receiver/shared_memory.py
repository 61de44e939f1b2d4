"""Memory that the processes of a receiver share, behind a file descriptor that children inherit."""

from __future__ import annotations

import os
import tempfile


def anonymous_memory(name: str, size: int) -> int:
    """A descriptor of `size` zero bytes: anonymous memory, or an unlinked temporary file where the system has none.

    It is sparse: only pages that are written take space. Raises OSError.
    """
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create(f"loadsim-{name}")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd

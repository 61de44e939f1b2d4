"""Processes that use all of a core that they can get."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

# A loop ends with its parent, however that ends.
_LOOP = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    for _ in range(1_000_000):\n        pass\n"


@contextlib.contextmanager
def busy_loops(count: int, core: int | None = None) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many of them, on any core or on one."""
    pinned = () if core is None else ("taskset", "-c", str(core))
    command = (*pinned, sys.executable, "-c", _LOOP, str(os.getpid()))
    loops = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield loops
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()

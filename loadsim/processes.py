"""How a process of our own is started, and how one ended: which interpreter, and what it imports.

Decides that a child imports exactly what its parent does. `python -m` alone would put the working directory first,
where a user's own `queue.py` or `secrets.py` would stand in for the standard library's.
"""

from __future__ import annotations

import os
import sys


def own_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs `module` in this interpreter, without the working directory on its import path."""
    return (sys.executable, "-P", "-m", module, *arguments)


def own_environment() -> dict[str, str]:
    """This process's environment with its import path in it, and without a pool of threads for linear algebra: one
    process has one core to itself."""
    path = os.pathsep.join(dict.fromkeys(entry for entry in sys.path if entry))
    return {"OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path}  # noqa: TID251 - handed on, not read


def ending(code: int) -> str:
    """How a process ended, in words; `code` as `subprocess` has it, negative for a signal."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"

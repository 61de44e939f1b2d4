"""Starts child processes: command line and environment; and describes how a process ended.

A child imports the same modules as its parent. `python -m` alone would search the working directory first, and find a
user's own `queue.py` or `secrets.py` instead of the standard library's. A child gets only the environment variables
that it needs: others may be secrets, and other processes of the user can read them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection

NEEDED = frozenset(
    {
        *("PATH", "HOME", "TMPDIR", "TEMP", "TMP", "LANG", "LANGUAGE", "TZ"),  # as every program
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH"),  # where the interpreter's own libraries lie
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"),  # whom TLS trusts, and where its keys are logged
        *("LOCALDOMAIN", "RES_OPTIONS", "HOSTALIASES"),  # how names are resolved
        "LOADSIM_PURE",  # whether the compiled step is left aside
        *("SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT"),  # without which Windows starts nothing
    }
)
NEEDED_PREFIXES = (
    "LC_",  # the locale
    *("PYTHON", "AIOHTTP_NO_", "MALLOC_"),  # how the interpreter, aiohttp and the allocator run
    *("OPENBLAS_", "OMP_", "MKL_"),  # how many threads linear algebra has
    "OPENSSL_",  # where its configuration and modules lie
    "DASK_",  # the configuration of a cluster's worker
    *("COVERAGE_", "COV_CORE_"),  # measures what tests reach in child processes
)

_KEPT_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(4 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TOP_PAD_": str(1 << 20),
}
"""In bytes, for glibc's allocator: how much free memory it keeps at the end of its heap, from which size on a block is
taken from the kernel by itself, and by how much its heap grows beyond what is needed. By default the memory of numpy's
arrays goes back to the kernel and comes anew for the next ones: the page faults were a third of the time that outcomes
took to be counted, during which events fall due. Source: mallopt(3)."""


def own_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs `module` in this interpreter, without the working directory on its import path."""
    return (sys.executable, "-P", "-m", module, *arguments)


def own_environment(also: Collection[str] = (), *, everything: bool = False) -> dict[str, str]:
    """The environment variables that a child needs, and those in `also`; with `everything` all of them, for a program
    of the user.

    Its import path is this process's, and it has no pool of threads for linear algebra: it has one core to itself.
    """
    path = os.pathsep.join(dict.fromkeys(entry for entry in sys.path if entry))
    given = {
        name: value
        for name, value in os.environ.items()  # noqa: TID251 - handed on, not read
        if everything or name in NEEDED or name in also or name.startswith(NEEDED_PREFIXES)
    }
    return {"OPENBLAS_NUM_THREADS": "1", **given, "PYTHONPATH": path}


def generator_environment(also: Collection[str] = ()) -> dict[str, str]:
    """As `own_environment`, for a process that sends events: it keeps the memory of its arrays."""
    return {**_KEPT_MEMORY, **own_environment(also)}


def ending(code: int) -> str:
    """How a process ended, in words; `code` as `subprocess` has it, negative for a signal."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"

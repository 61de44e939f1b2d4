"""Where a run is kept: one directory per run, every file whole or absent.

Decides names and how bytes reach the disk. Knows nothing of what is in them.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

from loadsim.model import LoadsimError


def run_directory(out: Path, run_id: str) -> Path:
    """Make `out/run_id`, or `out/run_id-2` and so on: two runs never share a directory."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = out / (run_id if number == 1 else f"{run_id}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                if not path.is_dir():
                    raise
                number += 1
            else:
                return path
    except OSError as error:
        raise LoadsimError(f"{out}: cannot make the result directory: {error.strerror}") from None


def write_whole(path: Path, data: bytes) -> None:
    """Write under a temporary name, fsync, rename: nobody ever sees half a file. Raises LoadsimError in one line."""
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # noqa: PTH101 - mkstemp's 0600 would hide a report from CI's next step
        os.replace(temporary, path)  # noqa: PTH105 - the pair of mkstemp
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 - the pair of mkstemp
        raise LoadsimError(f"{path}: cannot be written: {error.strerror}") from None


def slug(name: str) -> str:
    """A name as part of a directory name: letters, digits, dot and dash."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") or "run"

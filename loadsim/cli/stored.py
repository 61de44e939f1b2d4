"""A stored result on disk: found, read, and replaced whole or not at all.

Decides where `result.json` is and what is said when it cannot be read or written. Knows nothing of its content.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from loadsim.measure.result import RunResult, load_result
from loadsim.model import LoadsimError, UsageError

RESULT_FILE = "result.json"


def result_path(path: Path) -> Path:
    """The file itself, or the `result.json` of a result directory."""
    return path / RESULT_FILE if path.is_dir() else path


def read_result(path: Path) -> RunResult:
    """The result that a file, or a result directory, holds. Raises UsageError, in one line, when it holds none."""
    path = result_path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    return load_result(data, source=str(path))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside it, force it to disk, and rename it: never a half-written file.

    Raises LoadsimError, in one line, and leaves no temporary file, when the disk or its rights do not allow it.
    """
    temporary = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
        raise LoadsimError(f"cannot write {path}: {error.strerror or error}") from None

"""Stores results: one directory per run, with each file complete or absent."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from pathlib import Path

from loadsim.model import LoadsimError, UsageError

_IN_THE_WAY = (errno.EACCES, errno.EPERM, errno.EBUSY)
"""Errors of replacing a file that can still be written in place."""


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
        raise LoadsimError(f"{out}: cannot create the result directory: {error.strerror}") from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically, so that no reader sees a part of it. Raises LoadsimError in one line.

    Links are followed. A device or FIFO is written in place, and so is a file that cannot be replaced, such as a
    mounted file or one in a directory of another user.
    """
    try:
        if _stays(path):
            _write_through(path, data)
            return
        place = _place(path)
        try:
            _replace(place, data)
        except OSError as error:
            if error.errno not in _IN_THE_WAY or not os.access(place, os.W_OK):
                raise
            _write_through(place, data)
    except OSError as error:
        raise _unwritable(path, error) from None
    except (ValueError, RuntimeError):
        raise LoadsimError(f"{str(path)!r}: cannot be written: no file can have such a name") from None


def write_new(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write a file that does not exist yet. Raises UsageError where it does; LoadsimError for another error."""
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
    except FileExistsError:
        raise UsageError(f"{path} exists already and is not overwritten") from None
    except OSError as error:
        raise _unwritable(path, error) from None
    except ValueError:
        raise LoadsimError(f"{str(path)!r}: cannot be written: no file can have such a name") from None


def check_writable(path: Path) -> None:
    """Check before a run that a file can be written after it. Raises LoadsimError in one line."""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists():
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        place = _place(path)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.close(descriptor)
        place.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None
    except (ValueError, RuntimeError):
        raise LoadsimError(f"{str(path)!r}: cannot be written: no file can have such a name") from None


def _place(path: Path) -> Path:
    """Where a path leads. Raises OSError for links that lead to each other (before Python 3.13 RuntimeError)."""
    place = path.resolve()
    if place.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return place


def _unwritable(path: Path, error: OSError) -> LoadsimError:
    return LoadsimError(f"{path}: cannot be written: {error.strerror or error}")


def _stays(path: Path) -> bool:
    """Whether the path must not be replaced: not a regular file, or one that is open already (`/dev/stdout`,
    `/dev/fd/3`)."""
    if not path.exists():
        return False
    link = path
    while link.is_symlink():
        if link.parent.resolve().is_relative_to("/proc"):
            return True
        link = link.parent / link.readlink()
    return not path.is_file()


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)


def _replace(path: Path, data: bytes) -> None:
    """Write to a temporary file, fsync, rename."""
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".loadsim-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's 0600 would hide a report from CI's next step
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o644)  # noqa: PTH101
        os.replace(temporary, path)  # noqa: PTH105 - the pair of mkstemp
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 - the pair of mkstemp
        raise


def slug(name: str) -> str:
    """A name as part of a directory name: letters, digits, dot and dash."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") or "run"

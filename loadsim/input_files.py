"""Reads files that a user names, of limited size; every error is one line with the path and the reason."""

from __future__ import annotations

from pathlib import Path

from loadsim.model import UsageError

LARGEST_FILE, LARGEST_TEXT = 1 << 30, 1 << 24
"""Largest size in bytes of a result or capture, and of a text file."""


def is_directory(path: Path) -> bool:
    """Whether the path is a directory. False for a name that no file can have; reading it raises the error."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def read_bytes_file(path: str | Path, largest: int = LARGEST_FILE) -> bytes:
    """The content of a file of at most `largest` bytes. Raises UsageError naming the path and the reason."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(largest + 1)  # not by its size: a device has none, and may be endless
        if len(data) > largest:
            raise UsageError(f"cannot read {path}: larger than {_size(largest)}")
        return data
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise UsageError(f"cannot read {str(path)!r}: no file can have such a name") from None


def _size(largest: int) -> str:
    """A limit as the documentation has it: in MiB or in MB, whichever is a whole number."""
    return f"{largest >> 20:,} MiB" if largest % (1 << 20) == 0 else f"{largest // 10**6:,} MB"


def read_text_file(path: str | Path) -> str:
    """The content of a UTF-8 file, without a byte order mark. Raises UsageError naming the path and the reason."""
    try:
        return read_bytes_file(path, LARGEST_TEXT).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}: not UTF-8 text (byte {error.start})") from None

"""A stored result on disk: where `result.json` is, and what it holds."""

from __future__ import annotations

from pathlib import Path

from loadsim.measure.result import RunResult, load_result
from loadsim.settings import is_directory, read_bytes_file

RESULT_FILE = "result.json"


def result_path(path: Path) -> Path:
    """The file itself, or the `result.json` of a result directory."""
    return path / RESULT_FILE if is_directory(path) else path


def read_result(path: Path) -> RunResult:
    """The result that a file, or a result directory, holds. Raises UsageError, in one line, when it holds none."""
    path = result_path(path)
    return load_result(read_bytes_file(path), source=str(path))

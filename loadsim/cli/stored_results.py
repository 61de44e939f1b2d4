"""Finds and reads a stored result: a file, or the directory that holds it."""

from __future__ import annotations

from pathlib import Path

from loadsim.input_files import is_directory, read_bytes_file
from loadsim.measure.result import RunResult, load_result

RESULT_FILE = "result.json"


def result_path(path: Path) -> Path:
    """The file itself, or the `result.json` of a directory."""
    return path / RESULT_FILE if is_directory(path) else path


def read_result(path: Path) -> RunResult:
    """The result of a run in a file or directory. Raises UsageError, in one line, where there is none."""
    path = result_path(path)
    return load_result(read_bytes_file(path), source=str(path))


def report_file(path: Path) -> Path:
    """The file with the result of a run or of a study: `path` itself, or the one in that directory."""
    from loadsim.studies.stored import FILES

    if not is_directory(path):
        return path
    return next((path / name for name in (RESULT_FILE, *FILES) if (path / name).is_file()), path / RESULT_FILE)

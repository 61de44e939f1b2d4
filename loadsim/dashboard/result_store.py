"""The stored results of one directory, by default `reports/`: list them, read one, compare two.

Every method reads files and takes processor time: call it in a thread while a run is in progress.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from loadsim.input_files import read_bytes_file
from loadsim.judge.compare import CompareResult, compare_results
from loadsim.measure.result import RESULT_FILE, RunResult, load_result
from loadsim.model import UsageError, own_fault
from loadsim.report.trend import RunLine, run_line

RUN_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]|\.(?!\.)){0,150}", re.ASCII)
"""Allowed names of result directories: no path separator, no `..`, no hidden name."""
MOST_LISTED = 500
"""Number of results in the list."""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One result directory: the figures of its run, or why its result cannot be read."""

    directory: str
    line: RunLine | None
    problem: str = ""


@dataclass
class ResultStore:
    """Lists and reads the results of the directory `out`."""

    out: Path
    _known: dict[str, tuple[tuple[int, int], StoredResult]] = field(default_factory=dict)

    def newest_first(self) -> tuple[list[StoredResult], int]:
        """The latest results, and the number of older ones left out. A file that has not changed is not read again."""
        found = sorted(self._directories(), key=lambda path: path.name, reverse=True)
        results = [self._stored(path) for path in found[:MOST_LISTED]]
        self._known = {name: known for name, known in self._known.items() if name in {path.name for path in found}}
        results.sort(key=lambda each: (each.line.started_at if each.line else "", each.directory), reverse=True)
        return results, max(0, len(found) - MOST_LISTED)

    def read(self, run_id: str) -> RunResult:
        """The result with this id. Raises UsageError where there is none; no id leads out of the directory."""
        if RUN_ID.fullmatch(run_id) is None or not self._is_result(self.out / run_id):
            raise UsageError(f"there is no such run in {self.out}/")
        path = self.out / run_id / RESULT_FILE
        return load_result(read_bytes_file(path), source=str(path))

    def compare(self, one: str, other: str) -> CompareResult:
        """The newer of two results compared with the older one. Raises UsageError."""
        base, new = sorted((self.read(one), self.read(other)), key=lambda result: result.run.started_at)
        try:
            return compare_results(base, new, ())
        except ValueError as error:
            raise UsageError(f"{base.run.id} and {new.run.id} cannot be compared: {error}") from None

    def _directories(self) -> list[Path]:
        try:
            return [path for path in self.out.iterdir() if RUN_ID.fullmatch(path.name) and self._is_result(path)]
        except FileNotFoundError:
            return []  # no run was stored yet
        except OSError as error:
            raise UsageError(f"cannot read {self.out}: {(error.strerror or str(error)).lower()}") from None

    def _is_result(self, path: Path) -> bool:
        """Whether this is a directory with a result in it. A symbolic link is not: it may lead anywhere."""
        file = path / RESULT_FILE
        try:
            return path.is_dir() and not path.is_symlink() and file.is_file() and not file.is_symlink()
        except OSError:
            return False  # no permission to look

    def _stored(self, path: Path) -> StoredResult:
        try:
            stat = (path / RESULT_FILE).stat()
        except OSError:
            return StoredResult(path.name, None, "it was removed")
        state = (stat.st_mtime_ns, stat.st_size)
        known = self._known.get(path.name)
        if known is not None and known[0] == state:
            return known[1]
        try:
            stored = StoredResult(path.name, run_line(self.read(path.name)))
        except UsageError as error:
            stored = StoredResult(path.name, None, str(error))
        except Exception as error:  # noqa: BLE001 - an unexpected fault of one file must not hide the other runs
            stored = StoredResult(path.name, None, f"{path / RESULT_FILE}: cannot be listed: {own_fault(error)}")
        self._known[path.name] = (state, stored)
        return stored

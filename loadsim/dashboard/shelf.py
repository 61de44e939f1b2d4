"""The results under `reports/`: listed newest first, found by the name of their directory, compared by two.

Decides which names are run ids and what is read how often. Everything here reads files and adds figures, so that it
belongs into a thread while a run may go on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from loadsim.judge.compare import CompareResult, compare_results
from loadsim.measure.result import RunResult, load_result
from loadsim.model import UsageError, own_fault
from loadsim.report.trend import RunLine, run_line
from loadsim.run.load import RESULT
from loadsim.settings import read_bytes_file

RUN_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]|\.(?!\.)){0,150}", re.ASCII)
"""What a result directory is called: no separator, no dot before a dot, nothing hidden."""
SHOWN = 500
"""Results in the list."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One directory with a result: what is in it, or why that cannot be read."""

    directory: str
    line: RunLine | None
    problem: str = ""


@dataclass
class Shelf:
    """The results of one directory."""

    out: Path
    _known: dict[str, tuple[tuple[int, int], Kept]] = field(default_factory=dict)

    def newest_first(self) -> tuple[list[Kept], int]:
        """The latest results, and how many older ones are left out. Files that have not changed are not read again."""
        found = sorted(self._directories(), key=lambda path: path.name, reverse=True)
        kept = [self._kept(path) for path in found[:SHOWN]]
        self._known = {name: known for name, known in self._known.items() if name in {path.name for path in found}}
        kept.sort(key=lambda each: (each.line.started_at if each.line else "", each.directory), reverse=True)
        return kept, max(0, len(found) - SHOWN)

    def read(self, run_id: str) -> RunResult:
        """The result of this id. Raises UsageError; no id leads out of the directory."""
        if RUN_ID.fullmatch(run_id) is None or not self._is_result(self.out / run_id):
            raise UsageError(f"there is no such run in {self.out}/")
        path = self.out / run_id / RESULT
        return load_result(read_bytes_file(path), source=str(path))

    def compare(self, one: str, other: str) -> CompareResult:
        """The older of two against the newer. Raises UsageError."""
        base, new = sorted((self.read(one), self.read(other)), key=lambda result: result.run.started_at)
        try:
            return compare_results(base, new, ())
        except ValueError as error:
            raise UsageError(f"{base.run.id} and {new.run.id} cannot be compared: {error}") from None

    def _directories(self) -> list[Path]:
        try:
            return [path for path in self.out.iterdir() if RUN_ID.fullmatch(path.name) and self._is_result(path)]
        except FileNotFoundError:
            return []  # nothing was run yet
        except OSError as error:
            raise UsageError(f"cannot read {self.out}: {(error.strerror or str(error)).lower()}") from None

    def _is_result(self, path: Path) -> bool:
        """A directory of ours with a result in it; a link may lead anywhere and is none."""
        file = path / RESULT
        try:
            return path.is_dir() and not path.is_symlink() and file.is_file() and not file.is_symlink()
        except OSError:
            return False  # nobody lets us look

    def _kept(self, path: Path) -> Kept:
        try:
            stat = (path / RESULT).stat()
        except OSError:
            return Kept(path.name, None, "it went away")
        state = (stat.st_mtime_ns, stat.st_size)
        known = self._known.get(path.name)
        if known is not None and known[0] == state:
            return known[1]
        try:
            kept = Kept(path.name, run_line(self.read(path.name)))
        except UsageError as error:
            kept = Kept(path.name, None, str(error))
        except Exception as error:  # noqa: BLE001 - one file that nobody foresaw hides no other run
            kept = Kept(path.name, None, f"{path / RESULT}: cannot be listed: {own_fault(error)}")
        self._known[path.name] = (state, kept)
        return kept

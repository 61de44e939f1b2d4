"""The parent's side of a capture: one writer for the rows of all workers, into files of limited size.

A file that is full is left as it is, and the next one has a number: `a.ndjson`, `a.1.ndjson`, `a.2.ndjson`. At a
start the last of them is continued.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import msgspec

from loadsim.events.capture_file import LINES
from loadsim.model import UsageError, counted

CHUNK = 1 << 18


class CaptureCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows of a capture."""

    rows: int
    """Rows written."""
    lost: int
    """Rows that could not be written."""
    files: int
    """Files written to."""
    last: str
    """The file that was written last."""


class CaptureFiles:
    """The files of one capture. Writes whole rows only, and may be used by several threads.

    `size`: greatest size of a file in bytes; a row that is larger stands in one of its own. `keep`: how many files are
    kept, the newest ones; None: all. `say` gets a line when rows cannot be written, and when they can again.
    """

    def __init__(self, path: str, size: int, keep: int | None, say: Callable[[str], None]) -> None:
        """Opens the file. Raises UsageError naming the path and the reason."""
        self._path = Path(path)
        self._limit = size
        self._keep = keep
        self._say = say
        self._lock = threading.Lock()
        self._rows = self._lost = 0
        self._failing = False
        self._fd = -1
        self._size = 0
        self._files = 1
        if self._path.suffix.lower() not in LINES:
            raise UsageError(f"--capture {path}: the name must end in {' or '.join(LINES)}, as that of a file of rows")
        try:
            self._number = self._numbers()[-1]
            self._open()
            self._end_torn_row()
        except OSError as error:
            raise UsageError(f"--capture: cannot write {path}: {_reason(error)}") from None

    def write(self, rows: bytes) -> None:
        """Write whole rows, each with its line end. What cannot be written is counted."""
        with self._lock:
            if self._size + len(rows) <= self._limit:
                self._add(rows)
            else:
                for row in rows.splitlines(keepends=True):
                    self._add(row)

    def lose(self, rows: int) -> None:
        """Count rows that never came whole: their worker was killed."""
        with self._lock:
            self._lost += rows

    def counts(self) -> CaptureCounts:
        """As of now."""
        with self._lock:
            return CaptureCounts(
                rows=self._rows, lost=self._lost, files=self._files, last=str(self._path_of(self._number))
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _add(self, rows: bytes) -> None:
        number = rows.count(b"\n")
        try:
            if self._fd < 0:
                self._open()
            elif self._size and self._size + len(rows) > self._limit:
                self._next()
            self._append(rows)
        except OSError as error:
            self._lost += number
            if not self._failing:
                self._failing = True
                self._say(f"deliveries are not captured: cannot write {self._path_of(self._number)}: {_reason(error)}")
            return
        self._rows += number
        if self._failing:
            self._failing = False
            self._say(f"deliveries are captured again; {counted(self._lost, 'row')} could not be written")

    def _append(self, rows: bytes) -> None:
        left = memoryview(rows)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)  # no half row
            raise
        self._size += len(rows)

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        self._fd = os.open(self._path_of(self._number), flags, 0o600)  # bodies are the user's alone
        self._size = os.fstat(self._fd).st_size

    def _next(self) -> None:
        before, self._fd = self._fd, -1
        os.close(before)
        self._number += 1
        self._open()
        self._files += 1
        if self._keep is not None:
            for number in self._numbers()[: -self._keep]:
                self._path_of(number).unlink(missing_ok=True)

    def _end_torn_row(self) -> None:
        """End the last row of a process that was killed, so that the next one is a row of its own."""
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            self._append(b"\n")

    def _path_of(self, number: int) -> Path:
        return self._path.with_stem(f"{self._path.stem}.{number}") if number else self._path

    def _numbers(self) -> list[int]:
        """The numbers of the files that exist, rising; [0] where there is none."""
        name = re.compile(rf"{re.escape(self._path.stem)}(?:\.([1-9][0-9]*))?{re.escape(self._path.suffix)}")
        with os.scandir(self._path.parent) as entries:
            found = [match for entry in entries if (match := name.fullmatch(entry.name))]
        return sorted(int(match[1] or 0) for match in found) or [0]


class CaptureWriter:
    """Takes the rows of workers from their pipes and writes them to `files`, one thread for each pipe."""

    def __init__(self, files: CaptureFiles) -> None:
        self.files = files
        self._threads: list[threading.Thread] = []

    @contextlib.contextmanager
    def pipe(self) -> Generator[int]:
        """The end of a new pipe, for a worker to inherit; here it is closed at the end of the context. Its rows are
        taken until the worker has ended."""
        reading, writing = os.pipe()
        thread = threading.Thread(target=self._take, args=(reading,), name="capture", daemon=True)
        self._threads.append(thread)
        thread.start()
        try:
            yield writing
        finally:
            os.close(writing)

    def close(self) -> None:
        """Write what is left in the pipes, whose workers have ended, and close the file."""
        for thread in self._threads:
            thread.join()
        self.files.close()

    def _take(self, fd: int) -> None:
        pieces: list[bytes] = []
        while chunk := os.read(fd, CHUNK):
            rows, end, rest = chunk.rpartition(b"\n")
            if end:
                self.files.write(b"".join((*pieces, rows, end)))
                pieces.clear()
            if rest:
                pieces.append(rest)
        os.close(fd)
        if pieces:
            self.files.lose(1)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

"""Effects in a file: the endpoint appends a line of JSON for each, `{"id": "…", "at": …}`; `at` and `count` may be left
out. The file is followed by its name, as `tail -F` does: also one that is made later, replaced or cut short."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import BinaryIO

import msgspec

from loadsim.plan.effects import Effects
from loadsim.run.effects.source import MOST_ROWS, Effect, GapError, Reading, columns

_AT_ONCE = 1 << 20
_LONGEST_LINE = 1 << 16


_decoder = msgspec.json.Decoder(Effect)


class FileSource:
    """The lines of a file that are written from now on; see Source."""

    def __init__(self, effects: Effects) -> None:
        self.place = effects.path or ""
        self._path = Path(self.place)
        self._file: BinaryIO | None = None
        self._rest = b""
        self._lines: list[bytes] = []
        self._open(at_end=True)

    async def read(self) -> Reading:
        """See Source."""
        if not self._lines:
            await asyncio.to_thread(self._fill)
        taken, self._lines = self._lines[:MOST_ROWS], self._lines[MOST_ROWS:]
        rows, problem = [], ""
        for line in taken:
            if not line.strip():
                continue
            try:
                rows.append(_decoder.decode(line).row())
            except (msgspec.MsgspecError, GapError) as error:
                problem = problem or f"a line is no effect: {error}"
        if problem and not rows:
            raise GapError(problem)
        return Reading(*columns(rows), None, None, bool(self._lines))

    async def close(self) -> None:
        """See Source."""
        if self._file is not None:
            self._file.close()

    def _open(self, *, at_end: bool = False) -> None:
        try:
            self._file = self._path.open("rb")
        except FileNotFoundError:
            self._file = None  # it may be made later
            return
        except OSError as error:
            raise GapError((error.strerror or str(error)).lower()) from None
        if at_end:
            self._file.seek(0, os.SEEK_END)

    def _fill(self) -> None:
        """Read on; where the end is reached, look whether the name is another file's by now."""
        if self._file is None:
            self._open()
        if self._file is None:
            return
        try:
            if os.fstat(self._file.fileno()).st_size < self._file.tell():
                self._file.seek(0)  # it was cut short
                self._rest = b""
            data = self._file.read(_AT_ONCE)
            if not data and self._replaced():
                self._file.close()
                self._rest = b""
                self._open()
                data = b"" if self._file is None else self._file.read(_AT_ONCE)
        except OSError as error:
            raise GapError((error.strerror or str(error)).lower()) from None
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
            raise GapError(f"a line is longer than {_LONGEST_LINE:,} bytes")
        self._lines.extend(whole)

    def _replaced(self) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._file.fileno()) if self._file is not None else None
        return mine is None or (there.st_ino, there.st_dev) != (mine.st_ino, mine.st_dev)

"""The effects of the receiver's work, by run, in memory that its one worker writes and its supervisor reads.

A row is an instant, and the index and attempt of the delivery; rows are in order of time and never change, so the
number of rows read is the cursor. Only registered runs have rows (see `receiver.ledger`), each at most `LIMIT`.
"""

from __future__ import annotations

import mmap
import os
import re
import time
from typing import NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadsim.model import NS_PER_S
from loadsim.receiver.run_register import PAGE, RUNS, Registered
from loadsim.receiver.shared_memory import anonymous_memory

LIMIT = 4_000_000
"""The rows that are kept of a run."""
MOST_ROWS, USUAL_ROWS = 10_000, 1_000
"""The largest page, and one without a limit."""
MOST_BYTES, OTHER_BYTES = 900_000, 60
"""A page is kept below a megabyte; bytes of a row beside its run."""
ATTEMPTS = 1000
"""Attempts in a delivery id are below this."""
ROW = np.dtype([("at_ns", np.int64), ("key", np.uint64)])
"""`at_ns`: since 1970. `key`: (index * ATTEMPTS + attempt) * 2, and 1 more if the effect appears twice."""
Rows = NDArray[np.void]
_CURSOR = re.compile(r"([0-9]{1,20})-([0-9]{1,10})-([0-9]{1,10})", re.ASCII)
EPOCH, OFFSET, DONE, LOST, REPEATED, BACKLOG, REFUSED, OF_RUNS = range(8)
"""Words: names this memory in cursors; wall clock minus monotonic clock, in ns; counts of all work; then, by place of
a run, the four below."""
TURN, KEPT, OVER, WAITING = range(4)
_WORDS = OF_RUNS + 4 * RUNS
_HEAD = -(-8 * _WORDS // PAGE) * PAGE


class WorkCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The work after the answers: events answered with 2xx = done + lost + backlog."""

    done: int
    """Had an effect."""
    lost: int
    """Had none, on purpose or because the worker ended."""
    repeated: int
    """Had it twice; part of `done`."""
    backlog: int
    """Waits, or is being done."""
    refused: int
    """Not taken, because the queue was full, and answered with 503."""


class Effect(msgspec.Struct, frozen=True):
    """One row of a page."""

    id: str
    """The delivery id."""
    at: float
    """Seconds since 1970."""
    count: int = 1


class EffectsPage(msgspec.Struct, frozen=True):
    """What `GET /effects` answers."""

    cursor: str
    now: float
    """The clock that `at` is of, seconds since 1970."""
    effects: list[Effect]
    backlog: int


class EffectsLostError(Exception):
    """Effects were done beyond those that are kept."""


class Work(NamedTuple):
    """Counts of one run: its rows, effects beyond LIMIT, its backlog."""

    turn: int
    kept: int
    over: int
    backlog: int


class EffectsMemory:
    """Counts in the first page, then the rows of every place of a run. Sparse: only what is written takes space."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, _HEAD)
        self._words = memoryview(self._map).cast("q")

    @classmethod
    def create(cls) -> Self:
        """No effects. Raises OSError."""
        memory = cls(anonymous_memory("effects", _HEAD + RUNS * LIMIT * ROW.itemsize))
        memory._words[EPOCH] = int.from_bytes(os.urandom(6), "little")
        memory._words[OFFSET] = time.time_ns() - time.monotonic_ns()
        return memory

    def close(self) -> None:
        """Release the memory."""
        self._words.release()
        self._map.close()
        os.close(self.fd)

    # -- the worker's side

    def unix_ns(self, monotonic_ns: int) -> int:
        """An instant of the monotonic clock in ns since 1970, by an offset that never changes: steps of the wall clock
        change neither order nor distance of effects."""
        return monotonic_ns + self._words[OFFSET]

    def add(self, done: int = 0, lost: int = 0, repeated: int = 0, refused: int = 0) -> None:
        """Add to the counts."""
        for word, more in ((DONE, done), (LOST, lost), (REPEATED, repeated), (REFUSED, refused)):
            self._words[word] += more

    def set_backlog(self, backlog: int) -> None:
        """The backlog of all runs."""
        self._words[BACKLOG] = backlog

    def forget_backlog(self) -> None:
        """For a worker that follows one that ended: what waited there is lost."""
        self.add(lost=self._words[BACKLOG])
        self._words[BACKLOG] = 0
        for place in range(RUNS):
            self._words[_of(place) + WAITING] = 0

    def extend(self, run: Registered, rows: Rows, backlog: int) -> None:
        """Add rows of a run, and set its backlog."""
        start = _of(run.place)
        if self._words[start + TURN] != run.turn:  # the place was another run's
            self._words[start + KEPT] = self._words[start + OVER] = 0
            self._words[start + TURN] = run.turn
        kept = self._words[start + KEPT]
        room = rows[: LIMIT - kept]
        if len(room):
            os.pwrite(self.fd, room.tobytes(), _rows_of(run.place) + kept * ROW.itemsize)
        self._words[start + OVER] += len(rows) - len(room)
        self._words[start + KEPT] = kept + len(room)  # now: a reader that sees it finds the rows
        self._words[start + WAITING] = backlog

    # -- the supervisor's side

    def counts(self) -> WorkCounts:
        """The counts of all runs."""
        words = self._words
        return WorkCounts(
            done=words[DONE],
            lost=words[LOST],
            repeated=words[REPEATED],
            backlog=words[BACKLOG],
            refused=words[REFUSED],
        )

    def page(self, run: Registered, after: str | None, limit: int) -> EffectsPage:
        """The rows of a run behind a cursor.

        Raises ValueError for a cursor that is none of this run, EffectsLostError where the next rows were not kept.
        """
        work, start = self._work(run), self._position(run, after)
        if start > work.kept:
            raise ValueError("after: not a cursor of this run")
        if start == work.kept and work.over:
            raise EffectsLostError(f"{LIMIT:,} effects of a run are kept, and {work.over:,} more were done")
        size = min(limit, MOST_BYTES // (len(run.name) + OTHER_BYTES), work.kept - start)
        data = os.pread(self.fd, size * ROW.itemsize, _rows_of(run.place) + start * ROW.itemsize)
        if self._work(run).turn != work.turn:  # replaced meanwhile
            raise ValueError("after: not a cursor of this run")
        return EffectsPage(
            cursor=f"{self._words[EPOCH]}-{run.turn}-{start + size}",
            now=seconds(self.unix_ns(time.monotonic_ns())),
            effects=_rendered(run.name.decode("ascii"), np.frombuffer(data, ROW)),
            backlog=work.backlog,
        )

    def _work(self, run: Registered) -> Work:
        start = _of(run.place)
        backlog = self._words[start + WAITING]  # read first and written last: what it no longer counts has its row
        turn, kept, over = self._words[start : start + WAITING].tolist()
        return Work(turn, kept, over, backlog) if turn == run.turn else Work(run.turn, 0, 0, 0)

    def _position(self, run: Registered, after: str | None) -> int:
        if after is None:
            return 0
        found = _CURSOR.fullmatch(after)
        if found is None or (int(found[1]), int(found[2])) != (self._words[EPOCH], run.turn):
            raise ValueError("after: not a cursor of this run")
        return int(found[3])


def seconds(at_ns: int) -> float:
    """An instant as others are told it: in whole microseconds, which a float holds."""
    return round(at_ns / NS_PER_S, 6)


def key_of(index: int, attempt: int) -> int:
    """The key of a delivery whose effect appears once."""
    return (index * ATTEMPTS + attempt) * 2


def _of(place: int) -> int:
    return OF_RUNS + 4 * place


def _rows_of(place: int) -> int:
    return _HEAD + place * LIMIT * ROW.itemsize


def _rendered(run: str, rows: Rows) -> list[Effect]:
    deliveries, twice = np.divmod(rows["key"], 2)
    index, attempt = np.divmod(deliveries, ATTEMPTS)
    columns = zip(index.tolist(), attempt.tolist(), rows["at_ns"].tolist(), (twice + 1).tolist(), strict=True)
    return [Effect(f"{run}/{i}/{a}", seconds(at_ns), count) for i, a, at_ns, count in columns]

"""Which events came: by run and index, in memory that the workers and their supervisor share.

Decides what is kept of a delivery that says of which event it is (see `measure.marks`), and how much room there is:
32 runs, indexes below a limit. Only an accepted delivery opens the books of a run, so that nobody without the secret
can make them grow. Deliveries are noted one by one and entered many at once, since parsing one alone would cost more
than all the rest. Every worker writes its own part only, so nothing is locked. Refuses to know who reads the books.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadsim.measure.hdr import Ints
from loadsim.measure.ledger import MOST_TIMES, Books, Times
from loadsim.measure.marks import MARK, indexes_of

RUNS = 32
DEFAULT_LIMIT = 4_000_000
LARGEST_LIMIT = 50_000_000
ENTER_EVERY_S = 0.02
"""How far the books may be behind. At any rate that one process can take, entering holds it up for far less than a
millisecond."""
SUCCESSES = range(200, 300)
_NAME = 128
_COUNTERS = 2 + RUNS
MALFORMED, NO_ROOM, OVER_LIMIT = range(3)
"""Counters of what was not entered. Those over the limit are counted by run, from OVER_LIMIT on."""
_NAMES_AT = 8 * _COUNTERS
_HEAD = -(-(_NAMES_AT + RUNS * _NAME) // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY


class Refusals(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries with a mark that no books were kept of."""

    malformed: int
    """Not of the form, or refused deliveries of a run that nothing was accepted of."""
    no_room: int
    """Of a run for whose books there was no room."""


class _Layout(NamedTuple):
    """Where things stand in a part, in bytes."""

    limit: int

    @property
    def counts(self) -> int:
        """Of one array of counts, in whole pages."""
        return -(-self.limit // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY

    @property
    def part(self) -> int:
        """Of everything that belongs to one worker."""
        return _HEAD + RUNS * 10 * self.counts

    def arrays(self, run: int) -> tuple[int, int, int]:
        """Where the arrivals, the accepted ones and the times of a run begin."""
        start = _HEAD + run * 10 * self.counts
        return start, start + self.counts, start + 2 * self.counts


class Ledger:
    """One worker's part. What is noted is in the books only after `enter`, which somebody has to call now and then."""

    def __init__(self, memory: mmap.mmap, limit: int) -> None:
        self._limit, self._layout, self._memory = limit, _Layout(limit), memory
        self._counters = np.frombuffer(memory, np.uint64, _COUNTERS)
        self._names: list[bytes] = [name for name in _names(memory[_NAMES_AT:_HEAD]) if name]
        """By number; what a worker finds here its predecessor had opened."""
        self.notes: list[Any] = []
        """Flat: mark, unix seconds, status answered."""

    def note(self, mark: bytes, now_s: float, status: int) -> None:
        """A delivery whose mark is `mark` was answered. Takes any bytes and never raises."""
        self.notes.extend((mark, now_s, status))

    def enter(self) -> None:
        """Enter what was noted."""
        if not self.notes:
            return
        marks, at, statuses = self.notes[0::3], np.fromiter(self.notes[1::3], np.float64), self.notes[2::3]
        self.notes.clear()
        accepted = np.ones(len(marks), dtype=bool)
        if any(status not in SUCCESSES for status in set(statuses)):
            accepted = np.array([status in SUCCESSES for status in statuses])
        for number in range(len(self._names) - 1, -1, -1):  # the latest run is the likeliest
            found = indexes_of(marks, self._names[number])
            if found is not None:
                self._enter(number, found, at, accepted)
                return
        self._enter_mixed(marks, at, accepted)

    def _enter_mixed(self, marks: Sequence[bytes], at: NDArray[np.float64], accepted: NDArray[np.bool_]) -> None:
        """Marks of several runs, of a new one, or of none."""
        places: dict[bytes, list[tuple[int, int]]] = {}
        for place, mark in enumerate(marks):
            formed = MARK.fullmatch(mark)
            if formed is None:
                self._counters[MALFORMED] += 1
            else:
                places.setdefault(formed[1], []).append((place, int(formed[2])))
        for name, found in places.items():
            where, index = np.array(found, dtype=np.int64).T
            number = self._number(name, opens=bool(accepted[where].any()))
            if number is None:
                self._counters[NO_ROOM if accepted[where].any() else MALFORMED] += len(where)
            else:
                self._enter(number, index, at[where], accepted[where])

    def _number(self, name: bytes, *, opens: bool) -> int | None:
        """Which of the runs is called so; None where it has no books."""
        if name in self._names:
            return self._names.index(name)
        if not opens or len(self._names) == RUNS:
            return None
        place = _NAMES_AT + len(self._names) * _NAME
        self._memory[place : place + len(name)] = name
        self._names.append(name)
        return len(self._names) - 1

    def _enter(self, number: int, index: Ints, at: NDArray[np.float64], accepted: NDArray[np.bool_]) -> None:
        if index.max() >= self._limit:
            within = index < self._limit
            self._counters[OVER_LIMIT + number] += np.uint64(len(index) - np.count_nonzero(within))
            index, at, accepted = index[within], at[within], accepted[within]
        arrivals_at, accepted_at, _ = self._layout.arrays(number)
        ordered = np.sort(index)
        if (ordered[1:] == ordered[:-1]).any():
            first = np.unique(index, return_index=True)[1]
            again = np.ones(len(index), dtype=bool)
            again[first] = False
            self._enter_once(number, index[first], at[first], accepted[first])
            self._count(arrivals_at, *np.unique(index[again], return_counts=True))
            self._count(accepted_at, *np.unique(index[again & accepted], return_counts=True))
        else:
            self._enter_once(number, index, at, accepted)

    def _enter_once(self, number: int, index: Ints, at: NDArray[np.float64], accepted: NDArray[np.bool_]) -> None:
        """Deliveries of one run, no two of the same event."""
        arrivals_at, accepted_at, first_at = self._layout.arrays(number)
        before = self._count(arrivals_at, index)
        new = before == 0
        np.frombuffer(self._memory, np.float64, self._limit, first_at)[index[new]] = at[new]
        self._count(accepted_at, index if accepted.all() else index[accepted])

    def _count(self, start: int, index: Ints, times: Ints | int = 1) -> Times:
        """Add to counts, each index once; they stay at MOST_TIMES. Returns what they were."""
        counts = np.frombuffer(self._memory, np.uint8, self._limit, start)
        before = counts[index]
        counts[index] = np.minimum(before.astype(np.int64) + times, MOST_TIMES)
        return before


class LedgerMemory:
    """The parts of all workers, behind a file descriptor that children inherit. Only what is written takes room."""

    def __init__(self, fd: int, workers: int, limit: int) -> None:
        self.fd = fd
        self.limit = limit
        self._workers = workers
        self._layout = _Layout(limit)

    @classmethod
    def create(cls, workers: int, limit: int) -> Self:
        """Empty books, in anonymous memory or in an unlinked temporary file where there is none."""
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("loadsim-ledger")
        else:
            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        os.ftruncate(fd, workers * _Layout(limit).part)
        return cls(fd, workers, limit)

    def part(self, worker: int) -> Ledger:
        """The part that belongs to worker number `worker`."""
        size = self._layout.part
        return Ledger(mmap.mmap(self.fd, size, offset=worker * size), self.limit)

    def runs(self) -> list[str]:
        """The runs that there are books of."""
        found = {name: None for worker in range(self._workers) for name in self._names_of(worker) if name}
        return [name.decode("ascii") for name in found]

    def refusals(self) -> Refusals:
        """What no books were kept of, over all workers."""
        counted = [self._counters(worker) for worker in range(self._workers)]
        return Refusals(
            malformed=sum(int(each[MALFORMED]) for each in counted), no_room=sum(int(each[NO_ROOM]) for each in counted)
        )

    def books(self, run: str) -> Books | None:
        """The books of a run over all workers; None where nothing of it was accepted."""
        parts = []
        over = 0
        for worker in range(self._workers):
            names = self._names_of(worker)
            if run.encode() in names:
                number = names.index(run.encode())
                parts.append(self._arrays(worker, number))
                over += int(self._counters(worker)[OVER_LIMIT + number])
        if not parts:
            return None
        longest = max(len(arrivals) for arrivals, _, _ in parts)
        first = np.full(longest, np.inf)
        for _, _, part in parts:
            first[: len(part)] = np.minimum(first[: len(part)], np.where(part == 0, np.inf, part))
        return Books(
            of="deliveries",
            arrivals=_added((arrivals for arrivals, _, _ in parts), longest),
            accepted=_added((accepted for _, accepted, _ in parts), longest),
            first_s=np.where(np.isinf(first), 0.0, first),
            incomplete=f"the ledger keeps indexes below {self.limit:,}, and {over:,} came of others" if over else "",
        )

    def close(self) -> None:
        """Give the memory back."""
        os.close(self.fd)

    def _arrays(self, worker: int, number: int) -> tuple[Times, Times, NDArray[np.float64]]:
        """Copies of one worker's arrays, up to the last event that came. Read, not mapped: a hole stays a hole."""
        base = worker * self._layout.part
        arrivals_at, accepted_at, first_at = self._layout.arrays(number)
        arrivals = np.frombuffer(os.pread(self.fd, self.limit, base + arrivals_at), np.uint8)
        came = arrivals != 0
        size = len(came) - int(came[::-1].argmax()) if came.any() else 0
        accepted = np.frombuffer(os.pread(self.fd, size, base + accepted_at), np.uint8)
        first = np.frombuffer(os.pread(self.fd, 8 * size, base + first_at), np.float64)
        return arrivals[:size], accepted, first

    def _names_of(self, worker: int) -> list[bytes]:
        return _names(os.pread(self.fd, RUNS * _NAME, worker * self._layout.part + _NAMES_AT))

    def _counters(self, worker: int) -> NDArray[np.uint64]:
        return np.frombuffer(os.pread(self.fd, 8 * _COUNTERS, worker * self._layout.part), np.uint64)


def _names(data: bytes) -> list[bytes]:
    return [data[start : start + _NAME].rstrip(b"\0") for start in range(0, RUNS * _NAME, _NAME)]


def _added(parts: Iterable[Times], size: int) -> Times:
    """Counts of one length added up; they stay at MOST_TIMES."""
    total = np.zeros(size, dtype=np.int64)
    for part in parts:
        total[: len(part)] += part
    return np.minimum(total, MOST_TIMES).astype(np.uint8)

"""The receiver's ledger: how often each event of a run arrived and was accepted, by run and event index.

It lies in memory that the workers and their supervisor share. Only the supervisor writes the list of runs, and each
worker writes only its own part, so no lock is needed. The ledger keeps the 32 runs registered last and event indexes
below a limit. Only accepted deliveries with a delivery id (see `measure.delivery_ids`) of a registered run are entered:
the id is not signed, so anybody could write one. Everything else changes a counter at most. Deliveries are noted one by
one and entered in batches, because parsing each id alone would cost more than all the rest.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadsim.measure.delivery_ids import DELIVERY_ID, RUN, indexes_of
from loadsim.measure.hdr import Ints
from loadsim.measure.ledger_document import MOST_TIMES, RunLedger, Times
from loadsim.outcome_codes import SUCCESSES
from loadsim.receiver.run_register import PAGE, REGISTER_SIZE, RUNS, Registered, RunRegister
from loadsim.receiver.shared_memory import anonymous_memory

ENTER_EVERY_S = 0.02
"""The longest delay of the ledger. At any rate that one process can serve, entering a batch takes far less than a
millisecond."""
MALFORMED, UNREGISTERED, OVER_LIMIT, TURN = 0, 1, 2, 2 + RUNS
"""Words of a worker's part: deliveries not entered (malformed, unregistered); then, by place of a run, deliveries over
the limit; then, by place, the turn of the run that the counts belong to."""
_WORDS = TURN + RUNS
_PART_HEAD = -(-8 * _WORDS // PAGE) * PAGE


class Refusals(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted deliveries with a delivery id that were not entered."""

    malformed: int
    """The delivery id is not well-formed."""
    unregistered: int
    """The run is not registered, or was replaced because too many others were registered after it."""


class _Layout(NamedTuple):
    """The layout of a worker's part, in bytes."""

    limit: int

    @property
    def counts(self) -> int:
        """Size of one array of counts, in whole pages."""
        return -(-self.limit // PAGE) * PAGE

    @property
    def arrays_of_a_run(self) -> int:
        """Size of the three arrays of a run: arrivals, accepted deliveries, times."""
        return 10 * self.counts

    @property
    def part(self) -> int:
        """Size of the whole part of one worker."""
        return _PART_HEAD + RUNS * self.arrays_of_a_run

    def arrays(self, place: int) -> tuple[int, int, int]:
        """Offsets of the arrivals, the accepted deliveries and the times of a run."""
        start = _PART_HEAD + place * self.arrays_of_a_run
        return start, start + self.counts, start + 2 * self.counts


class Ledger:
    """One worker's part of the ledger. Noted deliveries are entered by `enter`, which has to be called regularly."""

    def __init__(self, memory: mmap.mmap, register: mmap.mmap, limit: int) -> None:
        self._limit, self._layout, self._memory = limit, _Layout(limit), memory
        self._words = np.frombuffer(memory, np.uint64, _WORDS)
        self._register = RunRegister(register)
        self._seen = -1
        self._runs: list[Registered] = []
        self.notes: list[Any] = []
        """Accepted deliveries, flat: delivery id, unix seconds, status answered."""

    def note(self, delivery_id: bytes, now_s: float, status: int) -> None:
        """Note an accepted delivery and the status it was answered with. Takes any bytes and never raises."""
        self.notes.extend((delivery_id, now_s, status))

    def enter(self) -> None:
        """Enter the noted deliveries."""
        if self._register.changes != self._seen:
            self._read_register()
        if not self.notes:
            return
        ids, at, statuses = self.notes[0::3], np.fromiter(self.notes[1::3], np.float64), self.notes[2::3]
        self.notes.clear()
        accepted = np.ones(len(ids), dtype=bool)
        if any(status not in SUCCESSES for status in set(statuses)):
            accepted = np.array([status in SUCCESSES for status in statuses])
        for run in self._runs:  # the latest run is the likeliest
            found = indexes_of(ids, run.name)
            if found is not None:
                self._enter(run.place, found, at, accepted)
                return
        self._enter_mixed(ids, at, accepted)

    def _read_register(self) -> None:
        """Read the list of runs, and clear the places of replaced ones. Does nothing while the list is being
        changed."""
        before = self._register.changes
        runs = self._register.runs()
        if before % 2 or self._register.changes != before:
            return
        self._seen, self._runs = before, runs
        for run in runs:
            if self._words[TURN + run.place] != run.turn:
                if self._words[TURN + run.place]:
                    self._empty(run.place)
                self._words[OVER_LIMIT + run.place] = 0
                self._words[TURN + run.place] = run.turn

    def _empty(self, place: int) -> None:
        start, size = self._layout.arrays(place)[0], self._layout.arrays_of_a_run
        with contextlib.suppress(AttributeError, OSError):
            self._memory.madvise(mmap.MADV_REMOVE, start, size)  # gives the memory back, and reads as zeros
            return
        np.frombuffer(self._memory, np.uint8, size, start).fill(0)

    def _enter_mixed(self, ids: Sequence[bytes], at: NDArray[np.float64], accepted: NDArray[np.bool_]) -> None:
        """Enter deliveries of several runs, or of none."""
        by_name: dict[bytes, list[tuple[int, int]]] = {}
        for number, delivery_id in enumerate(ids):
            formed = DELIVERY_ID.fullmatch(delivery_id)
            if formed is None:
                self._words[MALFORMED] += 1
            else:
                by_name.setdefault(formed[1], []).append((number, int(formed[2])))
        places = {run.name: run.place for run in self._runs}
        for name, found in by_name.items():
            if name in places:
                where, index = np.array(found, dtype=np.int64).T
                self._enter(places[name], index, at[where], accepted[where])
            else:
                self._words[UNREGISTERED] += len(found)

    def _enter(self, place: int, index: Ints, at: NDArray[np.float64], accepted: NDArray[np.bool_]) -> None:
        if index.max() >= self._limit:
            within = index < self._limit
            self._words[OVER_LIMIT + place] += np.uint64(len(index) - np.count_nonzero(within))
            index, at, accepted = index[within], at[within], accepted[within]
        arrivals_at, accepted_at, _ = self._layout.arrays(place)
        ordered = np.sort(index)
        if (ordered[1:] == ordered[:-1]).any():
            first = np.unique(index, return_index=True)[1]
            again = np.ones(len(index), dtype=bool)
            again[first] = False
            self._enter_once(place, index[first], at[first], accepted[first])
            self._count(arrivals_at, *np.unique(index[again], return_counts=True))
            self._count(accepted_at, *np.unique(index[again & accepted], return_counts=True))
        else:
            self._enter_once(place, index, at, accepted)

    def _enter_once(self, place: int, index: Ints, at: NDArray[np.float64], accepted: NDArray[np.bool_]) -> None:
        """Enter deliveries of one run, at most one for each event."""
        arrivals_at, accepted_at, first_at = self._layout.arrays(place)
        before = self._count(arrivals_at, index)
        new = before == 0
        np.frombuffer(self._memory, np.float64, self._limit, first_at)[index[new]] = at[new]
        self._count(accepted_at, index if accepted.all() else index[accepted])

    def _count(self, start: int, index: Ints, times: Ints | int = 1) -> Times:
        """Add to counts, each index once; counts stay at MOST_TIMES. Returns the counts before."""
        counts = np.frombuffer(self._memory, np.uint8, self._limit, start)
        before = counts[index]
        counts[index] = np.minimum(before.astype(np.int64) + times, MOST_TIMES)
        return before


class LedgerMemory:
    """The register and the parts of all workers, behind a file descriptor that children inherit.

    Memory is sparse: only pages that are written take space.
    """

    def __init__(self, fd: int, workers: int, limit: int) -> None:
        self.fd = fd
        self.limit = limit
        self._workers = workers
        self._layout = _Layout(limit)
        self._shared = mmap.mmap(fd, REGISTER_SIZE)
        self.run_register = RunRegister(self._shared)

    @classmethod
    def create(cls, workers: int, limit: int) -> Self:
        """An empty ledger."""
        return cls(anonymous_memory("ledger", REGISTER_SIZE + workers * _Layout(limit).part), workers, limit)

    def part(self, worker: int) -> Ledger:
        """The part that belongs to worker number `worker`."""
        return Ledger(mmap.mmap(self.fd, self._layout.part, offset=self._start(worker)), self._shared, self.limit)

    def register(self, run: str) -> None:
        """Keep a ledger of this run from now on, in place of the oldest run when all places are taken.

        Raises ValueError for a name that no delivery id can hold.
        """
        if RUN.fullmatch(run) is None:
            raise ValueError("a run's name is 1 to 120 printable ASCII characters without blanks and slashes")
        self.run_register.add(run.encode())

    def runs(self) -> list[str]:
        """The runs that are registered, the latest first."""
        return [run.name.decode("ascii") for run in self.run_register.runs()]

    def refusals(self) -> Refusals:
        """Deliveries that were not entered, over all workers."""
        counted = [self._words(worker) for worker in range(self._workers)]
        return Refusals(
            malformed=sum(int(each[MALFORMED]) for each in counted),
            unregistered=sum(int(each[UNREGISTERED]) for each in counted),
        )

    def of_run(self, run: str) -> RunLedger | None:
        """The ledger of a run over all workers; None when the run is not registered."""
        found = self.run_register.find(run.encode("ascii", "replace"))
        if found is None:
            return None
        parts = []
        over = 0
        for worker in range(self._workers):
            words = self._words(worker)
            if words[TURN + found.place] == found.turn:
                parts.append(self._arrays(worker, found.place))
                over += int(words[OVER_LIMIT + found.place])
        longest = max((len(arrivals) for arrivals, _, _ in parts), default=0)
        first = np.full(longest, np.inf)
        for _, _, part in parts:
            first[: len(part)] = np.minimum(first[: len(part)], np.where(part == 0, np.inf, part))
        return RunLedger(
            of="deliveries",
            arrivals=_added((arrivals for arrivals, _, _ in parts), longest),
            accepted=_added((accepted for _, accepted, _ in parts), longest),
            first_s=np.where(np.isinf(first), 0.0, first),
            incomplete=f"the ledger keeps indexes below {self.limit:,}, and {over:,} came of others" if over else "",
        )

    def close(self) -> None:
        """Release the memory."""
        os.close(self.fd)

    def _start(self, worker: int) -> int:
        return REGISTER_SIZE + worker * self._layout.part

    def _arrays(self, worker: int, place: int) -> tuple[Times, Times, NDArray[np.float64]]:
        """Copies of one worker's arrays, up to the last event that arrived. They are read, not mapped, so that
        unwritten pages stay unwritten."""
        base = self._start(worker)
        arrivals_at, accepted_at, first_at = self._layout.arrays(place)
        arrivals = np.frombuffer(os.pread(self.fd, self.limit, base + arrivals_at), np.uint8)
        came = arrivals != 0
        size = len(came) - int(came[::-1].argmax()) if came.any() else 0
        accepted = np.frombuffer(os.pread(self.fd, size, base + accepted_at), np.uint8)
        first = np.frombuffer(os.pread(self.fd, 8 * size, base + first_at), np.float64)
        return arrivals[:size], accepted, first

    def _words(self, worker: int) -> NDArray[np.uint64]:
        return np.frombuffer(os.pread(self.fd, 8 * _WORDS, self._start(worker)), np.uint64)


def _added(parts: Iterable[Times], size: int) -> Times:
    """The sum of counts; it stays at MOST_TIMES."""
    total = np.zeros(size, dtype=np.int64)
    for part in parts:
        total[: len(part)] += part
    return np.minimum(total, MOST_TIMES).astype(np.uint8)

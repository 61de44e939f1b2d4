"""The receiver's counters, in memory that the workers and their supervisor share.

Each worker writes its own row only, so no lock is needed. A worker that is killed loses no counts: its successor
continues in the same row.
"""

from __future__ import annotations

import mmap
import os
from typing import Self

import msgspec

from loadsim.receiver.answers import ACCEPTED, Entry
from loadsim.receiver.shared_memory import anonymous_memory
from loadsim.receiver.verify_cost import WORDS as COST_WORDS
from loadsim.receiver.verify_cost import VerifyCost, WorkerCost, cost_of

WORD = 8
FAILED = 24
BYTES = 25
RESETS = 26
ENTERED = 27
"""Not a count: the instant up to which the worker has entered deliveries into its ledger, ns of the monotonic clock."""
STATUS = 32
STATUSES = 600
ROW = STATUS + STATUSES
HEADER = 8
FIRST_REQUEST = 0
"""Header word: when the first request came to any worker, ns of the monotonic clock; 0 = none yet."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Requests received and answers sent, without health checks. `received = verified + unchecked + sum(rejected)`.

    `failed_on_purpose` is a part of verified or unchecked, and `reset_on_purpose` a part of that. `answered` =
    sum(status) does not contain resets, requests still in service, and requests whose sender gave up. `bytes` are of
    bodies received.
    """

    received: int
    """Requests, without health checks."""
    verified: int
    """Genuine, accepted."""
    unchecked: int
    """Accepted without a check (`--no-verify`)."""
    rejected: dict[str, int]
    """Reason → number of refused requests."""
    failed_on_purpose: int
    """Of the accepted ones, those with a failing answer (`--fail`, `--reset`, `--down`)."""
    reset_on_purpose: int = 0
    """Of these, those whose connection was reset."""
    answered: int
    """Answers sent; the sum of `status`."""
    status: dict[str, int]
    bytes: int
    """Of bodies received."""


class WorkerCounters:
    """The counters of one worker, the only one that writes them. A copy is kept, because reading the shared memory is
    slow."""

    __slots__ = ("_counts", "_words")

    def __init__(self, words: memoryview) -> None:
        self._words = words
        self._counts: list[int] = words.tolist()

    def took(self, entry: Entry, size: int) -> None:
        """Count one decided request with a body of `size` bytes."""
        words, counts = self._words, self._counts
        words[entry] = counts[entry] = counts[entry] + 1
        words[BYTES] = counts[BYTES] = counts[BYTES] + size

    def failed(self, *, reset: bool = False) -> None:
        """Count one accepted event that is answered with a failure on purpose, or (`reset`) not answered at all."""
        for place in (FAILED, RESETS) if reset else (FAILED,):
            self._words[place] = self._counts[place] = self._counts[place] + 1

    def entered(self, until_ns: int) -> None:
        """Store that the ledger holds everything answered until this instant."""
        self._words[ENTERED] = until_ns

    def answered(self, status: int) -> None:
        """Count one answer that was handed to the kernel."""
        place, counts = STATUS + status, self._counts
        self._words[place] = counts[place] = counts[place] + 1

    def took_and_answered(self, entry: Entry, size: int, status: int) -> None:
        """`took` and `answered` in one, for a request that is answered at once."""
        words, counts, place = self._words, self._counts, STATUS + status
        words[entry] = counts[entry] = counts[entry] + 1
        words[BYTES] = counts[BYTES] = counts[BYTES] + size
        words[place] = counts[place] = counts[place] + 1


class SharedCounters:
    """Shared memory with a header and one row per worker, behind a file descriptor that children inherit."""

    def __init__(self, fd: int, workers: int) -> None:
        self.fd = fd
        self.workers = workers
        self._map = mmap.mmap(fd, self.size(workers))
        self._words = memoryview(self._map).cast("Q")

    @staticmethod
    def size(workers: int) -> int:
        """Bytes of memory for this number of workers."""
        return (HEADER + workers * (ROW + COST_WORDS)) * WORD

    @classmethod
    def create(cls, workers: int) -> Self:
        """All counters at zero."""
        return cls(anonymous_memory("receiver", cls.size(workers)), workers)

    def row(self, worker: int) -> WorkerCounters:
        """The counters of worker number `worker`, with the counts of its predecessors."""
        start = HEADER + worker * ROW
        return WorkerCounters(self._words[start : start + ROW])

    def cost(self, worker: int) -> WorkerCost:
        """What checks of signatures cost worker number `worker`, with its predecessors."""
        return WorkerCost(self._cost_words(worker))

    def verify_cost(self) -> VerifyCost | None:
        """What checks of signatures cost all workers; None where nothing was verified."""
        return cost_of([self._cost_words(number) for number in range(self.workers)])

    def _cost_words(self, worker: int) -> memoryview:
        start = HEADER + self.workers * ROW + worker * COST_WORDS
        return self._words[start : start + COST_WORDS]

    def first_request(self, now_ns: int) -> int:
        """When the first request came to any worker. When none came before, this is `now_ns`, and stored for all."""
        if self._words[FIRST_REQUEST] == 0:
            self._words[FIRST_REQUEST] = now_ns
        return self._words[FIRST_REQUEST]

    @property
    def first_ns(self) -> int:
        """When the first request came to any worker, ns of the monotonic clock; 0 while none has."""
        return self._words[FIRST_REQUEST]

    def entered_ns(self, worker: int) -> int:
        """The instant up to which a worker has entered its deliveries; 0 before the first time."""
        return self._words[HEADER + worker * ROW + ENTERED]

    def counts(self, worker: int | None = None) -> Counts:
        """The counts of one worker, or of all together."""
        chosen = range(self.workers) if worker is None else (worker,)
        words = [0] * ROW
        for number in chosen:
            start = HEADER + number * ROW
            words = [have + more for have, more in zip(words, self._words[start : start + ROW].tolist(), strict=True)]
        status = {str(code): words[STATUS + code] for code in range(STATUSES) if words[STATUS + code]}
        rejected = {entry.name: words[entry] for entry in Entry if entry not in ACCEPTED and words[entry]}
        return Counts(
            received=sum(words[entry] for entry in Entry),
            verified=words[Entry.verified],
            unchecked=words[Entry.unchecked],
            rejected=rejected,
            failed_on_purpose=words[FAILED],
            reset_on_purpose=words[RESETS],
            answered=sum(status.values()),
            status=status,
            bytes=words[BYTES],
        )

    def close(self) -> None:
        """Release the memory; the counts can no longer be read."""
        self._words.release()
        self._map.close()
        os.close(self.fd)

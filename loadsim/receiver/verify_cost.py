"""What verifying a delivery costs a receiver: one check in sixteen is timed, in a histogram of ns."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

import msgspec
import numpy as np

from loadsim.measure.hdr import NANOSECONDS, Ints, percentiles
from loadsim.measure.histogram_codec import encode
from loadsim.model import NS_PER_US
from loadsim.signing import Rejection

Verify = Callable[[Mapping[str, str], bytes, float], Rejection | None]
TIMED_EVERY = 16
_SUM, _MAX, _COUNTS = 0, 1, 2
WORDS = _COUNTS + NANOSECONDS.counts_len
"""Of one worker, in shared memory: the sum and the greatest of the times, then the histogram."""
_QUANTILES = (Fraction(1, 2), Fraction(9, 10), Fraction(99, 100))


class VerifyCost(msgspec.Struct, frozen=True, kw_only=True):
    """What checks of signatures cost, of a sample of all deliveries, forged ones too; µs."""

    samples: int
    """Checks that were timed."""
    mean_us: float
    """Their mean."""
    p50_us: float | None
    """Percentile 50; None where the sample is too small for it, as in the next two."""
    p90_us: float | None
    """Percentile 90."""
    p99_us: float | None
    """Percentile 99."""
    max_us: float
    """The longest."""
    histogram: str
    """HDR V2 blob in ns, base64."""


class WorkerCost:
    """The times of one worker, the only one that writes them."""

    __slots__ = ("_words",)

    def __init__(self, words: memoryview) -> None:
        self._words = words

    def took(self, ns: int) -> None:
        """Count one check."""
        words = self._words
        words[_SUM] += ns
        words[_MAX] = max(words[_MAX], ns)
        words[_COUNTS + NANOSECONDS.index_of(ns)] += 1

    def turns(self, verify: Verify) -> Iterator[Verify]:
        """What checks each delivery: `verify`, and in each sixteenth turn the same with its time taken."""
        clock, took = time.perf_counter_ns, self.took

        def timed(headers: Mapping[str, str], body: bytes, now_s: float) -> Rejection | None:
            before = clock()
            rejection = verify(headers, body, now_s)
            took(clock() - before)
            return rejection

        return itertools.cycle([timed, *[verify] * (TIMED_EVERY - 1)])


def cost_of(workers: list[memoryview]) -> VerifyCost | None:
    """The costs of all workers together; None where nothing was verified."""
    rows: list[Ints] = [np.frombuffer(words, dtype=np.int64) for words in workers]
    counts = np.sum([row[_COUNTS:] for row in rows], axis=0)
    samples = int(counts.sum())
    if not samples:
        return None
    highest = max(int(row[_MAX]) for row in rows)
    found = percentiles(counts, NANOSECONDS, _QUANTILES, highest)
    p50, p90, p99 = (None if value is None else value / NS_PER_US for value in found)
    return VerifyCost(
        samples=samples,
        mean_us=round(sum(int(row[_SUM]) for row in rows) / samples / NS_PER_US, 3),
        p50_us=p50,
        p90_us=p90,
        p99_us=p99,
        max_us=highest / NS_PER_US,
        histogram=encode(counts, NANOSECONDS),
    )

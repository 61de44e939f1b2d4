"""Cells: sparse counts with int64 keys. Every figure of a run is transported in this form.

A key holds stratum, metric, part, slice of time and index. This module says what is counted (`Metric`), how the events
of a metric are parted by their outcome (`Part`), how a key is composed, and how the counts of equal keys are added up.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.distinct import counted, starts_of
from loadsim.measure.hdr import MICROSECONDS, NANOSECONDS, HdrConfig, Ints
from loadsim.model import NS_PER_MS, NS_PER_US
from loadsim.outcome_codes import DROPPED, ERROR_BASE, SUCCESS, UNFINISHED

SLICE_NS = 250 * NS_PER_MS
"""Width of a base slice, counted from the start of the run."""

INDEX_BITS = 16
SLICE_BITS = 24
GROUP_SHIFT = INDEX_BITS + SLICE_BITS
METRICS_PER_STRATUM = 16
PARTS = 8
"""Parts of a metric that a key has room for, see `Part`."""
GROUPS_PER_STRATUM = METRICS_PER_STRATUM * PARTS
"""A group is one part of one metric of one stratum; its number is the upper end of a key."""
INDEX_MASK = (1 << INDEX_BITS) - 1
SLICE_MASK = (1 << SLICE_BITS) - 1
_BITS = 63
LAST_SLICE = SLICE_MASK
"""The last of 48 days of base slices. What happens later is counted in it."""


class Metric(enum.IntEnum):
    """What a cell counts. For the latencies (LATENCIES) the index is an HDR bucket."""

    response = 0
    service = 1
    lag = 2
    wait = 3
    connect = 4
    tls = 5
    first_byte = 6
    sign = 7
    due = 8
    """Events by slice of their due time; index 0."""
    sent = 9
    """Events by slice of the instant before their first write call; index 0. Events never written are not counted."""
    ended = 10
    """Events by slice of their end; index = the outcome's code."""
    retried = 11
    """Attempts that were followed by another attempt, by slice of their sending (or their end); index = the code."""
    retry_backlog = 12
    """By slice: events that began to wait for another attempt for the first time (index 0), and those of them that
    ended (index 1)."""
    after_end = 13
    """Answers that came after the end of their phase, by slice of their end; index = the code, plus AFTER_RECORDING
    where recording had ended too. The latter are in no rate of completed events."""
    overdue = 14
    """Answers whose service time is above the least of a tally's deadlines, by slice of their due time; index = how
    many of the deadlines it is above."""
    receipt = 15
    """How late an answer was read, of those that the kernel stamped; a latency."""


class Part(enum.IntEnum):
    """The outcome of the events whose latencies a cell counts.

    `response` and `service` are in the part of their outcome; `first_byte` too, but as `other` where a byte came and
    the answer did not end. `wait` is `other`, or `unfinished` where no connection was granted. Every other latency is
    `other`. What is counted by instant (`due`, `sent`, `ended`, `retried`) is in IN_PHASE or AFTER_PHASE.
    """

    other = 0
    """Errors, and values without an outcome."""
    unfinished = 1
    """Still under way at the end: the value is a lower bound."""
    ok = 2
    """Answered 2xx."""
    redirect = 3
    """Answered 3xx."""
    refused = 4
    """Answered 4xx."""
    broken = 5
    """Answered 5xx."""


IN_PHASE, AFTER_PHASE = 0, 1
"""Parts of `due`, `sent`, `ended` and `retried`: whether the instant lies in the event's own phase or after its end. So
a slice in which one phase ends and the next begins can be cut there."""
STATUS_PARTS = {"2xx": Part.ok, "3xx": Part.redirect, "4xx": Part.refused, "5xx": Part.broken}
"""The parts of complete answers, by the name of their class of status."""
BY_STATUS = (Metric.response, Metric.service, Metric.first_byte)
"""The metrics whose values are parted by status."""
_PART_OF_CODE = np.zeros(DROPPED + 1, dtype=np.int64)
_PART_OF_CODE[:ERROR_BASE] = np.clip(np.arange(ERROR_BASE) // 100, Part.ok, Part.broken)
_PART_OF_CODE[UNFINISHED] = Part.unfinished


def part_of(codes: Ints) -> Ints:
    """The part of each outcome code."""
    found: Ints = _PART_OF_CODE[codes]
    return found


AFTER_RECORDING = 1 << 12
"""Added to the code of an answer that came after recording had ended; greater than any code of an answer."""
LATENCIES = (*(Metric(number) for number in range(8)), Metric.receipt)


def layout(metric: Metric) -> HdrConfig:
    """The histogram layout of a latency metric."""
    return NANOSECONDS if metric is Metric.sign else MICROSECONDS


def unit_ns(metric: Metric) -> int:
    """How many ns one unit of the metric's histogram is."""
    return 1 if metric is Metric.sign else NS_PER_US


class Cells(NamedTuple):
    """Counts by key: both int64, of one length; keys ascending and distinct after `compact`."""

    keys: Ints
    counts: Ints


EMPTY = Cells(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def succeeded(codes: Ints) -> NDArray[np.bool]:
    """Which outcome codes are a 2xx answer: `outcome_codes.is_success` over an array."""
    return (codes >= SUCCESS.start) & (codes < SUCCESS.stop)


def slice_of(t_ns: Ints) -> Ints:
    """Base slice of instants in ns since the start of the run; those before the start count in slice 0."""
    return np.clip(t_ns // SLICE_NS, 0, LAST_SLICE)


def slices_of(keys: Ints) -> Ints:
    """The slice of each key."""
    return keys >> INDEX_BITS & SLICE_MASK


_PENDING_KEYS = 16_384
"""Number of pending keys at which equal ones are added together. The sums are not merged again here: sorting keys with
their counts costs three times a plain sort and would delay the load. The parent process has the time for it."""


class KeyCounts:
    """How often each key came, as cells, while the load runs."""

    def __init__(self) -> None:
        self._pending: list[Ints] = []
        self._pending_size = 0
        self._counted: list[Cells] = []

    def add(self, keys: Ints) -> None:
        """Each key came once more."""
        if len(keys):
            self._pending.append(keys)
            self._pending_size += len(keys)
            if self._pending_size >= _PENDING_KEYS:
                self._count()

    def drain(self) -> Cells:
        """The cells since the last drain, in no order; keys may repeat."""
        self._count()
        counted, self._counted = self._counted, []
        return joined(counted)

    def _count(self) -> None:
        if self._pending:
            self._counted.append(Cells(*counted(np.concatenate(self._pending))))
        self._pending, self._pending_size = [], 0


def packed(cells: Cells) -> tuple[bytes, bytes]:
    """Keys (int64) and counts (uint32) as little-endian bytes."""
    return cells.keys.astype("<i8", copy=False).tobytes(), cells.counts.astype("<u4").tobytes()


def unpacked(keys: bytes, counts: bytes) -> Cells:
    """What was packed. Raises ValueError when there are not as many keys as counts."""
    key, count = np.frombuffer(keys, "<i8"), np.frombuffer(counts, "<u4")
    if len(key) != len(count):
        raise ValueError(f"a frame carries {len(key)} keys and {len(count)} counts")
    return Cells(key, count.astype(np.int64))


def joined(parts: list[Cells]) -> Cells:
    """The cells of all parts, concatenated."""
    if not parts:
        return EMPTY
    return Cells(np.concatenate([part.keys for part in parts]), np.concatenate([part.counts for part in parts]))


def compact(parts: list[Cells]) -> Cells:
    """The cells of all parts with ascending, distinct keys; the counts of equal keys are added up."""
    if len(parts) == 1 and (parts[0].keys[1:] > parts[0].keys[:-1]).all():
        return parts[0]  # the usual case: a shard that counted little sends it so
    keys, counts = joined(parts)
    if not len(keys):
        return EMPTY
    bits = int(counts.max()).bit_length()
    if min(keys.min(), counts.min()) >= 0 and int(keys.max()).bit_length() + bits < _BITS:
        # sorting numbers takes half as long as finding their order
        both = np.sort(keys << bits | counts)
        keys, counts = both >> bits, both & ((1 << bits) - 1)
    else:
        order = np.argsort(keys)
        keys, counts = keys[order], counts[order]
    starts = starts_of(keys)
    return Cells(keys[starts], np.add.reduceat(counts, starts))


def group_of(stratum: int, metric: int, part: int = 0) -> int:
    """The number of a part of a metric of a stratum; all parts of a metric follow one another."""
    return (stratum * METRICS_PER_STRATUM + metric) * PARTS + part


def first_key(stratum: int, metric: int, part: int = 0) -> int:
    """The least key of a part of a metric of a stratum."""
    return group_of(stratum, metric, part) << GROUP_SHIFT


def select(cells: Cells, metric: Metric, strata: Iterable[int], parts: Collection[Part] | None = None) -> Cells:
    """The cells of a metric and some strata, of all parts or of some. Keys ascend, so those of a part lie side by
    side."""
    ends = np.searchsorted(
        cells.keys, _stretches(metric, tuple(strata), None if parts is None else tuple(parts))
    ).tolist()
    stretches = [slice(start, end) for start, end in zip(ends[::2], ends[1::2], strict=True) if start < end]
    return joined([Cells(cells.keys[stretch], cells.counts[stretch]) for stretch in stretches])


@lru_cache(maxsize=256)
def _stretches(metric: Metric, strata: tuple[int, ...], parts: tuple[Part, ...] | None) -> Ints:
    """The first key of each stratum (and part) and the first key after it, alternating."""
    if parts is None:
        keys = [first_key(stratum, metric + more) for stratum in strata for more in (0, 1)]
    else:
        keys = [first_key(stratum, metric, part + more) for stratum in strata for part in parts for more in (0, 1)]
    return np.array(keys, dtype=np.int64)

"""Cells: sparse counts with int64 keys. Every figure of a run is transported in this form.

A key holds stratum, metric, slice of time and index. This module says what is counted (`Metric`), how a key is
composed, and how the counts of equal keys are added up.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.hdr import MICROSECONDS, NANOSECONDS, HdrConfig, Ints
from loadsim.model import NS_PER_MS, NS_PER_US, SUCCESS

SLICE_NS = 250 * NS_PER_MS
"""Width of a base slice, counted from the start of the run."""

INDEX_BITS = 16
SLICE_BITS = 24
GROUP_SHIFT = INDEX_BITS + SLICE_BITS
METRICS_PER_STRATUM = 16
INDEX_MASK = (1 << INDEX_BITS) - 1
SLICE_MASK = (1 << SLICE_BITS) - 1
_BITS = 63
LAST_SLICE = SLICE_MASK
"""The last of 48 days of base slices. What happens later is counted in it."""


class Metric(enum.IntEnum):
    """What a cell counts. For the first eight, the latencies, the index is an HDR bucket."""

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
    backlog = 12
    """By slice: events that began to wait for another attempt for the first time (index 0), and those of them that
    ended (index 1)."""
    after_end = 13
    """Answers that came after the end of their phase, by slice of their end; index = the code, plus AFTER_RECORDING
    where recording had ended too. The latter are in no rate of completed events."""


AFTER_RECORDING = 1 << 12
"""Added to the code of an answer that came after recording had ended; greater than any code of an answer."""
LATENCIES = tuple(Metric(number) for number in range(8))


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
    """Which outcome codes are a 2xx answer: `model.is_success` over an array."""
    return (codes >= SUCCESS.start) & (codes < SUCCESS.stop)


def slice_of(t_ns: Ints) -> Ints:
    """Base slice of instants in ns since the start of the run; those before the start count in slice 0."""
    return np.clip(t_ns // SLICE_NS, 0, LAST_SLICE)


def slices_of(keys: Ints) -> Ints:
    """The slice of each key."""
    return keys >> INDEX_BITS & SLICE_MASK


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
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return Cells(keys[starts], np.add.reduceat(counts, starts))


def first_key(stratum: int, metric: int) -> int:
    """The least key of a metric of a stratum."""
    return (stratum * METRICS_PER_STRATUM + metric) << GROUP_SHIFT


def select(cells: Cells, metric: Metric, strata: Iterable[int]) -> Cells:
    """The cells of a metric and some strata. Keys ascend, so the cells of each stratum lie side by side."""
    ends = np.searchsorted(cells.keys, _stretches(metric, tuple(strata))).tolist()
    stretches = [slice(start, end) for start, end in zip(ends[::2], ends[1::2], strict=True) if start < end]
    return joined([Cells(cells.keys[stretch], cells.counts[stretch]) for stretch in stretches])


@lru_cache(maxsize=256)
def _stretches(metric: Metric, strata: tuple[int, ...]) -> Ints:
    """The first key of each stratum and the first key after it, alternating."""
    return np.array([first_key(stratum, metric + more) for stratum in strata for more in (0, 1)], dtype=np.int64)

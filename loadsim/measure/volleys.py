"""Volleys, that is identical deliveries of one event released together: how close they were, and how each was answered.

A copy that was sent before the first answer to its event arrived was "at the same time": the endpoint was still at work
on the event. A copy that was sent later came "afterwards": the endpoint knew the event already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from loadsim.error_kinds import ErrorKind
from loadsim.measure.hdr import MICROSECONDS, NANOSECONDS, HdrConfig, Ints, percentile
from loadsim.measure.result_deliveries import DuplicateRow, Duplicates
from loadsim.model import NS_PER_MS, NS_PER_US
from loadsim.outcome_codes import ERROR_BASE, UNFINISHED

FIRST, SAME_TIME, AFTERWARDS = range(3)


class Copy(NamedTuple):
    """One copy: instants in ns of one clock (`sent` 0: never), and the outcome's code."""

    sent_ns: int
    done_ns: int
    code: int


class VolleyCounts(msgspec.Struct, array_like=True):
    """What one shard counted since its start. Histograms are sparse: bucket → count."""

    events: int = 0
    spread: dict[int, int] = msgspec.field(default_factory=dict)
    """Time from the first write call of the first copy to that of the last copy released with it, in ns."""
    spread_max_ns: int = 0
    codes: list[dict[int, int]] = msgspec.field(default_factory=lambda: [{}, {}, {}])
    """By place (FIRST, SAME_TIME, AFTERWARDS): outcome code → deliveries."""
    service: list[dict[int, int]] = msgspec.field(default_factory=lambda: [{}, {}, {}])
    """Service times of answered deliveries by place, in µs."""
    extra: dict[int, int] = msgspec.field(default_factory=dict)
    """Stratum → deliveries beyond the first of each event."""

    def add(self, stratum: int, deliveries: Sequence[Copy], released: int) -> None:
        """Count an event with all its deliveries, of which the first `released` were released together."""
        self.events += 1
        self.extra[stratum] = self.extra.get(stratum, 0) + len(deliveries) - 1
        sent = [each.sent_ns for each in deliveries[:released] if each.sent_ns]
        if len(sent) > 1:
            spread = max(sent) - min(sent)
            self.spread_max_ns = max(self.spread_max_ns, spread)
            _count(self.spread, NANOSECONDS, spread)
        answered = [each for each in deliveries if each.code < ERROR_BASE]
        first = min(answered, key=lambda each: each.done_ns, default=deliveries[0])
        for each in deliveries:
            committed = bool(answered) and each.sent_ns > first.done_ns
            place = FIRST if each is first else AFTERWARDS if committed else SAME_TIME
            self.codes[place][each.code] = self.codes[place].get(each.code, 0) + 1
            if each.code < ERROR_BASE:
                _count(self.service[place], MICROSECONDS, (each.done_ns - each.sent_ns) // NS_PER_US)


def duplicates_of(counted: Iterable[VolleyCounts]) -> Duplicates | None:
    """The volleys of all shards together; None when there was none."""
    whole = VolleyCounts()
    for each in counted:
        whole.events += each.events
        whole.spread_max_ns = max(whole.spread_max_ns, each.spread_max_ns)
        _merge(whole.spread, each.spread)
        for place in (FIRST, SAME_TIME, AFTERWARDS):
            _merge(whole.codes[place], each.codes[place])
            _merge(whole.service[place], each.service[place])
    if not whole.events:
        return None
    spread = _dense(whole.spread, NANOSECONDS)
    return Duplicates(
        events=whole.events,
        spread_p50_ms=_ms(spread, NANOSECONDS, 0.5, 1),
        spread_p99_ms=_ms(spread, NANOSECONDS, 0.99, 1),
        spread_max_ms=whole.spread_max_ns / NS_PER_MS if whole.spread else None,
        first=_row(whole, FIRST),
        same_time=_row(whole, SAME_TIME),
        afterwards=_row(whole, AFTERWARDS),
    )


def _row(whole: VolleyCounts, place: int) -> DuplicateRow:
    codes = whole.codes[place]
    service = _dense(whole.service[place], MICROSECONDS)
    errors = {code: n for code, n in codes.items() if ERROR_BASE < code < UNFINISHED}
    return DuplicateRow(
        deliveries=sum(codes.values()),
        status={str(code): n for code, n in sorted(codes.items()) if code < ERROR_BASE},
        errors={ErrorKind(code - ERROR_BASE).name: n for code, n in sorted(errors.items())},
        unfinished=codes.get(UNFINISHED, 0),
        p50_ms=_ms(service, MICROSECONDS, 0.5, NS_PER_US),
        p99_ms=_ms(service, MICROSECONDS, 0.99, NS_PER_US),
    )


def _count(histogram: dict[int, int], config: HdrConfig, value: int) -> None:
    bucket = int(config.index(np.array([max(0, value)], dtype=np.int64))[0])
    histogram[bucket] = histogram.get(bucket, 0) + 1


def _merge(into: dict[int, int], other: dict[int, int]) -> None:
    for key, n in other.items():
        into[key] = into.get(key, 0) + n


def _dense(histogram: dict[int, int], config: HdrConfig) -> Ints:
    counts = np.zeros(config.counts_len, dtype=np.int64)
    for bucket, n in histogram.items():
        counts[bucket] = n
    return counts


def _ms(counts: Ints, config: HdrConfig, quantile: float, unit_ns: int) -> float | None:
    value = percentile(counts, config, quantile)
    return None if value is None else value * unit_ns / NS_PER_MS

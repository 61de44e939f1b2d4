"""Retries: how often events were delivered again, how those attempts ended, and the peak load that they caused.

`RetryCounts` is what one shard counts. `retries_of` merges the shards and computes peak rate, backlog and drain time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from loadsim.error_kinds import ErrorKind
from loadsim.measure.cells import Metric
from loadsim.measure.hdr import HdrConfig, Ints, percentile
from loadsim.measure.merged_counts import Merged, Sliced
from loadsim.measure.result_deliveries import AttemptRow, RetryTotals
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.outcome_codes import ERROR_BASE, UNFINISHED, is_success

ATTEMPTS_APART = 10
"""Attempts with greater numbers than this are counted together."""
DELIVERY = HdrConfig(1, 31_622_400_000, 3)
"""1 ms .. 366 days, in ms: the time from an event's due time to its delivery by a later attempt."""
_WINDOW_NS = NS_PER_S
"""The window of the peak rate; a slice where slices are wider."""


class RetryCounts(msgspec.Struct, array_like=True):
    """What one shard counted since its start, over all phases."""

    codes: list[dict[int, int]] = msgspec.field(default_factory=list)
    """At attempt number - 1, for at most ATTEMPTS_APART + 1 numbers: outcome code → deliveries."""
    extra: dict[int, int] = msgspec.field(default_factory=dict)
    """Stratum → deliveries beyond the first of each event."""
    delivery: dict[int, int] = msgspec.field(default_factory=dict)
    """Events that a later attempt delivered: bucket of DELIVERY → events."""
    delivery_max_ms: int = 0
    retried: int = 0
    """Events that had to wait for another attempt."""
    given_up: int = 0
    """Events whose last attempt failed."""
    cut_off: int = 0
    """Events that had another attempt to come when the endpoint was switched off."""
    no_room: int = 0
    """Events that were given up because too many were waiting already."""
    waiting: int = 0
    """Events that waited for another attempt when the run was over."""
    in_doubt: int = 0
    """Attempts sent, not answered completely, and repeated: the endpoint may have the event twice."""
    off_ns: int = -1
    """When the endpoint was switched off, ns since the start; -1: it was not."""
    why: str = ""

    def attempt(self, number: int, code: int) -> None:
        """Count one delivery, `number` from 1 on."""
        place = min(number, ATTEMPTS_APART + 1) - 1
        while len(self.codes) <= place:
            self.codes.append({})
        self.codes[place][code] = self.codes[place].get(code, 0) + 1

    def delivered(self, took_ns: int) -> None:
        """Count an event that a later attempt delivered, `took_ns` after it was due."""
        ms = max(0, took_ns) // NS_PER_MS
        bucket = int(DELIVERY.index(np.array([ms], dtype=np.int64))[0])
        self.delivery[bucket] = self.delivery.get(bucket, 0) + 1
        self.delivery_max_ms = max(self.delivery_max_ms, ms)


@dataclass(frozen=True, slots=True)
class RetryScope:
    """The retry profile in force, and the strata that it covers."""

    profile: str
    title: str
    time_scale: float
    modelled: bool
    strata: tuple[int, ...]
    duration_ns: int
    """Total duration of the phases in which events were due."""


def retries_of(
    counted: Iterable[RetryCounts], merged: Merged, planned: Sequence[int] | Ints, scope: RetryScope
) -> RetryTotals:
    """The retries of all shards together. `planned`: events that became due, by stratum."""
    whole = _together(counted)
    strata = list(scope.strata)
    base = int(np.asarray(planned)[strata].sum())
    base_rate = base * NS_PER_S / scope.duration_ns if scope.duration_ns else None
    peak_rate, peak_s = _peak(merged, strata)
    backlog, backlog_s, drain_s = _drain(merged, strata)
    delivery = np.zeros(DELIVERY.counts_len, dtype=np.int64)
    for bucket, n in whole.delivery.items():
        delivery[bucket] = n
    undelivered = merged.codes(strata).get(ERROR_BASE + ErrorKind.switched_off, 0)
    return RetryTotals(
        profile=scope.profile,
        title=scope.title,
        time_scale=scope.time_scale,
        modelled=scope.modelled,
        retried=whole.retried,
        attempts=sum(sum(codes.values()) for codes in whole.codes),
        delivered=int(delivery.sum()),
        delivery_p50_ms=percentile(delivery, DELIVERY, 0.5, whole.delivery_max_ms),
        delivery_p99_ms=percentile(delivery, DELIVERY, 0.99, whole.delivery_max_ms),
        delivery_max_ms=whole.delivery_max_ms if whole.delivery else None,
        given_up=whole.given_up,
        cut_off=whole.cut_off,
        no_room=whole.no_room,
        waiting=whole.waiting,
        undelivered=undelivered,
        in_doubt=whole.in_doubt,
        base_rate=base_rate,
        peak_rate=peak_rate,
        peak_s=peak_s,
        backlog=backlog,
        backlog_s=backlog_s,
        drain_s=drain_s,
        off_s=None if whole.off_ns < 0 else whole.off_ns / NS_PER_S,
        why=whole.why,
        by_attempt=[_row(number, codes) for number, codes in enumerate(whole.codes, 1)],
    )


def _together(counted: Iterable[RetryCounts]) -> RetryCounts:
    whole = RetryCounts()
    for each in counted:
        for number, codes in enumerate(each.codes):
            if len(whole.codes) <= number:
                whole.codes.append({})
            for code, n in codes.items():
                whole.codes[number][code] = whole.codes[number].get(code, 0) + n
        for bucket, n in each.delivery.items():
            whole.delivery[bucket] = whole.delivery.get(bucket, 0) + n
        whole.delivery_max_ms = max(whole.delivery_max_ms, each.delivery_max_ms)
        for name in ("retried", "given_up", "cut_off", "no_room", "waiting", "in_doubt"):
            setattr(whole, name, getattr(whole, name) + getattr(each, name))
        if each.off_ns >= 0 and (whole.off_ns < 0 or each.off_ns < whole.off_ns):
            whole.off_ns, whole.why = each.off_ns, each.why
    return whole


def _row(number: int, codes: dict[int, int]) -> AttemptRow:
    errors = {code: n for code, n in codes.items() if ERROR_BASE < code < UNFINISHED}
    return AttemptRow(
        attempt=number,
        deliveries=sum(codes.values()),
        delivered=sum(n for code, n in codes.items() if is_success(code)),
        status={str(code): n for code, n in sorted(codes.items()) if code < ERROR_BASE},
        errors={ErrorKind(code - ERROR_BASE).name: n for code, n in sorted(errors.items())},
        unfinished=codes.get(UNFINISHED, 0),
        and_later=number > ATTEMPTS_APART,
    )


def arrivals_by_slice(merged: Merged, strata: Sequence[int]) -> Ints:
    """Deliveries by slice of the instant at which they were sent, from the start of the run: int64 (n,)."""
    found = [merged.sliced(metric, strata) for metric in (Metric.sent, Metric.retried)]
    n = 1 + max(int(each.slices.max(initial=-1)) for each in found)
    return _per_slice(found[0], n) + _per_slice(found[1], n)


def _peak(merged: Merged, strata: Sequence[int]) -> tuple[float | None, float | None]:
    """The most deliveries per second over any window, and when that began, in s."""
    arrivals, width = arrivals_by_slice(merged, strata), merged.slice_ns
    if not arrivals.any():
        return None, None
    span = max(1, _WINDOW_NS // width)
    sums = np.convolve(arrivals, np.ones(span, dtype=np.int64))[span - 1 :]
    at = int(sums.argmax())
    return float(sums[at]) * NS_PER_S / (span * width), at * width / NS_PER_S


def _drain(merged: Merged, strata: Sequence[int]) -> tuple[int, float | None, float | None]:
    """The largest backlog (events waiting for another attempt, or in one), when it was last reached, and how long it
    took from then until there was none (None: some were left at the end, or there never was a backlog). Exact to a
    slice.
    """
    found, width = merged.sliced(Metric.retry_backlog, strata), merged.slice_ns
    if not len(found.slices):
        return 0, None, None
    n = int(found.slices.max()) + 1
    level = np.cumsum(_per_slice(_where(found, 0), n) - _per_slice(_where(found, 1), n))
    most = int(level.max())
    if not most:  # every event that failed was delivered within its slice
        return 0, None, 0.0
    last = n - 1 - int(level[::-1].argmax())
    empty = np.flatnonzero(level[last:] == 0)
    drained = int(empty[0]) * width / NS_PER_S if len(empty) else None
    return most, (last + 1) * width / NS_PER_S, drained


def _where(found: Sliced, index: int) -> Sliced:
    chosen = found.indexes == index
    return Sliced(found.slices[chosen], found.indexes[chosen], found.counts[chosen])


def _per_slice(found: Sliced, n: int) -> Ints:
    return np.bincount(found.slices, weights=found.counts, minlength=n).astype(np.int64)

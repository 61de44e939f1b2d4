"""The tally of one shard: folds outcome rows into cells, moments and counters while the load runs.

The rules for which outcome counts in which metric are here. The tally runs in the load loop, so it works on whole
arrays and keeps nothing per event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadsim.measure import moments
from loadsim.measure.cells import (
    AFTER_PHASE,
    AFTER_RECORDING,
    GROUP_SHIFT,
    GROUPS_PER_STRATUM,
    INDEX_BITS,
    PARTS,
    Cells,
    KeyCounts,
    Metric,
    Part,
    layout,
    packed,
    part_of,
    slice_of,
    succeeded,
    unit_ns,
    unpacked,
)
from loadsim.measure.distinct import starts_of
from loadsim.measure.hdr import Ints
from loadsim.measure.outcome_columns import Column
from loadsim.outcome_codes import DROPPED, ERROR_BASE, UNFINISHED

COUNTERS = (
    "bytes_sent", "bytes_received", "unsent", "woken_late", "ended", "completed", "succeeded", "dropped", "unfinished",
)  # fmt: skip
"""Columns of `TallyDelta.counters`. `ended` counts every row, dropped ones too. `unsent` counts errors and unfinished
events of which no byte was handed to the kernel, `woken_late` events woken after the end of their phase, or never."""

MOMENTS = ("group", *moments.COLUMNS)
"""Columns of `TallyDelta.moments`, in ns; `group` as `cells.group_of`."""

_LARGEST_NS = (1 << moments.VALUE_BITS) - 1
_COUNTED = slice(Column.stratum, Column.bytes_received + 1)
"""Columns of a row that are counted: all but the event's index and the attempt."""
_UNBOUNDED = np.iinfo(np.int64).max
_AFTER_PHASE = AFTER_PHASE << GROUP_SHIFT


_Span = tuple[Metric, Ints, Ints, NDArray[np.bool], Ints]
"""A latency: its metric, since when, until when, for which rows, and the start of their keys without the metric."""


class TallyDelta(msgspec.Struct, frozen=True, array_like=True):
    """What one shard counted: cells since the last drain; moments and counters since the start of the run.

    `keys` int64 and `counts` uint32 have one length and no order, and keys may repeat; `moments` int64 (k, 8), a row
    per group that has samples, columns MOMENTS; `counters` int64 (strata, 9), columns COUNTERS. All little-endian
    bytes.
    """

    keys: bytes
    counts: bytes
    moments: bytes
    counters: bytes

    def cells(self) -> Cells:
        """The cells. Raises ValueError when there are not as many keys as counts."""
        return unpacked(self.keys, self.counts)

    def moment_rows(self) -> Ints:
        """int64 (k, 8), columns MOMENTS."""
        return np.frombuffer(self.moments, "<i8").reshape(-1, len(MOMENTS))

    def counter_rows(self) -> Ints:
        """int64 (strata, 9), columns COUNTERS."""
        return np.frombuffer(self.counters, "<i8").reshape(-1, len(COUNTERS))


class Tally:
    """Counts the outcomes of one shard.

    `strata`: the number of strata. `start_ns`: the start of the run on the clock of the rows. `phase_ends`: for each
    stratum the end of its phase in ns since the start, -1 where the phase has none. `recording_ends`: for each stratum
    the end of the recorded time around its phase (default: the end of its phase). `paced`: whether events have due
    times of their own. In a closed run they have not: an event is due when its connection is free, so lag and wait are
    0 by definition and are not counted. `deadlines`: service times in ns, ascending; answers above each are counted.
    """

    def __init__(
        self,
        strata: int,
        start_ns: int,
        phase_ends: Sequence[int],
        *,
        recording_ends: Sequence[int] | None = None,
        paced: bool = True,
        deadlines: Sequence[int] = (),
    ) -> None:
        recording_ends = phase_ends if recording_ends is None else recording_ends
        if not len(phase_ends) == len(recording_ends) == strata:
            raise ValueError(f"{strata} strata, but {len(phase_ends)} phase ends, {len(recording_ends)} of recording")
        self._strata = strata
        self._start = start_ns
        self._paced = paced
        self._deadlines = np.array(deadlines, dtype=np.int64)
        self._ends = self._in_time = self._instants(phase_ends)
        self._in_recording = self._instants(recording_ends)
        self._cells = KeyCounts()
        self._moments = moments.MomentTable(strata * GROUPS_PER_STRATUM)
        self._counters = np.zeros((strata, len(COUNTERS)), dtype=np.int64)

    def stop(self, instant_ns: int) -> None:
        """No more events are released from this instant of the rows' clock on: later answers come after the end."""
        self._in_time = np.minimum(self._in_time, instant_ns)
        self._in_recording = np.minimum(self._in_recording, instant_ns)

    def fold(self, rows: Ints) -> None:
        """Count outcome rows: int64 (n, 14), columns of `outcome_columns.Column`, times in ns, 0 where something did
        not happen."""
        for _ in self.folding(rows):
            pass

    def folding(self, rows: Ints) -> Iterator[None]:
        """Count outcome rows as `fold`, a part with each step; all steps must be taken, each takes a similar time."""
        if not len(rows):
            return
        columns = np.ascontiguousarray(rows[:, _COUNTED].T)
        stratum, _, due, *_ = columns
        base = (stratum * GROUPS_PER_STRATUM << GROUP_SHIFT) | (slice_of(due - self._start) << INDEX_BITS)
        values, keys = self._spans(columns, base)
        yield
        self._cells.add(self._latencies(values, keys))
        yield
        self._cells.add(self._instants_of(columns, base))
        yield
        self._count(columns)

    def fold_handshakes(self, rows: Ints) -> None:
        """Count opened connections: int64 (n, 4), columns stratum, due, connect ns, TLS ns (0: no TLS)."""
        if not len(rows):
            return
        stratum, due, connect, tls = np.ascontiguousarray(rows.T)
        secured = tls != 0
        values = np.concatenate((connect, tls[secured]))
        keys = np.concatenate(
            (self._keys(stratum, due, Metric.connect), self._keys(stratum[secured], due[secured], Metric.tls))
        )
        self._cells.add(self._latencies(values, keys))

    def fold_sign(self, rows: Ints) -> None:
        """Count sampled signings: int64 (n, 3) of stratum, due, ns."""
        if not len(rows):
            return
        stratum, due, took = np.ascontiguousarray(rows.T)
        self._cells.add(self._latencies(took, self._keys(stratum, due, Metric.sign), Metric.sign))

    def fold_receipts(self, rows: Ints) -> None:
        """Count how late answers were read, of outcome rows as in `fold`: where that is known exactly."""
        known = rows[rows[:, Column.receipt] > 0]
        if len(known):
            stratum, due = known[:, Column.stratum], known[:, Column.due]
            self._cells.add(self._latencies(known[:, Column.receipt], self._keys(stratum, due, Metric.receipt)))

    def fold_attempts(self, rows: Ints) -> None:
        """Count attempts that were followed by another attempt: rows as in `fold`.

        They are not the end of an event. Their lag and their bytes are counted with those of events, the rest apart.
        """
        if not len(rows):
            return
        stratum, code, due, woken, _, sent, _, done, out, back = np.ascontiguousarray(rows[:, _COUNTED].T)
        lag = self._latencies(woken - due, self._keys(stratum, due, Metric.lag))
        instant = np.where(sent == 0, done, sent)
        retried = self._keys(stratum, instant, Metric.retried) | code
        self._cells.add(np.concatenate((lag, retried + (instant > self._in_time[stratum]) * _AFTER_PHASE)))
        np.add.at(self._counters, (stratum, 0), out)
        np.add.at(self._counters, (stratum, 1), back)

    def fold_retry_backlog(self, rows: Ints) -> None:
        """Count events that wait for a further attempt: int64 (n, 3), columns stratum, instant in ns, 0 (began to wait)
        or 1 (ended)."""
        if len(rows):
            stratum, instant, over = np.ascontiguousarray(rows.T)
            self._cells.add(self._keys(stratum, instant, Metric.retry_backlog) | over)

    def drain(self) -> TallyDelta:
        """What was folded since the last drain, with the cumulative moments and counters."""
        keys, counts = packed(self._cells.drain())
        filled = self._moments.filled()
        return TallyDelta(
            keys=keys,
            counts=counts,
            moments=filled.astype("<i8", copy=False).tobytes(),
            counters=self._counters.astype("<i8", copy=False).tobytes(),
        )

    def _spans(self, columns: Ints, base: Ints) -> tuple[Ints, Ints]:
        """The latencies of all metrics, ns, and the start of their keys."""
        _, code, due, woken, slot, sent, first_byte, done, _, _ = columns
        was_sent, kept = sent != 0, code != DROPPED
        by_outcome = base + (part_of(code) << GROUP_SHIFT)
        spans = [  # in the order of their numbers, which saves sorting
            (Metric.response, due, done, kept, by_outcome),
            (Metric.service, sent, done, kept & was_sent, by_outcome),
        ]
        if self._paced:
            spans += [
                (Metric.lag, due, woken, woken != 0, base),
                (Metric.wait, woken, slot, kept & (slot != 0), base),
            ]
        spans.append((Metric.first_byte, sent, first_byte, kept & was_sent & (first_byte != 0), by_outcome))
        unfinished = code == UNFINISHED
        if unfinished.any():
            spans[2:] = self._cut_off(spans[2:], columns, base, unfinished)
        values = [(until - since)[where] for _, since, until, where, _ in spans]
        keys = [parted[where] + (int(metric) * PARTS << GROUP_SHIFT) for metric, _, _, where, parted in spans]
        return np.concatenate(values), np.concatenate(keys)

    def _instants_of(self, columns: Ints, base: Ints) -> Ints:
        """The keys of what is counted by its instant."""
        stratum, code, due, _, _, sent, _, done, _, _ = columns
        was_sent, end = sent != 0, self._in_time[stratum]
        ended_keys = self._keys(stratum, done, Metric.ended) | code
        ended_late = done > end
        after_phase = ended_late & (code < ERROR_BASE)
        after_recording = (done[after_phase] > self._in_recording[stratum[after_phase]]) * AFTER_RECORDING
        after_keys = (
            ended_keys[after_phase] + ((Metric.after_end - Metric.ended) * PARTS << GROUP_SHIFT) + after_recording
        )
        ended_keys += ended_late * _AFTER_PHASE
        due_keys = base + (int(Metric.due) * PARTS << GROUP_SHIFT) + (due > end) * _AFTER_PHASE
        sent_keys = self._keys(stratum[was_sent], sent[was_sent], Metric.sent)
        sent_keys += (sent > end)[was_sent] * _AFTER_PHASE
        return np.concatenate((due_keys, sent_keys, ended_keys, after_keys, self._overdue(code, done - sent, base)))

    def _overdue(self, code: Ints, service: Ints, base: Ints) -> Ints:
        """Keys of answers that came after a deadline."""
        if not len(self._deadlines):
            return self._deadlines
        late = (service > self._deadlines[0]) & (code < ERROR_BASE)
        missed = np.searchsorted(self._deadlines, service[late])
        keys: Ints = base[late] + (int(Metric.overdue) * PARTS << GROUP_SHIFT) + missed
        return keys

    @staticmethod
    def _cut_off(spans: list[_Span], columns: Ints, base: Ints, unfinished: NDArray[np.bool]) -> list[_Span]:
        """The spans of lag, `wait` and `first_byte` where events are unfinished: those without a first byte, or
        without a connection, get what they waited so far, as a lower bound. A first byte that came is exact."""
        _, _, _, woken, slot, sent, first_byte, done, _, _ = columns
        bound = base + (int(Part.unfinished) << GROUP_SHIFT)
        *found, (metric, _, _, where, by_outcome) = spans
        if found:
            found.append((Metric.wait, woken, done, unfinished & (slot == 0) & (woken != 0), bound))
        return [
            *found,
            (metric, sent, first_byte, where, np.where(unfinished, base, by_outcome)),
            (metric, sent, done, unfinished & (sent != 0) & (first_byte == 0), bound),
        ]

    def _instants(self, ends: Sequence[int]) -> Ints:
        return np.array([self._start + end if end >= 0 else _UNBOUNDED for end in ends], dtype=np.int64)

    def _keys(self, stratum: Ints, due: Ints, metric: Metric) -> Ints:
        group = stratum * GROUPS_PER_STRATUM + int(metric) * PARTS
        return (group << GROUP_SHIFT) | (slice_of(due - self._start) << INDEX_BITS)

    def _latencies(self, values: Ints, keys: Ints, metric: Metric = Metric.response) -> Ints:
        """Add the buckets of `values` (ns) to `keys` and update the moments; `metric` only selects the layout."""
        config, unit = layout(metric), unit_ns(metric)
        values = np.clip(values, 0, _LARGEST_NS)
        self._measure(self._moments.rows_of(keys >> GROUP_SHIFT), values, (config.highest + 1) * unit)
        return keys | config.index(values // unit)

    def _measure(self, rows: Ints, values: Ints, overflow_ns: int) -> None:
        """Update the moments: `rows` of their table, of one length with `values`."""
        if not len(values):
            return
        if not (rows[1:] >= rows[:-1]).all():  # they are in order where all events are of one kind
            grouped = np.sort((rows << moments.VALUE_BITS) | values)
            rows, values = grouped >> moments.VALUE_BITS, grouped & _LARGEST_NS
        starts = starts_of(rows)
        self._moments.add(rows[starts], moments.of_stretches(values, starts, overflow_ns))

    def _count(self, columns: Ints) -> None:
        stratum, code, due, woken, _, _, _, _, bytes_sent, bytes_received = columns
        end = self._ends[stratum]
        dropped, answered = code == DROPPED, code < ERROR_BASE
        tallied = np.empty((len(COUNTERS), len(code)), dtype=np.int64)
        tallied[0], tallied[1] = bytes_sent, bytes_received
        tallied[2] = ~answered & ~dropped & (bytes_sent == 0)
        # A further attempt may be due after the end of its event's phase; only events due before that end can be woken
        # late.
        tallied[3] = ((woken > end) & (due <= end)) | ((woken == 0) & (end != _UNBOUNDED))
        tallied[4] = 1
        tallied[5] = answered
        tallied[6] = succeeded(code)
        tallied[7] = dropped
        tallied[8] = code == UNFINISHED
        if not (stratum[1:] >= stratum[:-1]).all():
            order = np.argsort(stratum, kind="stable")
            stratum, tallied = stratum[order], tallied[:, order]
        starts = starts_of(stratum)
        self._counters[stratum[starts]] += np.add.reduceat(tallied, starts, axis=1).T

"""The shards' counts without their own lateness, added up: what missed objectives are judged by once more.

A pause of one shard also disturbs the events of the others, since the endpoint gets at once what was held back: those
that were due in a slice of time that a pause of another shard, or its recovery, touches.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from loadsim.error_kinds import ErrorKind
from loadsim.measure.cells import EMPTY, INDEX_BITS, SLICE_MASK, SLICE_NS, Cells, Metric, compact
from loadsim.measure.distinct import distinct
from loadsim.measure.hdr import MICROSECONDS, Ints
from loadsim.measure.histogram_codec import encode, encode_sparse
from loadsim.measure.merged_counts import Merged
from loadsim.measure.result_generator import SecondLook, WindowLook
from loadsim.measure.strata import StratumNames
from loadsim.measure.window_counts import Grid
from loadsim.measure.without_generator_tally import (
    CLASSES,
    DISTURBED,
    GROUP_SHIFT,
    KINDS,
    Kind,
    LatenessDelta,
    parts_of,
)
from loadsim.model import NS_PER_S
from loadsim.outcome_codes import ERROR_BASE

_NEVER = 2**62
_WHOLE = (Kind.response, Kind.service)
_METRICS = {Kind.wait: Metric.wait, Kind.first_byte: Metric.first_byte, Kind.connect: Metric.connect}
_STATUSES = {"2xx": 2, "3xx": 3, "4xx": 4, "5xx": 5}


def look_key(metric: str, tags: Iterable[tuple[str, str]] = ()) -> str:
    """The key of a figure in a SecondLook: `response{phase:steady}`; tags in alphabetical order."""
    return metric + "".join(f"{{{tag}:{value}}}" for tag, value in sorted(tags))


class LatenessMerge:
    """The parent's side of `without_generator_tally.LatenessTally`."""

    def __init__(self, strata: int, shards: int) -> None:
        self._most_keys = strata * KINDS * CLASSES << GROUP_SHIFT
        self.pauses = 0
        self.longest_ns = 0
        self._away: Counter[int] = Counter()
        """By slice, ns, all shards together."""
        self._touched: list[set[int]] = [set() for _ in range(shards)]
        """By shard, the slices that its pauses and their recoveries touch."""
        self._pending: list[tuple[int, int, Cells]] = []
        self._total = EMPTY
        self._windows: dict[str, _Windows] = {}
        self._counted: dict[str, _CountWindows] = {}

    def add(self, shard: int, elapsed_ns: int, delta: LatenessDelta) -> None:
        """What one shard counted up to `elapsed_ns` since the start.

        Raises ValueError when its arrays do not match each other or the number of strata.
        """
        cells = delta.cells()
        if len(cells.keys) and not 0 <= cells.keys.min() <= cells.keys.max() < self._most_keys:
            raise ValueError("a frame carries latencies of strata that the plan does not have")
        for start, end in delta.away:
            if end <= 0:
                continue  # before the start nothing was due
            start = max(0, start)
            self.pauses += 1
            self.longest_ns = max(self.longest_ns, end - start)
            for number in _slices(start, end):
                self._away[number] += min(end, (number + 1) * SLICE_NS) - max(start, number * SLICE_NS)
        for start, end in delta.disturbed:
            self._touched[shard].update(_slices(start, end))
        self._pending.append((elapsed_ns, shard, cells))

    def watch(self, key: str, grid: Grid, kind: Kind, strata: Sequence[int], status: str = "") -> None:
        """Also count the windows of a latency, under `SecondLook.windows[key]`; to be said before the first frame."""
        self._windows[key] = _Windows(grid, kind, strata, _STATUSES.get(status))

    def watch_counts(self, key: str, grid: Grid, strata: Sequence[int], digits: Collection[int]) -> None:
        """As `watch`, of a count of events by the first digit of their status (0: no answer)."""
        self._counted[key] = _CountWindows(grid, strata, digits)

    def settle(self, heard_ns: int) -> None:
        """Count what is pending; every shard has told of its pauses up to `heard_ns` since the start."""
        ripe = [self._marked(shard, cells) for elapsed, shard, cells in self._pending if elapsed <= heard_ns]
        self._pending = [each for each in self._pending if each[0] > heard_ns]
        if ripe:
            cells = compact(ripe)
            for watched in self._windows.values():
                watched.add(cells)
            for counted in self._counted.values():
                counted.add(cells)
            whole = [Cells(cells.keys & ~(SLICE_MASK << INDEX_BITS), cells.counts) for cells in ripe]
            self._total = compact([self._total, *whole])

    def away_ns(self, stretches: Iterable[tuple[int, int]]) -> int:
        """How long shards were away in stretches of time (start, end; to the slice), all shards together."""
        return sum(
            ns for number, ns in self._away.items() if any(start <= number * SLICE_NS < end for start, end in stretches)
        )

    def look(self, merged: Merged, names: StratumNames) -> SecondLook:
        """Everything that was counted, once the run is over; `merged` counted the same frames."""
        self.settle(_NEVER)
        windows = {key: watched.looks() for key, watched in self._windows.items()}
        away = {number: ns / len(self._touched) for number, ns in self._away.items()}
        windows |= {key: counted.looks(away) for key, counted in self._counted.items()}
        touched = _stretches(set().union(*self._touched))
        look = SecondLook(histograms={}, disturbed={}, excused={}, windows=windows, touched_s=touched)
        stratum, kind, answered, _, index = parts_of(self._total.keys)
        for tags, strata in _groups(names):
            mine = np.isin(stratum, strata)
            for of in (*_WHOLE, *_METRICS):
                for status, digit in ({} if of not in _WHOLE else _STATUSES).items():
                    found = mine & (kind == of) & (answered == digit)
                    if found.any():
                        _add_whole(look, {**tags, "status": status}, of, index[found], self._total.counts[found])
                found = mine & (kind == of)
                if not found.any():
                    continue
                if of in _WHOLE:
                    _add_whole(look, tags, of, index[found], self._total.counts[found])
                else:
                    measured = merged.counts(_METRICS[of], strata)
                    _add_rest(look, tags, of, measured, index[found], self._total.counts[found])
            found = mine & (kind == Kind.excused)
            if found.any():
                failures: Counter[str] = Counter()
                for code, count in zip(index[found].tolist(), self._total.counts[found].tolist(), strict=True):
                    failures[ErrorKind(code - ERROR_BASE).name] += count
                look.excused[look_key("", tags.items())] = dict(failures)
        return look

    def _marked(self, shard: int, cells: Cells) -> Cells:
        """The cells; those that another shard's pauses touch are disturbed."""
        _, kind, _, slices, index = parts_of(cells.keys)
        elsewhere = set().union(*(touched for number, touched in enumerate(self._touched) if number != shard))
        if not elsewhere:
            return cells
        touched = np.isin(slices, list(elsewhere)) & (kind <= Kind.service)
        return Cells(np.where(touched, cells.keys - index + DISTURBED, cells.keys), cells.counts)


class _Windows:
    """The windows of one latency."""

    def __init__(self, grid: Grid, kind: Kind, strata: Sequence[int], digit: int | None) -> None:
        self._grid, self._kind, self._strata, self._digit = grid, kind, list(strata), digit
        self._cells = EMPTY
        """Keyed by window and index."""

    def add(self, cells: Cells) -> None:
        stratum, kind, answered, slices, index = parts_of(cells.keys)
        numbers = self._grid.numbers(slices)
        mine = (kind == self._kind) & np.isin(stratum, self._strata) & (numbers >= 0)
        if self._digit is not None:
            mine &= answered == self._digit
        fresh = Cells((numbers[mine] << INDEX_BITS) | index[mine], cells.counts[mine])
        self._cells = compact([self._cells, fresh])

    def looks(self) -> list[WindowLook]:
        found = []
        numbers = self._cells.keys >> INDEX_BITS
        for number in distinct(numbers).tolist():
            index, counts = self._cells.keys[numbers == number] & DISTURBED, self._cells.counts[numbers == number]
            left_out = index == DISTURBED
            blob = encode_sparse(index[~left_out], counts[~left_out], MICROSECONDS)
            start_s = self._grid.start_ns(number) / NS_PER_S
            found.append(WindowLook(start_s, blob, int(counts[left_out].sum())))
        return found


class _CountWindows:
    """The windows of a count: what pauses may have changed in them."""

    def __init__(self, grid: Grid, strata: Sequence[int], digits: Collection[int]) -> None:
        self._grid, self._strata, self._digits = grid, list(strata), list(digits)
        self._disturbed: Counter[int] = Counter()
        """By window, as `_excused`."""
        self._excused: Counter[int] = Counter()

    def add(self, cells: Cells) -> None:
        stratum, kind, answered, slices, index = parts_of(cells.keys)
        numbers = self._grid.numbers(slices)
        mine = np.isin(stratum, self._strata) & (numbers >= 0)
        disturbed = mine & (kind == Kind.response) & (index == DISTURBED) & np.isin(answered, self._digits)
        for counter, found in ((self._disturbed, disturbed), (self._excused, mine & (kind == Kind.excused))):
            for number, count in zip(numbers[found].tolist(), cells.counts[found].tolist(), strict=True):
                counter[number] += count

    def looks(self, away: Mapping[int, float]) -> list[WindowLook]:
        """`away`: for how many ns of each slice the generator was."""
        slices = np.array(list(away), dtype=np.int64)
        away_ns: defaultdict[int, float] = defaultdict(float)
        for number, ns in zip(self._grid.numbers(slices).tolist(), away.values(), strict=True):
            away_ns[number] += ns
        return [
            WindowLook(
                *(self._grid.start_ns(number) / NS_PER_S, "", self._disturbed[number]),
                excused=self._excused[number],
                away_s=away_ns[number] / NS_PER_S,
            )
            for number in sorted({*self._disturbed, *self._excused, *away_ns} - {-1})
        ]


def _stretches(slices: set[int]) -> list[tuple[float, float]]:
    """Slices side by side as one stretch, in seconds."""
    found: list[tuple[float, float]] = []
    for number in sorted(slices):
        start, end = number * SLICE_NS / NS_PER_S, (number + 1) * SLICE_NS / NS_PER_S
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _slices(start_ns: int, end_ns: int) -> range:
    return range(max(0, start_ns) // SLICE_NS, max(0, end_ns) // SLICE_NS + 1)


def _groups(names: StratumNames) -> Iterator[tuple[dict[str, str], list[int]]]:
    yield {}, names.select(expect="accept")
    for number, name in enumerate(names.types):
        yield {"event": name}, names.select(type_=number, expect="accept")
    for number, name in enumerate(names.phases):
        yield {"phase": name}, names.select(phase=number, expect="accept")
    for name in names.case_kinds:
        yield {"case": name}, names.select(case=name)


def _add_whole(look: SecondLook, tags: Mapping[str, str], kind: Kind, index: Ints, counts: Ints) -> None:
    key = look_key(kind.name, tags.items())
    left_out = index == DISTURBED
    if left_out.any():
        look.disturbed[key] = int(counts[left_out].sum())
    index, counts = compact([Cells(index[~left_out], counts[~left_out])])
    look.histograms[key] = encode_sparse(index, counts, MICROSECONDS)


def _add_rest(look: SecondLook, tags: Mapping[str, str], kind: Kind, measured: Ints, index: Ints, counts: Ints) -> None:
    """What is left of a metric without its disturbed values, where only those were counted apart."""
    rest = measured.copy()
    np.subtract.at(rest, index, counts)
    key = look_key(kind.name, tags.items())
    look.disturbed[key] = int(counts.sum())
    look.histograms[key] = encode(np.maximum(rest, 0), MICROSECONDS)

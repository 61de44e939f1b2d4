"""The counts of a whole run by slice of time, in memory that does not grow with the length of the run.

Slices double their width when there are too many slices or cells. A cell takes eight bytes. Each group is held
apart, so an update never copies all cells at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.cells import (
    GROUP_SHIFT,
    INDEX_BITS,
    PARTS,
    SLICE_MASK,
    SLICE_NS,
    Cells,
    Metric,
    compact,
    group_of,
    joined,
    slices_of,
)

MAX_SLICES = 600
"""With more slices than this, all slices double their width."""
MAX_CELLS = 400_000
"""The same with more cells than this (3 MB), as long as there are FEW_SLICES or more."""
FEW_SLICES = 60
_PENDING = 65_536
"""The number of pending cells (1 MB) at which they are added in: for a moment that takes several times their memory."""
_WITHIN = (1 << GROUP_SHIFT) - 1
_LARGEST = np.iinfo(np.uint32).max


def width_for(length_ns: int) -> int:
    """The width of slices of a time of this length that is sliced at once, as those of a run that takes so long."""
    width_ns = SLICE_NS
    while length_ns // width_ns >= MAX_SLICES:
        width_ns *= 2
    return width_ns


_Array = TypeVar("_Array", NDArray[np.uint32], NDArray[np.int64])


class _Group(NamedTuple):
    """The cells of one group. Keys are uint32 of slice and index, ascending and distinct; counts are
    uint32 while they fit, then int64."""

    keys: NDArray[np.uint32]
    counts: NDArray[np.uint32] | NDArray[np.int64]


class Slices:
    """Accumulates cells. Every query first adds in the cells that are pending."""

    def __init__(self) -> None:
        self._groups: dict[int, _Group] = {}
        self._pending: list[Cells] = []
        self._pending_size = 0
        self._shift = 0
        self._last = 0

    def add(self, cells: Cells) -> None:
        """Add cells in base slices."""
        self._pending.append(cells)
        self._pending_size += len(cells.keys)
        if self._pending_size > _PENDING:
            self._settle()

    @property
    def width_ns(self) -> int:
        """Present width of a slice; it doubles now and then in a long run."""
        self._settle()
        return SLICE_NS << self._shift

    @property
    def held(self) -> int:
        """The number of cells held; memory grows with it."""
        self._settle()
        return self._held()

    def select(self, metric: Metric, strata: Iterable[int], parts: Iterable[int] | None = None) -> Cells:
        """The cells of a metric and some strata, of all parts or of some; keys hold slice and index only, so they may
        repeat."""
        self._settle()
        wanted = list(range(PARTS) if parts is None else parts)
        groups = [group_of(stratum, metric, part) for stratum in strata for part in wanted]
        return joined([_wide(self._groups[group]) for group in groups if group in self._groups])

    def _settle(self) -> None:
        """Add in the pending cells, then widen the slices while there are too many slices or cells."""
        if not self._pending:
            return
        fresh = compact([_coarser(cells, self._shift) for cells in self._pending])
        self._pending, self._pending_size = [], 0
        self._last = max(self._last, int(slices_of(fresh.keys).max(initial=0)))
        while self._last >= MAX_SLICES:
            self._halve()
            fresh = compact([_coarser(fresh, 1)])
        for group, cells in _by_group(fresh):
            self._groups[group] = _narrow(cells) if group not in self._groups else _with(self._groups[group], cells)
        while self._held() > MAX_CELLS and self._last >= FEW_SLICES:
            self._halve()

    def _held(self) -> int:
        return sum(len(kept.keys) for kept in self._groups.values())

    def _halve(self) -> None:
        """Make slices twice as wide."""
        self._shift += 1
        self._last >>= 1
        for group, part in self._groups.items():
            self._groups[group] = _narrow(compact([_coarser(_wide(part), 1)]))


def _by_group(cells: Cells) -> Iterator[tuple[int, Cells]]:
    """Split compact cells by group, which is taken out of the keys."""
    groups = cells.keys >> GROUP_SHIFT
    ends = (np.flatnonzero(groups[1:] != groups[:-1]) + 1).tolist()
    for start, end in pairwise([0, *ends, len(groups)] if len(groups) else []):
        yield int(groups[start]), Cells(cells.keys[start:end] & _WITHIN, cells.counts[start:end])


def _coarser(cells: Cells, doublings: int) -> Cells:
    """The same counts in slices 2^doublings times as wide; keys are then neither distinct nor in order."""
    if not doublings:
        return cells
    rest = cells.keys & ~(SLICE_MASK << INDEX_BITS)
    return Cells(rest | slices_of(cells.keys) >> doublings << INDEX_BITS, cells.counts)


def _wide(part: _Group) -> Cells:
    return Cells(part.keys.astype(np.int64), part.counts.astype(np.int64))


def _narrow(cells: Cells) -> _Group:
    keys = cells.keys.astype(np.uint32)
    return _Group(
        keys, cells.counts.astype(np.uint32) if cells.counts.max(initial=0) <= _LARGEST else cells.counts.copy()
    )


def _with(part: _Group, more: Cells) -> _Group:
    """Both together. Keys that `part` has are counted in place, new ones are inserted, most of them near the end."""
    keys, counts = part
    if int(counts.max()) + int(more.counts.max()) > _LARGEST:
        counts = counts.astype(np.int64)
    more_keys, more_counts = more.keys.astype(keys.dtype), more.counts.astype(counts.dtype)
    start = int(np.searchsorted(keys, more_keys[0]))
    at = start + np.searchsorted(keys[start:], more_keys)
    known = keys[np.minimum(at, len(keys) - 1)] == more_keys
    counts[at[known]] += more_counts[known]
    if known.all():
        return _Group(keys, counts)
    new = ~known
    places = at[new] + np.arange(np.count_nonzero(new)) - start
    old = np.ones(len(keys) - start + len(places), dtype=np.bool)
    old[places] = False
    return _Group(_between(keys, start, old, more_keys[new]), _between(counts, start, old, more_counts[new]))


def _between(values: _Array, start: int, old: NDArray[np.bool], new: _Array) -> _Array:
    """`values` with `new` inserted after `start`, at the places where `old` is False."""
    found = np.empty(start + len(old), dtype=values.dtype)
    found[:start] = values[:start]
    found[start:][old] = values[start:]
    found[start:][~old] = new
    return found

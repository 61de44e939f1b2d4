from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.cells import INDEX_BITS, LAST_SLICE, SLICE_NS, Cells, Metric, compact, first_key
from loadsim.measure.time_slices import MAX_SLICES, Slices

STRATA = 3
COUNTS = st.integers(1, 2**32)
CELL = st.tuples(
    st.integers(0, STRATA - 1),
    st.sampled_from([Metric.response, Metric.ended]),
    st.one_of(st.integers(0, 700), st.integers(0, LAST_SLICE)),
    st.integers(0, 3),
    COUNTS,
)


def cells_of(rows: list[tuple[int, Metric, int, int, int]]) -> Cells:
    keys = [first_key(stratum, metric) | slice_ << INDEX_BITS | index for stratum, metric, slice_, index, _ in rows]
    return Cells(np.array(keys, dtype=np.int64), np.array([row[-1] for row in rows], dtype=np.int64))


@given(st.lists(st.tuples(st.integers(-2, 3) | st.integers(0, 2**62), st.integers(-3, 2**33))))
def test_equal_keys_are_added_up_whatever_their_size_and_sign(pairs: list[tuple[int, int]]) -> None:
    plain: Counter[int] = Counter()
    for key, count in pairs:
        plain[key] += count
    keys, counts = compact([Cells(*np.array(pairs, dtype=np.int64).reshape(-1, 2).T)])
    assert list(zip(keys.tolist(), counts.tolist(), strict=True)) == sorted(plain.items())


@given(st.lists(st.lists(CELL, max_size=8), max_size=6), st.booleans())
def test_nothing_is_lost_however_it_comes(frames: list[list[tuple[int, Metric, int, int, int]]], asked: bool) -> None:
    """Counts by slice, at the width that there is in the end, are those of a plain sum, large ones too."""
    found = Slices()
    for frame in frames:
        found.add(compact([cells_of(frame)]))
        if asked:
            assert found.width_ns >= SLICE_NS
    doublings = (found.width_ns // SLICE_NS).bit_length() - 1
    last = max((row[2] for frame in frames for row in frame), default=0)
    assert last >> doublings < MAX_SLICES
    assert doublings == 0 or last >> (doublings - 1) >= MAX_SLICES  # and no wider than that asks for
    for metric in (Metric.response, Metric.ended):
        plain: Counter[int] = Counter()
        for _, of, slice_, index, count in (row for frame in frames for row in frame):
            if of is metric:
                plain[slice_ >> doublings << INDEX_BITS | index] += count
        keys, counts = compact([found.select(metric, range(STRATA))])
        assert dict(zip(keys.tolist(), counts.tolist(), strict=True)) == plain


def test_little_piles_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is bounded while frames come and nobody asks."""
    monkeypatch.setattr("loadsim.measure.time_slices.MAX_CELLS", 300)
    monkeypatch.setattr("loadsim.measure.time_slices._PENDING", 100)
    found, most = Slices(), 0
    for number in range(1_000):
        found.add(cells_of([(0, Metric.response, number, index, 1) for index in range(4)]))
        pending = sum(len(cells.keys) for cells in found._pending)
        most = max(most, pending + sum(len(part.keys) for part in found._groups.values()))
    assert most <= 300 + 100
    assert found.select(Metric.response, [0]).counts.sum() == 4_000
    assert found.held <= 300

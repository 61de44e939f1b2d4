"""Windows of recorded time: where they lie, and that no count is lost on its way into one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.cells import SLICE_NS, Metric, compact, layout
from loadsim.measure.outcome_columns import Column
from loadsim.measure.window_counts import Grid, Stretch, WindowCounts, recording_ends, stretches_of
from loadsim.model import NS_PER_S
from tests.measure.rows import START, array, outcomes, tallied

S = NS_PER_S


def test_recorded_phases_that_follow_each_other_are_one_stretch() -> None:
    phases = [
        (0, 2 * S, False),
        (2 * S, 5 * S, True),
        (5 * S, 9 * S, True),
        (9 * S, 10 * S, False),
        (10 * S, None, True),
    ]
    assert stretches_of(phases) == (Stretch(2 * S, 9 * S), Stretch(10 * S, None))


def test_recording_ends_with_its_stretch() -> None:
    phases = [(0, 2, False), (2, 5, True), (5, 9, True), (9, 11, False), (11, None, True)]
    assert recording_ends(phases) == [2, 9, 9, 11, None]


@pytest.mark.parametrize(
    ("stretches", "stopped_s", "starts_s", "left_out_s"),
    [
        ([(0, 10)], 10, [0, 3, 6], 1),
        ([(0, 10)], 8, [0, 3], 2),
        ([(1.1, 10)], 10, [1.25, 4.25], 2.9),  # the grid begins with the first whole slice
        ([(2, 8), (10, 20)], 20, [2, 5, 10, 13, 16], 1),
        ([(0, 2), (5, 8)], 8, [5], 2),
        ([(0, None)], 7, [0, 3], 1),
        ([(4, 8)], 3, [], 0),
    ],
)
def test_only_whole_windows_count(
    stretches: list[tuple[float, float | None]], stopped_s: float, starts_s: list[float], left_out_s: float
) -> None:
    laid = tuple(Stretch(round(a * S), None if b is None else round(b * S)) for a, b in stretches)
    grid, stopped = Grid(laid, 3 * S), round(stopped_s * S)
    assert [grid.start_ns(number) / S for number in grid.whole(stopped)] == starts_s
    assert grid.left_out_ns(stopped) / S == pytest.approx(left_out_s)


@given(
    st.lists(st.tuples(st.integers(0, 12 * S), st.integers(0, 4 * S)), min_size=1, max_size=4),
    st.integers(1, 20),
)
def test_a_slice_lies_in_the_window_that_holds_all_of_it(phases: list[tuple[int, int]], slices: int) -> None:
    at, rows = 0, []
    for gap, length in phases:
        rows.append(Stretch(at + gap, at + gap + length))
        at += gap + length + 1
    grid = Grid(tuple(rows), slices * SLICE_NS)
    everything = np.arange(at // SLICE_NS + 2)
    for number, of in zip(everything.tolist(), grid.numbers(everything).tolist(), strict=True):
        if of >= 0:
            assert grid.start_ns(of) <= number * SLICE_NS < (number + 1) * SLICE_NS <= grid.end_ns(of)
    assert sorted(set(grid.numbers(everything).tolist()) - {-1}) == list(range(grid.count or 0))


@given(st.lists(outcomes(4), max_size=25), st.integers(1, 3), st.sampled_from([1, 2, 7]))
def test_counts_by_window_are_those_of_the_rows(rows: list[list[int]], frames: int, slices: int) -> None:
    grid = Grid((Stretch(0, None),), slices * SLICE_NS)
    counts, whole = WindowCounts(Metric.response, [1, 2], grid), WindowCounts(Metric.response, [1, 2], None)
    touched: set[int] = set()
    for number in range(frames):
        cells = compact([tallied(rows[number::frames], 4).cells()])
        touched |= counts.add(cells)
        whole.add(cells)
    table = array(rows)
    mine = table[np.isin(table[:, Column.stratum], [1, 2]) & (table[:, Column.code] != 2001)]
    windows = (mine[:, Column.due] - START) // grid.width_ns
    buckets = layout(Metric.response).index((mine[:, Column.done] - mine[:, Column.due]) // 1000)
    assert touched == set(windows.tolist())
    for number in touched:
        keys, times = np.unique(buckets[windows == number], return_counts=True)
        found = counts.of(number)
        assert (found.keys.tolist(), found.counts.tolist()) == (keys.tolist(), times.tolist())
    assert int(whole.of(0).counts.sum()) == len(mine)

"""Moments of parts: the laws by which they add up to those of the whole."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loadsim.measure.moments import Moments, MomentTable, Rows, empty, of_stretches, paired, together

LARGEST = 2**44 - 1
near = st.builds(lambda height, above: [min(height + each, LARGEST) for each in above],
                 st.integers(0, LARGEST), st.lists(st.integers(0, 20_000), min_size=1, max_size=30))  # fmt: skip
anywhere = st.lists(st.integers(0, LARGEST), min_size=1, max_size=30)
parts = st.lists(near | anywhere, min_size=1, max_size=8)


def rows_of(samples: list[list[int]], overflow: int = LARGEST) -> Rows:
    ordered = [sorted(part) for part in samples]
    starts = np.cumsum([0, *map(len, ordered[:-1])])
    return of_stretches(np.concatenate(ordered), starts, overflow)


def assert_are_those_of(found: Moments | None, values: list[int]) -> None:
    assert found is not None
    assert (found.count, found.min, found.max) == (len(values), min(values), max(values))
    exact = [Fraction(value) for value in values]
    assert found.mean == float(statistics.mean(exact))
    assert found.stdev == pytest.approx(math.sqrt(statistics.pvariance(exact)), rel=1e-15)


@given(parts)
@example([[3_574_000_000_000], [3_574_000_010_000]])
@example([[LARGEST], [LARGEST - 1], [LARGEST - 2]])
def test_parts_add_up_to_the_whole_at_once(samples: list[list[int]]) -> None:
    assert_are_those_of(together(rows_of(samples)), [value for part in samples for value in part])


@given(parts)
@example([[3_574_000_000_000], [3_574_000_010_000]])
@example([[LARGEST], [LARGEST - 1], [LARGEST - 2]])
def test_parts_add_up_to_the_whole_one_by_one_in_any_order(samples: list[list[int]]) -> None:
    for order in (samples, samples[::-1], sorted(samples, key=len)):
        rows = empty(1)
        for part in order:
            rows = paired(rows, rows_of([part]))
        assert_are_those_of(together(rows), [value for part in samples for value in part])


@given(st.integers(0, LARGEST), st.integers(1, 500), st.integers(1, 20))
def test_equal_values_have_their_own_mean_and_no_deviation(value: int, count: int, merges: int) -> None:
    rows = empty(1)
    for _ in range(merges):
        rows = paired(rows, rows_of([[value] * count]))
    found = together(rows)
    assert found is not None
    assert (found.mean, found.stdev) == (value, 0.0)


def test_many_bites_lose_nothing_that_a_report_shows() -> None:
    rows, bite = empty(1), rows_of([[3_574_000_000_000, 3_574_000_010_000]])
    for _ in range(20_000):
        rows = paired(rows, bite)
    found = together(rows)
    assert found is not None
    assert found.stdev == 5_000


def test_what_is_too_large_is_counted() -> None:
    found = together(rows_of([[1, 5, 9], [4], [5, 6]], overflow=5))
    assert found is not None
    assert found.overflow == 4


def test_nothing_has_no_moments() -> None:
    assert together(empty(0)) is None


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, LARGEST)), max_size=40))
def test_a_table_keeps_each_group_apart(samples: list[tuple[int, int]]) -> None:
    table = MomentTable(41)
    for group, value in samples:
        table.add(table.rows_of(np.array([group])), rows_of([[value]]))
    filled = table.filled()
    assert filled[:, 0].tolist() == sorted({group for group, _ in samples})
    for row in filled:
        assert_are_those_of(together(row[None, 1:]), [value for group, value in samples if group == row[0]])

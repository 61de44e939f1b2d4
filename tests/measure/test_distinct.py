"""The different values of an array, and how often each is there, are those that numpy finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.distinct import counted, distinct, starts_of


@given(st.lists(st.integers(-5, 5) | st.integers(-(2**62), 2**62)))
def test_they_are_ascending_and_each_is_there_once(values: list[int]) -> None:
    found = distinct(np.array(values, dtype=np.int64))
    assert found.tolist() == sorted(set(values))
    assert found.dtype == np.int64


@given(st.lists(st.integers(-5, 5) | st.integers(-(2**62), 2**62), min_size=1))
def test_each_is_counted(values: list[int]) -> None:
    found = counted(np.array(values, dtype=np.int64))
    expected = np.unique(values, return_counts=True)
    assert [each.tolist() for each in found] == [each.tolist() for each in expected]
    assert [each.dtype for each in found] == [np.int64, np.int64]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1))
def test_stretches_of_equal_values_begin_where_another_one_ends(stretches: list[tuple[int, int]]) -> None:
    values = [value for value, length in stretches for _ in range(length)]
    starts = starts_of(np.array(values))
    assert starts.tolist() == [at for at, value in enumerate(values) if not at or values[at - 1] != value]

"""The different values of an array are those that numpy finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.distinct import distinct


@given(st.lists(st.integers(-5, 5) | st.integers(-(2**62), 2**62)))
def test_they_are_ascending_and_each_is_there_once(values: list[int]) -> None:
    found = distinct(np.array(values, dtype=np.int64))
    assert found.tolist() == sorted(set(values))
    assert found.dtype == np.int64

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.delivery_ids import DELIVERY_ID, indexes_of

RUN = b"20260504-091000-steady-3f2a"
numbers = st.integers(0, 10**11).map(lambda number: b"%d" % number)
ours = st.builds(
    lambda index, attempt: RUN + b"/%d/%d" % (index, attempt), st.integers(0, 10**10 - 1), st.integers(0, 999)
)
odd = (
    ours
    | st.binary(max_size=60)
    | st.builds(lambda *parts: b"/".join(parts), st.just(RUN) | st.just(b"other"), numbers, numbers)
    | st.sampled_from([RUN, RUN + b"/", RUN + b"//1", RUN + b"/1/", RUN + b"/1/1/1", RUN + b"/1/\xb2", RUN + b"/1\n/1"])
    | st.builds(lambda mark: mark + b"\n" + mark, ours)
)


first = ours.map(lambda mark: mark[: mark.rindex(b"/")] + b"/1")


@given(st.lists(first, max_size=50))
def test_marks_of_a_run_are_read_in_their_order(marks: list[bytes]) -> None:
    found = indexes_of(marks, RUN)
    assert found is not None
    assert found.tolist() == [int(mark.split(b"/")[1]) for mark in marks]


@given(st.lists(odd, max_size=12))
def test_one_that_is_not_of_the_form_or_of_the_run_spoils_all(marks: list[bytes]) -> None:
    formed = [DELIVERY_ID.fullmatch(mark) for mark in marks]
    expected = None
    if all(mark is not None and mark[1] == RUN for mark in formed):
        expected = [int(mark[2]) for mark in formed if mark is not None]
    found = indexes_of(marks, RUN)
    one_length = len({len(mark.rpartition(b"/")[2]) for mark in marks}) == 1
    assert (found is not None) >= (expected is not None and one_length)
    assert found is None or found.tolist() == expected


@pytest.mark.parametrize("mark", [b"run/1/1", b"!/0/0", b"r-u.n~/1234567890/123"])
def test_a_mark(mark: bytes) -> None:
    assert DELIVERY_ID.fullmatch(mark)


@pytest.mark.parametrize("mark", [b"/1/1", b"a b/1/1", b"a/b/1/1", b"r/12345678901/1", b"r/1/1234", b"r/-1/1", b"r/1"])
def test_no_mark(mark: bytes) -> None:
    assert not DELIVERY_ID.fullmatch(mark)

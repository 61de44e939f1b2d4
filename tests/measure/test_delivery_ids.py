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
    | st.builds(lambda delivery_id: delivery_id + b"\n" + delivery_id, ours)
)


first = ours.map(lambda delivery_id: delivery_id[: delivery_id.rindex(b"/")] + b"/1")


@given(st.lists(first, max_size=50))
def test_ids_of_a_run_are_read_in_their_order(ids: list[bytes]) -> None:
    found = indexes_of(ids, RUN)
    assert found is not None
    assert found.tolist() == [int(delivery_id.split(b"/")[1]) for delivery_id in ids]


@given(st.lists(odd, max_size=12))
def test_one_that_is_not_of_the_form_or_of_the_run_spoils_all(ids: list[bytes]) -> None:
    formed = [DELIVERY_ID.fullmatch(delivery_id) for delivery_id in ids]
    expected = None
    if all(delivery_id is not None and delivery_id[1] == RUN for delivery_id in formed):
        expected = [int(delivery_id[2]) for delivery_id in formed if delivery_id is not None]
    found = indexes_of(ids, RUN)
    one_length = len({len(delivery_id.rpartition(b"/")[2]) for delivery_id in ids}) == 1
    assert (found is not None) >= (expected is not None and one_length)
    assert found is None or found.tolist() == expected


@pytest.mark.parametrize("delivery_id", [b"run/1/1", b"!/0/0", b"r-u.n~/1234567890/123"])
def test_a_delivery_id(delivery_id: bytes) -> None:
    assert DELIVERY_ID.fullmatch(delivery_id)


@pytest.mark.parametrize(
    "delivery_id", [b"/1/1", b"a b/1/1", b"a/b/1/1", b"r/12345678901/1", b"r/1/1234", b"r/-1/1", b"r/1"]
)
def test_no_delivery_id(delivery_id: bytes) -> None:
    assert not DELIVERY_ID.fullmatch(delivery_id)

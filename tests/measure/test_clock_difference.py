"""How the clocks of hosts are compared."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.clock_difference import RoundTrip, compare

NS = st.integers(0, 10**9)


@given(ahead=st.integers(-(10**10), 10**10), trips=st.lists(st.tuples(NS, NS, NS), min_size=1))
def test_a_clock_is_never_further_off_than_the_residual_says(ahead: int, trips: list[tuple[int, int, int]]) -> None:
    """Whatever the ways there and back take: each trip is (when, ns there, ns back)."""
    found = compare(RoundTrip(when, when + there + ahead, when + there + back) for when, there, back in trips)
    assert abs(found.ahead_ns - ahead) <= found.residual_ns
    assert found.residual_ns <= (min(there + back for _, there, back in trips) + 1) // 2

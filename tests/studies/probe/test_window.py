"""What measured edges of a window allow to be said, by laws."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from loadsim.studies.probe.window import Clocks, Edge, Offset, Range, offset_of, width_of, window_of

SMALL = st.floats(0, 0.9)


@given(
    tolerance=st.integers(1, 100_000),
    offset=st.floats(-1e6, 1e6),
    phases=st.lists(st.tuples(SMALL, st.floats(0.001, 2)), min_size=1, max_size=20),
)
def test_dates_narrow_down_the_offset_and_never_exclude_it(
    tolerance: int, offset: float, phases: list[tuple[float, float]]
) -> None:
    clocks = Clocks()
    for begin, took in phases:
        at = begin + took / 2  # when the endpoint looks at its clock
        clocks.add(begin, begin + took, math.floor(at + offset))
    found = clocks.offset
    assert found is not None
    assert found.low - 1e-6 <= offset <= found.high + 1e-6
    assert found.high - found.low <= 1 + min(took for _, took in phases) + 1e-6


@given(
    tolerance=st.integers(2, 100_000),
    limit=st.integers(1, 100_000),
    offset=st.floats(-100, 100),
    error=st.tuples(SMALL, SMALL),
    unsure=st.tuples(SMALL, SMALL),
)
def test_an_exact_window_is_never_called_wrong_and_a_wrong_one_by_more_than_the_error_always(
    tolerance: int, limit: int, offset: float, error: tuple[float, float], unsure: tuple[float, float]
) -> None:
    span = Range(offset - unsure[0], offset + unsure[1])
    stale = Edge("stale", limit - offset - error[0], limit - offset + error[1])
    future = Edge("future", limit + offset - error[0], limit + offset + error[1])
    for edge in (stale, future):
        window = window_of(edge, span)
        assert window is not None
        assert window.low - 1e-6 <= limit <= window.high + 1e-6
        width = width_of(edge, span, tolerance)
        if limit == tolerance:
            assert width == "equal" or abs(window.high - tolerance) < 1e-6
        if limit > tolerance + 4:
            assert width == "wider"
        if limit < tolerance - 4:
            assert width == "narrower"


def test_without_dates_the_middle_of_the_window_tells_the_clock() -> None:
    stale, future = Edge("stale", 289.5, 290.5), Edge("future", 309.5, 310.5)
    assert offset_of(Clocks(), stale, future) == Offset(Range(9.5, 10.5), "centre")
    assert width_of(stale, Range(9.5, 10.5), 300) == width_of(future, Range(9.5, 10.5), 300) == "equal"
    assert offset_of(Clocks(), stale, Edge("future", 86_400, None)) == Offset(Range(0, 0), "assumed")


def test_dates_that_contradict_each_other_say_nothing() -> None:
    clocks = Clocks()
    clocks.add(100, 100.1, 100)
    clocks.add(101, 101.1, 130)
    assert clocks.offset is None


def test_what_was_never_refused_has_no_edge() -> None:
    edge = Edge("future", 86_400, None)
    assert width_of(edge, Range(0, 0), 300) == "unbounded"
    assert width_of(Edge("stale", 9, 10), Range(0, 0), None) == "measured"

"""The backlog over time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.backlog_curve import backlog_curve, course
from loadsim.measure.time_slices import MAX_SLICES

EVENTS = st.lists(st.tuples(st.integers(0, 1000), st.one_of(st.none(), st.integers(0, 500))), max_size=60)


@given(EVENTS, st.integers(0, 2000))
def test_the_curve_counts_what_was_acknowledged_and_is_not_done(events: list[tuple[int, int | None]], at: int) -> None:
    acknowledged = np.array([a for a, _ in events], dtype=np.int64)
    done = np.array([a + took for a, took in events if took is not None], dtype=np.int64)
    curve = backlog_curve(acknowledged, done)

    def waiting(ns: int) -> int:
        return sum(a <= ns and (took is None or a + took > ns) for a, took in events)

    assert curve.value(at) == waiting(at)
    most = max([waiting(a) for a, _ in events], default=0)
    found = curve.most()
    assert (found[0] if found else 0) == most
    until = 2000
    assert abs(curve.average(until) - sum(map(waiting, range(until))) / until) < 1e-6
    assert (curve.values >= 0).all()


@given(EVENTS, st.integers(1, 10**13))
def test_a_course_has_a_bounded_number_of_rows(events: list[tuple[int, int | None]], end: int) -> None:
    acknowledged = np.array([a for a, _ in events], dtype=np.int64)
    moments, by_then, _ = course(acknowledged, acknowledged, end)
    assert 1 <= len(moments) <= MAX_SLICES
    assert moments[-1] >= end
    assert by_then.tolist() == [sum(a <= at for a, _ in events) for at in moments.tolist()]

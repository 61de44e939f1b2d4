"""Which events a pause of the generator disturbs, and when it is over."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.pauses import MOST_LENGTHS, Pauses, overlapping

MS = 1_000_000
LIMIT = 10 * MS


def beaten(*beats: tuple[float, int]) -> Pauses:
    """Pauses after beats at so many ms with so much in flight; asked at each whether it is over."""
    pauses = Pauses(LIMIT)
    for ms, in_flight in beats:
        if not pauses.beat(round(ms * MS), partial(int, in_flight)):
            pauses.settle(round(ms * MS), in_flight)
    return pauses


def disturbed(pauses: Pauses, due_ms: float, sent_ms: float) -> bool:
    found = pauses.disturbed(np.array([round(due_ms * MS)]), np.array([round(sent_ms * MS)]))
    return found is not None and bool(found[0])


def test_a_loop_that_is_at_work_has_no_pause() -> None:
    pauses = beaten(*((10 * n + 1, 3) for n in range(20)))
    assert pauses.disturbed(np.array([0]), np.array([10**12])) is None
    assert (pauses.away_ns, pauses.take(10**12)) == (0, ([], []))


@pytest.mark.parametrize(
    ("due", "sent", "is_disturbed"),
    [
        (90, 95, False),  # in flight when it began: how late it was read is known
        (90, 99.9, False),
        (90, 130, True),  # waited
        (110, 150, True),  # due within it
        (150.5, 151, True),  # released while more was in flight than before
        (170, 171, False),
        (160.5, 171, False),
    ],
)
def test_disturbed_is_what_was_due_or_waited_in_a_pause_or_left_before_it_recovered(
    due: float, sent: float, *, is_disturbed: bool
) -> None:
    pauses = beaten((97.5, 2), (100, 2), (150, 2), (152.5, 7), (155, 5), (157.5, 3), (160, 2), (162.5, 9))
    assert disturbed(pauses, due, sent) is is_disturbed
    assert pauses.away_ns == 50 * MS
    assert pauses.take(0) == ([(100 * MS, 150 * MS)], [(100 * MS, 160 * MS)])


def test_a_pause_that_never_recovers_counts_as_recovered_after_thirty_lengths() -> None:
    beats = [(100, 2), (120, 2), *((120 + 2.5 * n, 50) for n in range(1, 400))]
    assert disturbed(beaten(*beats), 119 + 20 * MOST_LENGTHS, 119 + 20 * MOST_LENGTHS)
    assert not disturbed(beaten(*beats), 123 + 20 * MOST_LENGTHS, 123 + 20 * MOST_LENGTHS)


def test_a_pause_within_the_recovery_of_another_waits_for_what_was_before_both() -> None:
    pauses = beaten((100, 1), (150, 1), (152.5, 9), (155, 8), (180, 8), (182.5, 9), (185, 8), (187.5, 2))
    assert pauses.recovering, "eight were in flight before the second one only because of the first"
    assert pauses.take(190 * MS) == ([(100 * MS, 150 * MS), (155 * MS, 180 * MS)], [(100 * MS, 190 * MS)])
    pauses.settle(200 * MS, 1)
    assert pauses.take(200 * MS) == ([], [(100 * MS, 200 * MS)])


def test_what_is_heard_late_is_no_beat() -> None:
    pauses = beaten((100, 1), (108, 1))
    assert not pauses.beat(90 * MS, lambda: 1)
    assert not pauses.beat(117 * MS, lambda: 1)


def test_memory_does_not_grow_with_the_number_of_pauses() -> None:
    pauses = beaten(*((100 + 20 * n, 1) for n in range(20_000)), *((400_100 + 2.5 * n, 1) for n in range(3)))
    several = Pauses(LIMIT)
    for n in range(10_000):
        several.beat((100 * n + 1) * MS, lambda: 1)
        several.settle((100 * n + 2) * MS, 1)
    assert len(several._starts) < 5_000
    assert len(pauses._starts) == 1, "one long disturbance"


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1), st.integers(0, 3_000), st.data())
def test_overlapping_is_what_a_look_at_every_interval_says(
    steps: list[tuple[int, int]], due: int, data: st.DataObject
) -> None:
    edges = np.cumsum(np.array(steps).ravel()).reshape(-1, 2)
    sent = due + data.draw(st.integers(0, 100))
    expected = any(start <= sent and end >= due for start, end in edges.tolist())
    starts, ends = np.ascontiguousarray(edges.T)
    assert overlapping((starts, ends), np.array([due]), np.array([sent]))[0] == expected

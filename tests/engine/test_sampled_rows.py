"""The rows that a shard keeps for spans: those of sampled deliveries, and never more than it may."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadsim.engine.sampled_rows import SampledRows, sampled
from loadsim.measure.outcome_columns import Column
from loadsim.measure.trace_ids import TraceIds
from tests.measure.rows import array, outcomes

IDS = TraceIds("run", 0.4)
COPIED = [False, True, False]
OFFSET = 10**18


@given(
    st.lists(outcomes(len(COPIED)), max_size=80),
    st.lists(st.integers(0, 3), min_size=80, max_size=80),
    st.integers(1, 30),
    st.integers(0, 40),
)
def test_they_are_the_first_sampled_deliveries(
    rows: list[list[int]], attempts: list[int], bite: int, most: int
) -> None:
    for index, row in enumerate(rows):
        row[Column.index], row[Column.attempt] = index, attempts[index]
    kept = SampledRows(IDS, COPIED, OFFSET, most)
    for start in range(0, len(rows), bite):
        kept.add(array(rows[start : start + bite]), outcomes=bool(start % 2))
    wanted = [
        row
        for row in rows
        if row[Column.attempt] and IDS.of(row[Column.index], row[Column.attempt]).sampled
        if row[Column.attempt] == 1 or not COPIED[row[Column.stratum]]
    ]
    taken = kept.take()
    assert bool(taken) == bool(wanted)
    if wanted:
        found = sampled(taken)
        assert found.left_out == max(0, len(wanted) - most)
        for column in (Column.index, Column.attempt, Column.code):
            assert found.rows[:, column].tolist() == [row[column] for row in wanted[:most]]
        sent = [row[Column.sent] for row in wanted[:most]]
        assert found.rows[:, Column.sent].tolist() == [each and each + OFFSET for each in sent]
    assert kept.take() == b""


def test_there_is_room_again_after_each_frame() -> None:
    kept = SampledRows(TraceIds("run", 1.0), [False], 0, 2)
    table = np.zeros((3, len(Column)), dtype=np.int64)
    table[:, Column.attempt] = 1
    for _ in range(2):
        kept.add(table, outcomes=True)
        found = sampled(kept.take())
        assert (len(found.rows), found.left_out) == (2, 1)

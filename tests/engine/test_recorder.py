"""Rows are counted once each, however the steps of folding and the coming of rows fall together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadsim.engine.outcome_rows import NOWHERE, row_of
from loadsim.engine.recorder import Recorder
from loadsim.measure.hdr import Ints
from loadsim.measure.tally import Tally


class Heard:
    """A log that keeps the indexes of events."""

    def __init__(self) -> None:
        self.indexes: list[int] = []

    def add(self, table: Ints, *, outcomes: bool) -> None:
        assert outcomes
        self.indexes += table[:, 0].tolist()


@given(st.lists(st.sampled_from(["row", "step", "sign", "fold"]), max_size=60))
def test_every_row_is_counted_once_and_in_order(what: list[str]) -> None:
    heard = Heard()
    recorder = Recorder(Tally(1, 0, [-1]), [heard])
    rows = signs = 0
    for each in what:
        if each == "row":
            recorder.rows.append(row_of(NOWHERE, (rows, 0, 10, 20), 200, 30))
            rows += 1
        elif each == "step":
            recorder.step()
        elif each == "sign":
            recorder.signs.extend((0, 10, 5))
            signs += 1
        else:
            recorder.fold()
            assert heard.indexes == list(range(rows))
            assert not recorder.under_way
            assert not recorder.rows
    recorder.fold()
    assert heard.indexes == list(range(rows))
    assert recorder.ended == rows
    counted = recorder.tally.drain()
    assert int(counted.counter_rows()[0, 4]) == rows
    assert not recorder.signs
    assert sum(counted.cells().counts.tolist()) >= rows + signs


def test_a_fold_that_is_begun_ends_after_a_few_steps() -> None:
    recorder = Recorder(Tally(1, 0, [-1]))
    recorder.rows.append(row_of(NOWHERE, (0, 0, 10, 20), 200, 30))
    left: list[bool] = []
    while len(left) < 20 and (not left or left[-1]):
        recorder.step()
        left.append(recorder.under_way)
    assert 3 < len(left) < 10
    assert recorder.ended == 1
    assert recorder.rows == []

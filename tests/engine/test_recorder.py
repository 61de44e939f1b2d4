"""Rows are counted once each, however the steps of folding and the coming of rows fall together."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.engine.outcome_rows import NOWHERE, row_of
from loadsim.engine.recorder import MOST, Recorder
from loadsim.measure.cells import Metric, compact, select
from loadsim.measure.hdr import Ints
from loadsim.measure.tally import Tally


class Heard:
    """A log that keeps the indexes of what it hears."""

    def __init__(self) -> None:
        self.outcomes: list[int] = []
        self.deliveries: list[int] = []

    def add(self, table: Ints, *, outcomes: bool) -> None:
        (self.outcomes if outcomes else self.deliveries).extend(table[:, 0].tolist())


@given(
    st.lists(
        st.sampled_from(["row", "sign", "handshake", "attempt", "delivery", "backlog", "step", "step", "fold"]),
        max_size=60,
    )
)
def test_everything_is_counted_once_and_in_order(what: list[str]) -> None:
    heard = Heard()
    tally = Tally(1, 0, [-1])
    recorder = Recorder(tally, [heard])
    counts = Counter[str]()
    for each in what:
        row = row_of(NOWHERE, (counts[each], 0, 10, 20), 200, 30)
        if each == "row":
            recorder.rows.append(row)
        elif each == "attempt":
            recorder.add_attempt(row)
        elif each == "delivery":
            recorder.add_delivery(row)
        elif each == "sign":
            recorder.signs.extend((0, 10, 5))
        elif each == "handshake":
            recorder.handshakes.extend((0, 10, 5, 0))
        elif each == "backlog":
            recorder.retry_backlog.extend((0, 10, 0))
        elif each == "step":
            recorder.step()
        else:
            recorder.fold()
            assert heard.outcomes == list(range(counts["row"]))
            assert not recorder.under_way
            assert not recorder.waiting
        counts[each] += 1
    recorder.fold()
    assert heard.outcomes == list(range(counts["row"]))
    assert heard.deliveries == list(range(counts["delivery"]))
    assert recorder.ended == counts["row"]
    assert not recorder.signs
    counted = tally.drain()
    assert int(counted.counter_rows()[0, 4]) == counts["row"]
    cells = compact([counted.cells()])
    for metric, name in (
        *((Metric.sign, "sign"), (Metric.connect, "handshake")),
        *((Metric.retried, "attempt"), (Metric.retry_backlog, "backlog")),
    ):
        assert int(select(cells, metric, [0]).counts.sum()) == counts[name]


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


async def test_between_the_steps_of_a_fold_the_loop_goes_on() -> None:
    """Also where another fold is under way, and where only attempts wait, of which there is no row yet."""
    recorder = Recorder(Tally(1, 0, [-1]))
    row = row_of(NOWHERE, (0, 0, 10, 20), 200, 30)
    recorder.rows.append(row)
    recorder.step()
    recorder.rows.append(row)
    recorder.attempts.append(row)
    turns = itertools.count()

    async def turn() -> None:
        while recorder.waiting or recorder.under_way:
            next(turns)
            await asyncio.sleep(0)

    await asyncio.gather(recorder.fold_in_steps(), turn())
    assert next(turns) > 10
    assert recorder.ended == 2
    recorder.attempts.append(row)
    await recorder.fold_in_steps()
    assert not recorder.waiting


@pytest.mark.parametrize("kind", ["attempt", "delivery"])
def test_what_is_no_outcome_waits_for_a_step_as_well(kind: str) -> None:
    recorder = Recorder(Tally(1, 0, [-1]))
    row = row_of(NOWHERE, (0, 0, 10, 20), 200, 30)
    add = recorder.add_attempt if kind == "attempt" else recorder.add_delivery
    for number in range(1, MOST):
        add(row)
        assert recorder.waiting == number
    add(row)
    assert not recorder.waiting

"""What shards say of ended deliveries, for a run whose effects are watched."""

from __future__ import annotations

import numpy as np

from loadsim.engine.acknowledgements import Acknowledgements
from loadsim.measure.effect_book import ROW, Flag
from loadsim.measure.outcome_columns import Column
from loadsim.outcome_codes import UNFINISHED

OFFSET = 1_000_000


def row(index: int, code: int, done: int, *, stratum: int = 0, attempt: int = 1, receipt: int = 0) -> list[int]:
    columns = {
        Column.index: index,
        Column.stratum: stratum,
        Column.code: code,
        Column.due: 10 * index,
        Column.done: done,
        Column.attempt: attempt,
        Column.receipt: receipt,
    }
    return [columns.get(column, 0) for column in Column]


def test_an_answer_counts_from_when_it_came_however_late_it_was_read() -> None:
    log = Acknowledgements(np.array([Flag.recorded, Flag.refusal_due], dtype=np.int64), OFFSET)
    table = np.array(
        [
            row(1, 200, 500),
            row(2, 202, 500, receipt=40),
            row(3, 204, 500, receipt=-30),
            row(4, 503, 500),
            row(5, UNFINISHED, 600),
            row(6, 200, 500, attempt=0),
            row(7, 200, 500, stratum=1),
        ],
        dtype=np.int64,
    )
    log.add(table, outcomes=True)
    rows = np.frombuffer(log.take(), dtype=ROW)
    said = Flag.recorded | Flag.acknowledged
    assert [(int(event) >> 3, int(event) & 7) for event in rows["event"]] == [
        (1, said),
        (2, said),
        (3, said),
        (4, Flag.recorded),
        (5, Flag.recorded),
        (7, Flag.refusal_due | Flag.acknowledged),
    ]
    assert (rows["ended"] - OFFSET).tolist() == [500, 460, 470, 500, 600, 500]
    assert (rows["due"] - OFFSET).tolist() == [10, 20, 30, 40, 50, 70]
    assert log.take() == b""

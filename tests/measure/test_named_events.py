"""The named events of shards and folds together are those of all rows looked at once, one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.named_events import MOST_KINDS, SLOWEST, NamedEvents, Naming, merged
from loadsim.measure.outcome_columns import Column
from loadsim.measure.result_events import NamedEvent
from loadsim.measure.strata import StratumNames
from loadsim.measure.trace_ids import TraceIds
from loadsim.outcome_codes import DROPPED, UNFINISHED, kind_name
from tests.measure.rows import MS, START, answered, array, outcomes

NAMES = StratumNames(
    phases=("warm", "main"),
    types=("a",),
    cases=("genuine", "wrong_secret", "duplicate"),
    recorded=(False, True),
    durations_ns=(None, None),
    expects=("accept", "refuse", "accept"),
)
RECORDED = [NAMES.recorded[NAMES.unpack(s)[0]] for s in range(NAMES.strata)]
REFUSING = [NAMES.expects[NAMES.unpack(s)[2]] == "refuse" for s in range(NAMES.strata)]


def shard() -> NamedEvents:
    return NamedEvents(START, RECORDED, REFUSING, len(NAMES.cases))


def numbered(rows: list[list[int]]) -> list[list[int]]:
    for index, row in enumerate(rows):
        row[Column.index] = index
        row[Column.attempt] = 1
    return rows


def fails(row: list[int]) -> bool:
    code = row[Column.code]
    return not 400 <= code < 500 if REFUSING[row[Column.stratum]] else not 200 <= code < 300


@given(st.lists(outcomes(NAMES.strata), max_size=120), st.integers(1, 3), st.integers(1, 60))
def test_they_are_those_of_all_rows(rows: list[list[int]], shards: int, bite: int) -> None:
    numbered(rows)
    packed = []
    for number in range(shards):
        own = shard()
        of_shard = rows[number::shards]
        for start in range(0, len(of_shard), bite):
            own.add(array(of_shard[start : start + bite]), outcomes=True)
        own.take()  # taking changes nothing
        packed.append(own.take())
    found = merged(packed, Naming(NAMES))
    counted = [row for row in rows if RECORDED[row[Column.stratum]]]
    timed = [row for row in counted if not REFUSING[row[Column.stratum]] and row[Column.code] != DROPPED]
    response = sorted((row[Column.due] - row[Column.done], row[Column.index]) for row in timed)
    assert [event.index for event in found.slowest["response"]] == [index for _, index in response[:SLOWEST]]
    service = sorted((row[Column.sent] - row[Column.done], row[Column.index]) for row in timed if row[Column.sent])
    assert [event.index for event in found.slowest["service"]] == [index for _, index in service[:SLOWEST]]
    first: dict[tuple[str, str], int] = {}
    for row in sorted(filter(fails, counted), key=lambda row: (row[Column.due], row[Column.index])):
        case = NAMES.cases[NAMES.unpack(row[Column.stratum])[2]]
        first.setdefault((kind_name(row[Column.code]), case), row[Column.index])
    assert {(event.kind, event.case): event.index for event in found.failing} == first
    assert len(found.failing) == len(first) <= MOST_KINDS


def test_a_row_in_full() -> None:
    row = answered(5 * MS, 30 * MS, stratum=NAMES.strata - 1, code=503, lag=2 * MS)
    row[Column.index], row[Column.attempt] = 77, 3
    own = shard()
    own.add(array([row]), outcomes=True)
    own.add(array([row]), outcomes=False)
    ids = TraceIds("run", 1)
    context = ids.of(77, 1)  # a copy's number is no attempt
    naming = Naming(NAMES, {2}, ids, lambda trace_id: f"https://x.test/{trace_id}")
    found = merged([own.take()], naming)
    event = NamedEvent(
        index=77, type="a", case="duplicate", phase="main", kind="503", attempt=1, due_s=0.005, response_ms=32.0,
        service_ms=30.0, trace_id=context.trace_id, sampled=True, link=f"https://x.test/{context.trace_id}",
    )  # fmt: skip
    assert found.failing == found.slowest["response"] == found.slowest["service"] == [event]


def test_an_event_without_a_delivery_has_no_trace() -> None:
    row = answered(0, MS, stratum=3, code=UNFINISHED)
    row[Column.sent] = 0
    own = shard()
    own.add(array([row]), outcomes=True)
    found = merged([own.take()], Naming(NAMES, (), TraceIds("run", 1), lambda _: "x"))
    assert found.slowest["service"] == []
    (event,) = found.failing
    assert (event.service_ms, event.trace_id, event.link, event.attempt) == (None, None, None, 0)


def test_kinds_beyond_the_limit_are_left_out() -> None:
    rows = numbered([answered(due, MS, stratum=3, code=300 + due) for due in range(2 * MOST_KINDS)])
    own = shard()
    for row in reversed(rows):
        own.add(array([row]), outcomes=True)
    assert [event.index for event in merged([own.take()], Naming(NAMES)).failing] == list(range(MOST_KINDS))


def test_what_is_kept_does_not_grow() -> None:
    own = shard()
    sizes = set()
    for start in range(0, 100_000, 5_000):
        rows = array([answered(0, start, stratum=3, code=500)] * 5_000)
        rows[:, Column.index] = np.arange(5_000) + start
        own.add(rows, outcomes=True)
        sizes.add(len(own.take()))
    assert len(sizes) == 1

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from loadsim.error_kinds import ErrorKind
from loadsim.measure.cells import (
    GROUP_SHIFT,
    INDEX_BITS,
    INDEX_MASK,
    METRICS_PER_STRATUM,
    PARTS,
    SLICE_MASK,
    SLICE_NS,
    Metric,
    Part,
    group_of,
    layout,
    unit_ns,
)
from loadsim.measure.moments import Moments, together
from loadsim.measure.outcome_columns import Column
from loadsim.measure.tally import COUNTERS, Tally, TallyDelta
from loadsim.outcome_codes import DROPPED, ERROR_BASE, UNFINISHED, is_success
from tests.measure.rows import MS, START, answered, array, outcomes, row, tallied

STRATA = 6
Cell = tuple[int, Metric, int, int]
Sorted = tuple[Metric, Part]


def read_parts(delta: TallyDelta) -> Counter[tuple[int, Sorted, int, int]]:
    """Counts by (stratum, metric and part, slice, index)."""
    found: Counter[tuple[int, Sorted, int, int]] = Counter()
    keys, counts = delta.cells()
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        metrics, part = divmod(key >> GROUP_SHIFT, PARTS)
        stratum, metric = divmod(metrics, METRICS_PER_STRATUM)
        found[stratum, (Metric(metric), Part(part)), key >> INDEX_BITS & SLICE_MASK, key & INDEX_MASK] += count
    return found


def read(delta: TallyDelta) -> Counter[Cell]:
    """Counts by (stratum, metric, slice, index), of all parts."""
    found: Counter[Cell] = Counter()
    for (stratum, (metric, _), slice_, index), count in read_parts(delta).items():
        found[stratum, metric, slice_, index] += count
    return found


def spans(columns: list[int]) -> dict[Sorted, int]:
    """Which latencies a row has, in ns, told one row at a time."""
    _, _, code, due, woken, slot, sent, first_byte, done, *_ = columns
    found = {(Metric.lag, Part.other): woken - due} if woken else {}
    if code == DROPPED:
        return found
    cut_off = code == UNFINISHED
    outcome = Part(code // 100) if code < ERROR_BASE else Part.unfinished if cut_off else Part.other
    found[Metric.response, outcome] = done - due
    if slot:
        found[Metric.wait, Part.other] = slot - woken
    elif cut_off and woken:
        found[Metric.wait, Part.unfinished] = done - woken
    if sent:
        found[Metric.service, outcome] = done - sent
    if first_byte:
        found[Metric.first_byte, Part.other if cut_off else outcome] = first_byte - sent
    elif cut_off and sent:
        found[Metric.first_byte, Part.unfinished] = done - sent
    return found


def expected(rows: list[list[int]]) -> Counter[tuple[int, Sorted, int, int]]:
    found: Counter[tuple[int, Sorted, int, int]] = Counter()

    def slice_of(t: int) -> int:
        return max(0, t - START) // SLICE_NS

    for columns in rows:
        _, stratum, code, due, _, _, sent, _, done, *_ = columns
        for (metric, part), ns in spans(columns).items():
            index = int(layout(metric).index(np.array([ns // unit_ns(metric)]))[0])
            found[stratum, (metric, part), slice_of(due), index] += 1
        found[stratum, (Metric.due, Part.other), slice_of(due), 0] += 1
        found[stratum, (Metric.ended, Part.other), slice_of(done), code] += 1
        if sent:
            found[stratum, (Metric.sent, Part.other), slice_of(sent), 0] += 1
    return found


@given(st.lists(outcomes(STRATA), max_size=40))
def test_cells_are_those_of_counting_row_by_row(rows: list[list[int]]) -> None:
    assert read_parts(tallied(rows, STRATA)) == expected(rows)


@given(st.lists(outcomes(STRATA), max_size=40))
def test_moments_are_exact(rows: list[list[int]]) -> None:
    values: dict[int, list[int]] = {}
    for columns in rows:
        for (metric, part), ns in spans(columns).items():
            values.setdefault(group_of(columns[Column.stratum], metric, part), []).append(ns)
    found = {int(moments[0]): together(moments[None, 1:]) for moments in tallied(rows, STRATA).moment_rows()}
    assert found.keys() == values.keys()
    for group, taken in values.items():
        overflow = sum(1 for value in taken if value // 1_000 > 3_600_000_000)
        squares = sum(value**2 for value in taken)
        assert found[group] == Moments(len(taken), min(taken), max(taken), sum(taken), squares, overflow)


@given(st.lists(outcomes(STRATA), max_size=40), st.integers(0, 40))
def test_folding_in_bites_is_folding_at_once(rows: list[list[int]], cut: int) -> None:
    tally = Tally(STRATA, START, [-1] * STRATA)
    tally.fold(array(rows[:cut]))
    first = tally.drain()
    tally.fold(array(rows[cut:]))
    second, whole = tally.drain(), tallied(rows, STRATA)
    assert read(first) + read(second) == read(whole)
    assert second.counters == whole.counters
    assert np.array_equal(second.moment_rows(), whole.moment_rows())


def counter(delta: TallyDelta, name: str) -> list[int]:
    found: list[int] = delta.counter_rows()[:, COUNTERS.index(name)].tolist()
    return found


@given(st.lists(outcomes(STRATA), max_size=40))
def test_counters_are_those_of_counting_row_by_row(rows: list[list[int]]) -> None:
    delta = tallied(rows, STRATA)

    def having(test: NDArray[np.bool]) -> list[int]:
        strata = array(rows)[:, Column.stratum][test]
        found: list[int] = np.bincount(strata, minlength=STRATA).tolist()
        return found

    codes, written = array(rows)[:, Column.code], array(rows)[:, Column.bytes_sent]
    assert counter(delta, "ended") == having(codes > 0)
    assert counter(delta, "dropped") == having(codes == DROPPED)
    assert counter(delta, "unfinished") == having(codes == UNFINISHED)
    assert counter(delta, "completed") == having(codes < ERROR_BASE)
    assert counter(delta, "succeeded") == having(np.array([is_success(code) for code in codes], dtype=bool))
    assert counter(delta, "unsent") == having((codes > ERROR_BASE) & (codes != DROPPED) & (written == 0))
    assert sum(counter(delta, "bytes_sent")) == written.sum()
    assert sum(counter(delta, "bytes_received")) == array(rows)[:, Column.bytes_received].sum()


def test_a_dropped_event_has_lag_and_nothing_else() -> None:
    dropped = row(code=DROPPED, due=START + 5 * MS, woken=START + 7 * MS, done=START + 7 * MS)
    found = read(tallied([dropped]))
    assert {metric for _, metric, _, _ in found} == {Metric.lag, Metric.due, Metric.ended}


def test_an_unfinished_event_stands_at_its_lower_bound() -> None:
    queued = row(code=UNFINISHED, due=START, woken=START, done=START + 900 * MS)
    found = read(tallied([queued]))
    assert found[0, Metric.response, 0, int(layout(Metric.response).index(np.array([900_000]))[0])] == 1
    assert Metric.service not in {metric for _, metric, _, _ in found}


def test_an_error_stands_at_the_time_it_took() -> None:
    code = ERROR_BASE + ErrorKind.timeout
    found = read(tallied([answered(0, 10_000 * MS, code=code)]))
    assert found[0, Metric.response, 0, int(layout(Metric.response).index(np.array([10_000_000]))[0])] == 1
    assert found[0, Metric.ended, 40, code] == 1


@pytest.mark.parametrize(("woken", "late"), [(99, 0), (100, 0), (101, 1), (0, 1)])
def test_woken_late_is_woken_after_the_end_of_the_phase(woken: int, late: int) -> None:
    event = row(code=UNFINISHED, due=START + 90, woken=woken and START + woken, done=START + 500)
    assert counter(tallied([event], ends=[100]), "woken_late") == [late]
    assert counter(tallied([event], ends=[-1]), "woken_late") == [0]


def test_handshakes_and_signings() -> None:
    tally = Tally(2, START, [-1, -1])
    tally.fold_handshakes(np.array([[0, START, 300_000, 0], [1, START + SLICE_NS, 200_000, 900_000]]))
    tally.fold_sign(np.array([[1, START, 4_321]]))
    signed = int(layout(Metric.sign).index(np.array([4_321]))[0])
    assert read(tally.drain()) == {
        (0, Metric.connect, 0, 300): 1,
        (1, Metric.connect, 1, 200): 1,
        (1, Metric.tls, 1, 900): 1,
        (1, Metric.sign, 0, signed): 1,
    }


def test_what_was_drained_is_gone_and_counters_stay() -> None:
    tally = Tally(1, START, [-1])
    tally.fold(array([answered(0, MS)]))
    assert read(tally.drain())
    rest = tally.drain()
    assert not read(rest)
    assert counter(rest, "ended") == [1]
    assert rest.moment_rows()[0, 1] == 1


def test_more_than_one_settled_piece() -> None:
    rows = [answered(i * 1_000, MS + i * 1_000) for i in range(3_000)]
    tally = Tally(1, START, [-1])
    for at in range(0, len(rows), 500):
        tally.fold(array(rows[at : at + 500] * 4))
    assert sum(read(tally.drain()).values()) == 4 * sum(expected(rows).values())


def test_a_frame_that_does_not_fit_together_is_refused() -> None:
    delta = TallyDelta(keys=bytes(16), counts=bytes(4), moments=b"", counters=b"")
    with pytest.raises(ValueError, match="2 keys and 1 counts"):
        delta.cells()


def test_each_stratum_has_its_phase_end() -> None:
    with pytest.raises(ValueError, match="2 strata, but 1 phase ends"):
        Tally(2, START, [-1])


@given(st.lists(outcomes(STRATA), max_size=30), st.integers(0, 10))
def test_a_fold_in_steps_counts_what_one_at_once_does_whatever_is_folded_between_them(
    rows: list[list[int]], first: int
) -> None:
    at_once, in_steps = Tally(STRATA, START, [-1] * STRATA), Tally(STRATA, START, [-1] * STRATA)
    at_once.fold(array(rows))
    for _ in in_steps.folding(array(rows[:first])):
        in_steps.fold_sign(np.array([[0, START, 5]]))
        at_once.fold_sign(np.array([[0, START, 5]]))
    in_steps.fold(array(rows[first:]))
    ours, theirs = in_steps.drain(), at_once.drain()
    assert read_parts(ours) == read_parts(theirs)
    assert (ours.counters, ours.moment_rows().tolist()) == (theirs.counters, theirs.moment_rows().tolist())

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loadsim.measure.cells import LATENCIES, SLICE_NS, Metric, Part
from loadsim.measure.hdr import MICROSECONDS
from loadsim.measure.merged_counts import Merged
from loadsim.measure.outcome_columns import Column
from loadsim.measure.tally import Tally
from loadsim.measure.time_slices import FEW_SLICES, MAX_SLICES
from loadsim.model import NS_PER_S
from tests.measure.rows import MS, START, answered, array, outcomes, tallied

STRATA = 6
EVERY = range(STRATA)


def merged(*shards: list[list[int]]) -> Merged:
    found = Merged(STRATA)
    for number, rows in enumerate(shards):
        found.add(number, tallied(rows, STRATA))
    return found


@given(st.lists(outcomes(STRATA), max_size=30), st.integers(1, 4))
def test_shards_add_up_to_the_whole(rows: list[list[int]], shards: int) -> None:
    whole = merged(rows)
    split = merged(*(rows[number::shards] for number in range(shards)))
    assert split.codes(EVERY) == whole.codes(EVERY)
    for metric in LATENCIES:
        assert np.array_equal(split.counts(metric, EVERY), whole.counts(metric, EVERY))
        assert split.moments(metric, EVERY) == whole.moments(metric, EVERY)
    for stratum in EVERY:
        assert split.counter("ended", [stratum]) == whole.counter("ended", [stratum])


@given(
    st.integers(0, 4_000 * NS_PER_S),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=40),
)
@example(3_574 * NS_PER_S, [(0, 0, 0), (10_000, 1, 0), (20_000, 0, 0)])
def test_microseconds_apart_are_told_apart_at_any_height(height: int, samples: list[tuple[int, int, int]]) -> None:
    """However the samples are shared out over shards and strata, and in whatever order these are merged."""
    exact = [height + above for above, _, _ in samples]
    shards = [
        [answered(0, height + above, stratum=stratum) for above, shard, stratum in samples if shard == number]
        for number in range(4)
    ]
    for order in (shards, shards[::-1]):
        found = merged(*order).moments(Metric.service, EVERY)
        assert found is not None
        assert found.mean == float(statistics.mean(map(Fraction, exact)))
        assert found.stdev == pytest.approx(math.sqrt(statistics.pvariance(map(Fraction, exact))), rel=1e-15)


@given(st.lists(outcomes(STRATA), max_size=30))
def test_parts_add_up_to_their_metric(rows: list[list[int]]) -> None:
    found = merged(rows)
    for metric in LATENCIES:
        parts = sum((found.counts(metric, EVERY, [part]) for part in Part), np.zeros(1, dtype=np.int64))
        assert np.array_equal(parts, found.counts(metric, EVERY))
        moments = [found.moments(metric, EVERY, [part]) for part in Part]
        whole = found.moments(metric, EVERY)
        assert sum(each.total for each in moments if each) == (whole.total if whole else 0)
    ok = sum(columns[Column.code] in range(200, 300) for columns in rows)
    assert found.counts(Metric.response, EVERY, [Part.ok]).sum() == ok


@given(st.lists(outcomes(STRATA), max_size=30))
def test_slices_add_up_to_the_counts(rows: list[list[int]]) -> None:
    found = merged(rows)
    for metric in (Metric.response, Metric.lag):
        slices, indexes, counts = found.sliced(metric, EVERY)
        dense = np.bincount(indexes, weights=counts, minlength=MICROSECONDS.counts_len)
        assert np.array_equal(dense, found.counts(metric, EVERY))
        assert (np.diff(slices << 16 | indexes) > 0).all()


def test_codes_are_counted_by_stratum() -> None:
    other = [answered(0, MS, stratum=1, code=code) for code in (401, 200)]
    found = merged([answered(0, MS, code=200), *other])
    assert found.codes([0]) == {200: 1}
    assert found.codes([1]) == {200: 1, 401: 1}
    assert found.codes([2]) == {}


def test_moments() -> None:
    found = merged([answered(0, 1 * MS), answered(0, 3 * MS)], [answered(0, 5 * MS, stratum=1)])
    moments = found.moments(Metric.service, [0, 1])
    assert moments is not None
    assert (moments.count, moments.min, moments.max) == (3, MS, 5 * MS)
    assert moments.mean == 3 * MS
    assert moments.stdev == pytest.approx((8 / 3) ** 0.5 * MS)
    assert found.moments(Metric.service, [2]) is None
    assert found.moments(Metric.tls, [0]) is None


def test_an_hour_costs_no_more_slices_than_minutes() -> None:
    tally, found = Tally(1, START, [-1]), Merged(1)
    for second in range(0, 3_600, 10):
        tally.fold(array([answered(second * NS_PER_S + i * 250 * MS, MS) for i in range(40)]))
        found.add(0, tally.drain())
    assert found.slice_ns == 32 * SLICE_NS
    slices, _, counts = found.sliced(Metric.due, [0])
    assert len(slices) <= MAX_SLICES
    assert counts.sum() == 14_400
    assert set(counts.tolist()) == {32}
    assert found.codes([0]) == {200: 14_400}
    assert found.cells < 20 * MAX_SLICES


def test_too_many_cells_coarsen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadsim.measure.time_slices.MAX_CELLS", 500)
    found = merged([answered(i * SLICE_NS, (1 + i) * MS) for i in range(200)])
    assert found.slice_ns == 4 * SLICE_NS
    assert len(set(found.sliced(Metric.due, EVERY).slices.tolist())) <= FEW_SLICES
    assert found.counts(Metric.response, EVERY).sum() == 200


def test_a_shard_by_itself() -> None:
    found = Merged(2, watched=[1])
    found.add(0, tallied([answered(0, MS), answered(0, 2 * MS, stratum=1)], 2))
    found.add(3, tallied([answered(0, 7 * MS, stratum=1)], 2))
    assert found.shards == [0, 3]
    assert found.shard_counter(3, "ended").tolist() == [0, 1]
    assert found.shard_counter(9, "ended").tolist() == [0, 0]
    assert np.flatnonzero(found.shard_response(0)).tolist() == MICROSECONDS.index(np.array([2_000])).tolist()
    assert found.shard_response(9).sum() == 0


def test_a_frame_of_another_plan_is_refused() -> None:
    found = Merged(1)
    with pytest.raises(ValueError, match="counts 2 strata, not 1"):
        found.add(0, tallied([answered(0, MS)], 2))

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.hdr import MICROSECONDS, NANOSECONDS, PERCENTILES, HdrConfig, Ints, percentile, percentiles, rank
from loadsim.measure.sample_sizes import least_count

LAYOUTS = [MICROSECONDS, NANOSECONDS, HdrConfig(1000, 3_600_000_000_000, 2), HdrConfig(7, 10_000, 1)]
values = st.lists(st.integers(0, 3_600_000_000), min_size=1, max_size=200)


def counted(samples: list[int]) -> Ints:
    index = MICROSECONDS.index(np.array(samples, dtype=np.int64))
    return np.bincount(index, minlength=MICROSECONDS.counts_len).astype(np.int64)


def test_a_metric_costs_23552_buckets() -> None:
    assert MICROSECONDS.counts_len == 23_552
    assert NANOSECONDS.counts_len == 25_600


@pytest.mark.parametrize("config", LAYOUTS, ids=repr)
def test_every_bucket_holds_its_own_ends_and_touches_the_next(config: HdrConfig) -> None:
    every = np.arange(config.last_index + 1)
    lowest, highest = config.lowest_equivalent(every), config.highest_equivalent(every)
    assert np.array_equal(config.index(lowest), every)
    assert np.array_equal(config.index(np.minimum(highest, config.highest)), every)
    assert np.array_equal(lowest[1:], highest[:-1] + 1)


@pytest.mark.parametrize("config", LAYOUTS, ids=repr)
def test_buckets_are_those_of_the_reference(config: HdrConfig) -> None:
    reference = HdrHistogram(config.lowest, config.highest, config.digits)
    powers = [2**k + d for k in range(1, config.highest.bit_length()) for d in (-1, 0, 1)]
    samples = [*range(5_000), *(value for value in powers if value <= config.highest)]
    expected = [reference._counts_index_for(value) for value in samples]
    assert config.index(np.array(samples)).tolist() == expected
    assert config.counts_len == reference.counts_len


@given(st.integers(1, 10**6), st.integers(1, 5), st.data())
def test_a_bucket_is_no_wider_than_its_digits_promise(lowest: int, digits: int, data: st.DataObject) -> None:
    highest = data.draw(st.integers(2 * lowest, 2**52))
    config = HdrConfig(lowest, highest, digits)
    value = data.draw(st.integers(0, highest))
    index = config.index(np.array([value]))
    low, high = int(config.lowest_equivalent(index)[0]), int(config.highest_equivalent(index)[0])
    assert low <= value <= high
    assert high - low < max(lowest, value / 10**digits)


def test_values_beyond_the_range_stand_in_its_last_bucket() -> None:
    assert MICROSECONDS.index(np.array([-5, 3_600_000_000, 2**60])).tolist() == [0] + [MICROSECONDS.last_index] * 2


@pytest.mark.parametrize(
    ("lowest", "highest", "digits"), [(0, 10, 3), (10, 19, 3), (1, 2**53, 3), (1, 10, 0), (1, 10, 6)]
)
def test_no_layout(lowest: int, highest: int, digits: int) -> None:
    with pytest.raises(ValueError, match="no histogram layout"):
        HdrConfig(lowest, highest, digits)


@given(values, st.sampled_from(list(PERCENTILES.values())))
def test_a_percentile_is_that_of_the_sorted_values_up_to_its_bucket(samples: list[int], q: Fraction) -> None:
    found = percentile(counted(samples), MICROSECONDS, q)
    if len(samples) < least_count(q):
        assert found is None
        return
    exact = int(np.quantile(samples, float(q), method="inverted_cdf"))
    assert found is not None
    assert exact <= found <= exact * (1 + 2**-10)


@given(values, values, values)
def test_merging_is_adding(a: list[int], b: list[int], c: list[int]) -> None:
    merged = (counted(a) + counted(b)) + counted(c)
    assert np.array_equal(merged, counted(a) + (counted(b) + counted(c)))
    assert np.array_equal(merged, counted(c + a + b))


def test_a_percentile_is_never_above_the_true_maximum() -> None:
    samples = [1_000_000] * 10
    assert percentile(counted(samples), MICROSECONDS, 0.5) == 1_000_447
    assert percentile(counted(samples), MICROSECONDS, 0.5, maximum=1_000_000) == 1_000_000


@pytest.mark.parametrize(
    ("q", "n", "expected"),
    [(0.999, 1600, 1599), (0.07, 100, 7), (0.5, 1, 1), (0.0, 10, 1), (1.0, 10, 10), (0.95, 20, 19), (0.95, 21, 20)],
)
def test_rank(q: float, n: int, expected: int) -> None:
    assert rank(q, n) == expected


def test_too_few_samples_are_no_percentile() -> None:
    assert percentiles(counted([5] * 5), MICROSECONDS, (0.0, 0.5, 1.0)) == [5, None, 5]
    assert percentiles(counted([5] * 6), MICROSECONDS, (0.5,)) == [5]
    assert percentiles(np.zeros(0, dtype=np.int64), MICROSECONDS, (1.0,)) == [None]

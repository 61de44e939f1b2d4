"""Laws of HDR counts as an exponential histogram."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.exponential_histogram import FINEST_SCALE, MOST_BUCKETS, exponential
from loadsim.measure.hdr import MICROSECONDS, NANOSECONDS, HdrConfig, Ints

CONFIGS = st.sampled_from([(MICROSECONDS, 1e-6), (NANOSECONDS, 1e-9), (MICROSECONDS, 1.0)])


def _counts(config: HdrConfig, values: list[int]) -> Ints:
    return np.bincount(config.index(np.array(values, dtype=np.int64)), minlength=config.counts_len)


def _magnitudes(most: int) -> st.SearchStrategy[int]:
    """Values of every magnitude, not only the greatest."""
    return st.integers(0, most.bit_length()).flatmap(lambda bits: st.integers(0, min(most, (1 << bits) - 1)))


@given(CONFIGS, st.data())
def test_every_value_is_counted_once_in_a_bucket_that_holds_it(
    form: tuple[HdrConfig, float], data: st.DataObject
) -> None:
    config, unit = form
    values = data.draw(st.lists(_magnitudes(config.highest), max_size=60))
    found = exponential(_counts(config, values), config, unit)
    assert found.zeros == values.count(0)
    assert found.zeros + sum(found.counts) == len(values)
    assert len(found.counts) <= MOST_BUCKETS
    base = 2.0 ** (2.0**-found.scale)
    # both orders are the same, so the k-th smallest value is in the bucket of the k-th count
    buckets = np.repeat(np.arange(len(found.counts)) + found.offset, found.counts)
    for value, bucket in zip(sorted(value for value in values if value), buckets.tolist(), strict=True):
        low, high = base**bucket, base ** (bucket + 1)
        assert low / (1 + 10.0**-config.digits) <= value * unit * (1 + 1e-9)
        assert value * unit <= high * (1 + 1e-9)


@given(st.lists(_magnitudes(MICROSECONDS.highest), min_size=1, max_size=60))
def test_more_values_never_make_the_buckets_finer(values: list[int]) -> None:
    scales = [
        exponential(_counts(MICROSECONDS, values[:n]), MICROSECONDS, 1e-6).scale for n in range(1, len(values) + 1)
    ]
    assert scales == sorted(scales, reverse=True)


@pytest.mark.parametrize(
    ("values", "scale", "offset", "counts"),
    [
        ([], FINEST_SCALE, 0, []),
        ([0, 0], FINEST_SCALE, 0, []),
        # 1 belongs to (1/b, 1], 2 to (2/b, 2]: upper ends are inside
        ([1], 8, -1, [1]),
        ([1, 2], 7, -1, [1, *[0] * 127, 1]),
        ([3, 3], 8, 405, [2]),  # ceil(log2(3) * 256) - 1
    ],
)
def test_buckets_that_are_known(values: list[int], scale: int, offset: int, counts: list[int]) -> None:
    found = exponential(_counts(MICROSECONDS, values), MICROSECONDS, 1.0)
    assert (found.scale, found.offset, found.counts) == (scale, offset, counts)


def test_the_whole_range_fits() -> None:
    found = exponential(_counts(MICROSECONDS, [1, MICROSECONDS.highest]), MICROSECONDS, 1e-6)
    assert len(found.counts) <= MOST_BUCKETS
    assert found.scale == 2

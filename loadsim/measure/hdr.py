"""HDR histogram layout over numpy arrays: which bucket a value falls in, and what a bucket stands for.

It defines bucket boundaries and the percentile rule (rank ceil(q n), shown as the bucket's highest equivalent value).
Values are plain integers; their unit is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.sample_sizes import least_count

Ints = NDArray[np.int64]

_FLOAT_MANTISSA_BITS = 52
_FLOAT_BIAS = 1022


@dataclass(frozen=True)
class HdrConfig:
    """One layout: `lowest`..`highest` trackable, with `digits` significant decimal digits kept.

    The formulas are those of HdrHistogram_c (`hdr_calculate_bucket_config`, `counts_index_for`). Raises ValueError
    when lowest < 1, highest < 2 lowest, highest >= 2^53 (the bulk index goes through float64) or digits not in 1..5.
    """

    lowest: int
    highest: int
    digits: int
    unit_magnitude: int = field(init=False, repr=False, compare=False)
    half_magnitude: int = field(init=False, repr=False, compare=False)
    half_count: int = field(init=False, repr=False, compare=False)
    mask: int = field(init=False, repr=False, compare=False)
    counts_len: int = field(init=False, repr=False, compare=False)
    last_index: int = field(init=False, repr=False, compare=False)
    """Bucket of `highest`; greater values are counted in it."""

    def __post_init__(self) -> None:
        if not (self.lowest >= 1 and 2 * self.lowest <= self.highest < 2**53 and 1 <= self.digits <= 5):
            raise ValueError(f"no histogram layout for {self.lowest}..{self.highest} at {self.digits} digits")
        unit = self.lowest.bit_length() - 1
        sub_buckets = 1 << (2 * 10**self.digits - 1).bit_length()
        buckets, covered = 1, sub_buckets << unit
        while covered <= self.highest:
            covered <<= 1
            buckets += 1
        half = sub_buckets // 2
        derived = {
            "unit_magnitude": unit,
            "half_count": half,
            "half_magnitude": half.bit_length() - 1,
            "mask": (sub_buckets - 1) << unit,
            "counts_len": (buckets + 1) * half,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "last_index", int(self.index(np.array([self.highest]))[0]))

    def index(self, values: Ints) -> Ints:
        """Bucket of each value; int64 in, int64 out. Values are clamped to 0..highest, so count overflow first."""
        v = np.clip(values, 0, self.highest)
        # The exponent field of the float64 is the bit length, exact below 2^53; three times as fast as frexp.
        bits = ((v | self.mask).astype(np.float64).view(np.int64) >> _FLOAT_MANTISSA_BITS) - _FLOAT_BIAS
        bucket = bits - (self.unit_magnitude + self.half_magnitude + 1)
        return ((bucket + 1) << self.half_magnitude) + (v >> (bucket + self.unit_magnitude)) - self.half_count

    def index_of(self, value: int) -> int:
        """As `index`, of one value."""
        v = min(max(value, 0), self.highest)
        bucket = (v | self.mask).bit_length() - (self.unit_magnitude + self.half_magnitude + 1)
        return ((bucket + 1) << self.half_magnitude) + (v >> (bucket + self.unit_magnitude)) - self.half_count

    def lowest_equivalent(self, index: Ints) -> Ints:
        """Smallest value that falls in each bucket."""
        bucket, sub = self._parts(index)
        return sub << (bucket + self.unit_magnitude)

    def highest_equivalent(self, index: Ints) -> Ints:
        """Largest value that falls in each bucket."""
        bucket, sub = self._parts(index)
        return ((sub + 1) << (bucket + self.unit_magnitude)) - 1

    def _parts(self, index: Ints) -> tuple[Ints, Ints]:
        index = np.asarray(index, dtype=np.int64)
        raw = (index >> self.half_magnitude) - 1
        sub = (index & (self.half_count - 1)) + np.where(raw < 0, 0, self.half_count)
        return np.maximum(raw, 0), sub


MICROSECONDS = HdrConfig(1, 3_600_000_000, 3)
"""1 µs .. 1 h, in µs: every metric but `sign`. 23,552 buckets."""
NANOSECONDS = HdrConfig(1, 10_000_000_000, 3)
"""1 ns .. 10 s, in ns: `sign`. 25,600 buckets."""

PERCENTILES: dict[str, Fraction] = {
    "p50": Fraction(50, 100),
    "p75": Fraction(75, 100),
    "p90": Fraction(90, 100),
    "p95": Fraction(95, 100),
    "p99": Fraction(99, 100),
    "p99_9": Fraction(999, 1000),
    "p99_99": Fraction(9999, 10000),
}
"""The percentiles in results, by their key there. Fractions are exact, so a rank is never off by one."""

Quantile = float | Fraction


def rank(q: Quantile, n: int) -> int:
    """1-based rank of quantile `q` (0..1) among n values: ceil(q n), at least 1 (numpy's `inverted_cdf`, Java HDR).

    A float is read as the decimal it prints as: 0.07 of 100 is rank 7, though 0.07 * 100 is 7.000000000000001.
    """
    return max(1, math.ceil(_exact(q) * n))


def percentile(counts: Ints, config: HdrConfig, q: Quantile, maximum: int | None = None) -> int | None:
    """Value at quantile `q` (0..1) of a dense counts array, as its bucket's highest equivalent, never above `maximum`.

    None below `least_count(q)` samples. Same unit as the config.
    """
    return percentiles(counts, config, (q,), maximum)[0]


def percentiles(
    counts: Ints, config: HdrConfig, qs: Sequence[Quantile], maximum: int | None = None
) -> list[int | None]:
    """As `percentile`, for several quantiles of the same counts."""
    running = np.cumsum(counts)
    n = int(running[-1]) if len(running) else 0
    found: list[int | None] = []
    for q in qs:
        if n < least_count(q):
            found.append(None)
            continue
        index = np.searchsorted(running, rank(q, n))
        value = int(config.highest_equivalent(np.int64(index)))  # type: ignore[arg-type]
        found.append(value if maximum is None else min(value, maximum))
    return found


def rank_buckets(counts: Ints, qs: Iterable[Quantile], n: int | None = None) -> list[int]:
    """The bucket of each quantile's rank among `n` values (default: all of `counts`). `len(counts)`, beyond the last
    bucket, where `counts` holds fewer: the others are greater than any bucket."""
    running = np.cumsum(counts)
    total = int(running[-1]) if n is None else n
    return [int(np.searchsorted(running, rank(q, total))) for q in qs]


def highest_of(counts: Ints, open_ended: Ints, config: HdrConfig, q: Quantile) -> float | None:
    """The value at a quantile if the values of `open_ended`, which `counts` holds too, were without end: inf where it
    falls on those. None where it is the same as with the values that they have."""
    total = int(counts.sum())
    (low,), (high,) = rank_buckets(counts, (q,)), rank_buckets(counts - open_ended, (q,), total)
    if low == high:
        return None
    return math.inf if high >= len(counts) else int(config.highest_equivalent(np.asarray(high)))


def _exact(q: Quantile) -> Fraction:
    return q if isinstance(q, Fraction) else Fraction(repr(q))

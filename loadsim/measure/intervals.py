"""95 % intervals of percentiles, from the counts of a run by slice of time.

Latencies of a loaded server depend on each other, so n of them say less than n independent ones. How much less is
estimated from the run itself: the share above the percentile varies from slice to slice more than it would among
independent samples, and n is divided by that ratio. An interval of a percentile is then the pair of percentiles
q ± t · sqrt(q (1 - q) / effective n) (Woodruff 1952; the effective size as in Korn & Graubard 1998). Where the
effective number is too small, no interval is stated, since it would often miss; the result says how long such a run
would have to be. `reports/benchmarks/intervals.md` shows how often intervals hold the truth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.hdr import HdrConfig, Ints, Quantile, rank
from loadsim.measure.merged_counts import Sliced
from loadsim.measure.sample_sizes import least_count

LEAST_BLOCKS = 20
"""With fewer blocks of time the correlation cannot be estimated, and there is no interval."""
LEAST_IN_TAIL = 6.0
"""Least effective number of samples beyond the percentile."""
LEAST_EFFECTIVE = 40.0
"""Least effective number of samples in all."""
_PER_BLOCK = 2
"""Slices are joined until a block has as many samples on average: in emptier ones neighbours would not meet."""
_WINDOW = 2
"""Autocorrelations are added up to the first lag that is so many times their sum (Sokal's window)."""
_LEAST_DEGREES = 2.0
_ROUNDS = 8
_Z = 1.959963984540054
_Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A percentile and its 95 % interval, in the unit of the histogram; the ends include the width of a bucket."""

    value: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Intervals:
    """`stated`: the quantiles that have an interval. `needs`: of those that have none, how many slices long such a run
    would have to be. Quantiles with too few samples for the percentile itself are in neither."""

    stated: dict[str, Interval]
    needs: dict[str, float]


def intervals(sliced: Sliced, config: HdrConfig, quantiles: Mapping[str, Quantile]) -> Intervals:
    """The 95 % interval of each quantile. `sliced`: counts by (slice, bucket)."""
    n = int(sliced.counts.sum())
    wanted = {name: q for name, q in quantiles.items() if n >= least_count(q)}
    found = Intervals({}, {})
    if not wanted:
        return found
    samples = _Samples.of(sliced)
    for name, q in wanted.items():
        _add(found, name, q, samples, config)
    return found


def clustering_above(sliced: Sliced, bucket: int) -> float | None:
    """How much more the number of samples above a bucket varies than that of independent ones; None with none or all
    there."""
    if not len(sliced.counts):
        return None
    samples = _Samples.of(sliced)
    spread = _spread(samples, int(np.searchsorted(samples.buckets, bucket, side="right")) - 1)
    return None if spread == _INDEPENDENT else spread.inflation


def ratio_interval(base: Interval, new: Interval) -> tuple[float, float]:
    """95 % interval of new / base of two independent runs.

    Zou & Donner 2008 (variance estimates recovered from each interval) on the logarithms of the values, with the wider
    half of the two runs for both: a run that was quiet by chance shows a lower percentile and less variation at once,
    and would be told from its like too often.
    """
    (b, b_low, b_high), (n, n_low, n_high) = ([math.log(max(1, value)) for value in each] for each in (base, new))
    half = math.hypot(max(b - b_low, n - n_low), max(b_high - b, n_high - n))
    return math.exp(n - b - half), math.exp(n - b + half)


def student975(degrees: float) -> float:
    """The 97.5 % quantile of Student's t distribution, within 1 % from 3 degrees of freedom on.

    The expansion of Fisher & Cornish 1960 (Abramowitz & Stegun 26.7.5).
    """
    z, v = _Z, degrees
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * v**4)
    )


class _Samples(NamedTuple):
    """The samples of a run by bucket and by block of time. A block is one slice, or several joined.

    Cells are in the order of their buckets: what lies above a percentile is then the end of them, mostly a short one.
    """

    block: Ints
    """Of each cell."""
    column: Ints
    """Of each cell: its place in `buckets`."""
    counts: _Floats
    """Of each cell; whole numbers."""
    buckets: Ints
    """The occupied buckets, ascending."""
    running: Ints
    """By bucket: how many samples lie in it or below."""
    per_block: _Floats
    slices: int
    """From the first occupied slice to the last."""

    @classmethod
    def of(cls, sliced: Sliced) -> _Samples:
        first, last = int(sliced.slices.min()), int(sliced.slices.max())
        slices, n = last - first + 1, int(sliced.counts.sum())
        joined = max(1, math.ceil(_PER_BLOCK * slices / n))
        block = (sliced.slices - first) // joined
        buckets, column = np.unique(sliced.indexes, return_inverse=True)
        order = np.argsort(column, kind="stable")
        return cls(
            block[order],
            column[order],
            sliced.counts[order].astype(np.float64),
            buckets,
            np.cumsum(np.bincount(column, sliced.counts)).astype(np.int64),
            np.bincount(block, sliced.counts).astype(np.float64),
            slices,
        )

    @property
    def n(self) -> int:
        return int(self.running[-1])

    @property
    def occupied(self) -> int:
        """Blocks with samples."""
        return int(np.count_nonzero(self.per_block))

    def at(self, number: int) -> int:
        """The place in `buckets` of the sample of this 1-based rank."""
        return int(np.searchsorted(self.running, number))

    def above(self, place: int) -> _Floats:
        """By block: how many samples lie in buckets after this place."""
        first = int(np.searchsorted(self.column, place, side="right"))
        return np.bincount(self.block[first:], self.counts[first:], len(self.per_block)).astype(np.float64, copy=False)


class _Spread(NamedTuple):
    """How the samples around a percentile vary. `inflation`: the variance of their share, as a multiple of what
    independent samples would have."""

    inflation: float
    degrees: float


_INDEPENDENT = _Spread(1.0, math.inf)


def _add(found: Intervals, name: str, q: Quantile, samples: _Samples, config: HdrConfig) -> None:
    n, tail = samples.n, float(min(q, 1 - q))
    at = samples.at(rank(q, n))
    # Where many samples share the bucket, those above it and those not below it are different groups.
    spread = max(_spread(samples, at), _spread(samples, at - 1))
    effective = n / spread.inflation
    longer = max(_times_longer(effective, spread.degrees, tail), LEAST_BLOCKS / samples.occupied)
    if longer > 1:
        if math.isfinite(longer):
            found.needs[name] = longer * samples.slices
        return
    half = student975(spread.degrees) * math.sqrt(tail * (1 - tail) / effective)
    ends = max(1, math.floor(n * (float(q) - half))), min(n, math.floor(n * (float(q) + half)) + 1)
    low, high = (samples.buckets[samples.at(number)] for number in ends)
    found.stated[name] = Interval(
        int(config.highest_equivalent(samples.buckets[at])),
        int(config.lowest_equivalent(low)),
        int(config.highest_equivalent(high)),
    )


def _times_longer(effective: float, degrees: float, tail: float) -> float:
    """How many times as long the run would have to be for an interval; at most 1 when it has one."""
    if not tail:
        return math.inf
    longer = 1.0
    for _ in range(_ROUNDS):
        # q ± half a width must leave a sample on either side
        finite = student975(max(degrees * longer, _LEAST_DEGREES)) ** 2 * (1 - tail)
        longer = max(max(LEAST_IN_TAIL, finite) / tail, LEAST_EFFECTIVE) / effective
        if longer <= 1:
            break
    return longer


def _spread(samples: _Samples, place: int) -> _Spread:
    """How the share above a bucket varies from block to block, correlation over blocks included."""
    above = samples.above(place)
    n, blocks = samples.n, len(above)
    share = float(above.sum()) / n
    if not 0 < share < 1:
        return _INDEPENDENT
    rest = above - share * samples.per_block
    squares = float(rest @ rest)
    if not squares:
        return _INDEPENDENT
    added, lag = _autocorrelation(rest / math.sqrt(squares))
    used = 2 * lag + 1
    # A mean estimated from the same blocks takes this much out of the sum.
    inflation = squares * added / (n * share * (1 - share)) / max(1 - used / blocks, 0.1)
    return _Spread(max(1.0, inflation), max(_LEAST_DEGREES, samples.occupied / used))


def _autocorrelation(values: _Floats) -> tuple[float, int]:
    """The sum of the autocorrelations of normalised values up to the window, both signs of a lag; and the window."""
    n = len(values)
    spectrum = np.fft.rfft(values, 2 * n)
    by_lag = np.fft.irfft(spectrum * spectrum.conj())[1 : max(2, n // 2)]
    added = np.concatenate(([1.0], 1 + 2 * np.cumsum(by_lag)))
    lags = np.arange(len(added))
    enough = lags >= np.maximum(1, _WINDOW * added)
    lag = int(np.argmax(enough)) if enough.any() else len(added) - 1
    return max(float(added[lag]), 0.0), lag

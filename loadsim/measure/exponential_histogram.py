"""HDR counts as an exponential histogram of OpenTelemetry, without the values themselves.

At scale s the bucket number i holds the values in (b^i, b^(i+1)] with b = 2^(2^-s) (OpenTelemetry's metrics data model,
"ExponentialHistogram"). Each HDR bucket goes as a whole to the bucket of its highest value, as percentiles are read; so
a value lies in its new bucket, or below it by less than the width of its HDR bucket: a thousandth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from loadsim.measure.hdr import HdrConfig, Ints

FINEST_SCALE = 8
"""256 buckets for each doubling: no finer than HDR's own, and the finest that Prometheus takes."""
COARSEST_SCALE = -10
MOST_BUCKETS = 160
"""The default of the data model ("MaxSize"): the scale is the finest at which all values fit."""


class Exponential(NamedTuple):
    """An exponential histogram without negative values. `counts[k]` is the count of bucket `offset + k`."""

    scale: int
    zeros: int
    """Values below one unit of the HDR histogram, for which it has no other number than 0."""
    offset: int
    counts: list[int]


def exponential(counts: Ints, config: HdrConfig, unit: float) -> Exponential:
    """Dense counts by HDR bucket in another form. `unit`: what 1 of the config is in the unit of the new buckets."""
    occupied = np.flatnonzero(counts)
    zeros = int(counts[0])
    occupied = occupied[occupied > 0]
    if not len(occupied):
        return Exponential(FINEST_SCALE, zeros, 0, [])
    logarithms = np.log2(config.highest_equivalent(occupied) * unit)
    for scale in range(FINEST_SCALE, COARSEST_SCALE - 1, -1):
        first, last = (_bucket(logarithms[end], scale) for end in (0, -1))
        if last - first < MOST_BUCKETS:
            break
    places = np.ceil(np.ldexp(logarithms, scale)).astype(np.int64) - 1 - first
    found = np.bincount(places, weights=counts[occupied])  # float64 weights are exact below 2^53 counts
    return Exponential(scale, zeros, first, found.astype(np.int64).tolist())


def _bucket(logarithm: float, scale: int) -> int:
    return int(np.ceil(np.ldexp(logarithm, scale))) - 1

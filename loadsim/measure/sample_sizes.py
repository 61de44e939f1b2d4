"""How many samples a percentile needs before it is stated, judged or compared."""

from __future__ import annotations

import math
from fractions import Fraction

_HALF_OUTSIDE = 0.025
"""The probability on each side of a two-sided 95 % interval."""


def least_count(q: float | Fraction) -> int:
    """How many samples quantile `q` needs: ceil(ln 0.025 / ln q), which gives it a finite two-sided 95 % bound.

    For 0 (the minimum) and 1 (the maximum) one sample is enough. Source: Hahn & Meeker, Statistical Intervals, 1991.
    """
    if not 0 < q < 1:
        return 1
    return math.ceil(math.log(_HALF_OUTSIDE) / math.log(float(q)))

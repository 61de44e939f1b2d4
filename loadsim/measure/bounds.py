"""Upper confidence bound of a share when few cases, or none, were observed."""

from __future__ import annotations

import math

_Z95 = 1.6448536269514722
"""The 95 % quantile of the normal distribution."""


def upper95(seen: int, of: int) -> float | None:
    """The one-sided 95 % upper bound of a share of which `seen` in `of` trials were observed, at most 1.

    With none observed it is 3/n, the rule of three (Hanley and Lippman-Hand, JAMA 249, 1983), which is ln 20 / n
    rounded up. Otherwise it is Byar's approximation of the exact Poisson bound (Breslow and Day, Statistical Methods in
    Cancer Research II, 1987, page 69), within 1 % of it. Returns None without a trial.
    """
    if not of:
        return None
    if not seen:
        return min(1.0, 3 / of)
    more = seen + 1
    return min(1.0, more * (1 - 1 / (9 * more) + _Z95 / (3 * math.sqrt(more))) ** 3 / of)

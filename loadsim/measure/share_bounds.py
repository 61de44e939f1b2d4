"""Shares of which few cases, or none, were observed: confidence bounds, and a test of two of them."""

from __future__ import annotations

import math

_SURE = 0.95
_Z95 = 1.6448536269514722
"""The 95 % quantile of the normal distribution."""
_NEGLIGIBLE = 1e-12


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


def more_likely(a: int, of_a: int, b: int, of_b: int) -> float:
    """The probability of `a` or more cases in `of_a` trials, and the rest of `a + b` in `of_b`, if both had one share.

    Fisher's exact test, one-sided (Fisher, Statistical Methods for Research Workers, 1934, section 21.02): the upper
    tail of the hypergeometric distribution. Its terms are summed from `a` upward until they no longer matter.
    """
    cases, trials = a + b, of_a + of_b
    if a <= cases * of_a / trials:
        return 1.0  # no more than expected: at least a half, and no reason to know it better
    term = math.exp(_log_choose(of_a, a) + _log_choose(of_b, b) - _log_choose(trials, cases))
    total = 0.0
    for more in range(a, min(cases, of_a) + 1):
        total += term
        term *= (of_a - more) * (cases - more) / ((more + 1) * (of_b - cases + more + 1))
        if term <= total * _NEGLIGIBLE:
            break
    return min(1.0, total)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def surely_above(seen: int, of: int, share: float) -> bool:
    """Whether the exact one-sided 95 % lower bound of a share (Clopper and Pearson, Biometrika 26, 1934) lies above
    `share`: so many, or more, of `of` trials come in less than 5 % of cases at that share."""
    if not seen:
        return False
    below, term = 0.0, of * math.log1p(-share)
    odds = math.log(share) - math.log1p(-share)
    for k in range(seen):
        below += math.exp(term)
        if below > _SURE:
            return True
        term += odds + math.log(of - k) - math.log(k + 1)
    return below > _SURE

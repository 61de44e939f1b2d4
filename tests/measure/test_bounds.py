"""The upper bound of a rare share, against the exact Poisson bound."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.bounds import upper95


def exact(seen: int) -> float:
    """The mean of which at most `seen` come with a chance of 5 %, by bisection."""
    low, high = 0.0, 10.0 * (seen + 5)
    for _ in range(200):
        mean = (low + high) / 2
        below = sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(seen + 1))
        low, high = (mean, high) if below > 0.05 else (low, mean)
    return low


@pytest.mark.parametrize("seen", [0, 1, 2, 5, 20, 100])
def test_the_bound_is_the_exact_one_within_one_percent(seen: int) -> None:
    bound = upper95(seen, 1_000_000)
    assert bound is not None
    assert bound * 1_000_000 == pytest.approx(exact(seen), rel=0.01)


def test_none_of_thirty_thousand_leaves_one_in_ten_thousand() -> None:
    assert upper95(0, 30_000) == 1e-4
    assert upper95(0, 0) is None


@given(st.integers(0, 1000), st.integers(1, 10**9))
def test_a_bound_is_a_share_above_what_was_seen(seen: int, of: int) -> None:
    seen = min(seen, of)
    bound = upper95(seen, of)
    assert bound is not None
    assert seen / of <= bound <= 1

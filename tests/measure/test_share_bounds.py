"""The upper bound of a rare share, against the exact Poisson bound."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.share_bounds import more_likely, upper95


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


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30), st.integers(1, 30))
def test_a_difference_of_shares_is_fishers(a: int, of_a: int, b: int, of_b: int) -> None:
    a, b = min(a, of_a), min(b, of_b)
    ways = math.comb(of_a + of_b, a + b)
    exact = sum(math.comb(of_a, k) * math.comb(of_b, a + b - k) for k in range(a, min(of_a, a + b) + 1)) / ways
    found = more_likely(a, of_a, b, of_b)
    assert found == (1.0 if a * of_b <= b * of_a else pytest.approx(exact, rel=1e-9))


def test_large_counts_are_quick_and_finite() -> None:
    assert more_likely(1_000_000, 1_000_000, 0, 1_000_000) == 0.0
    assert more_likely(10_400, 1_000_000, 10_000, 1_000_000) == pytest.approx(0.0024, rel=0.1)

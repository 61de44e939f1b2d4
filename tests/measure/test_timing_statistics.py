"""Repeated timings: the laws of their middle, their spread, and what they prove."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.timing_statistics import LEAST_ROUNDS, WIDEST, at_most, batch_size, median_interval, spread

times = st.floats(0.001, 1e6)
many = st.lists(times, min_size=1, max_size=60)


@given(many)
def test_a_spread_is_in_order_and_within_what_was_seen(values: list[float]) -> None:
    found = spread(values)
    assert found.low == min(values)
    assert found.high == max(values)
    assert found.low <= found.q1 <= found.median <= found.q3 <= found.high
    assert found.n == len(values)


@given(many, st.floats(0.01, 100))
def test_the_width_does_not_depend_on_the_unit(values: list[float], factor: float) -> None:
    assert spread([value * factor for value in values]).width == pytest.approx(spread(values).width, rel=1e-9, abs=1e-9)


def test_nothing_has_no_spread() -> None:
    with pytest.raises(ValueError, match="no figures"):
        spread([])


@given(st.lists(times, min_size=LEAST_ROUNDS, max_size=80), st.randoms())
def test_the_interval_holds_the_median_whatever_the_order(values: list[float], random: object) -> None:
    interval = median_interval(values)
    assert interval is not None
    assert interval[0] <= spread(values).median <= interval[1]
    assert median_interval(sorted(values)) == interval


@pytest.mark.parametrize("n", range(LEAST_ROUNDS, 60))
def test_the_interval_misses_in_at_most_5_percent_and_is_the_narrowest_such(n: int) -> None:
    interval = median_interval(list(range(n)))
    assert interval is not None
    k = int(interval[0]) + 1
    assert interval[1] == n - k

    def outside(rank: int) -> float:
        return float(2 * sum(math.comb(n, i) for i in range(rank)) / 2**n)

    assert outside(k) <= 0.05 < outside(k + 1)


@pytest.mark.parametrize(("n", "left_out"), [(7, 0), (8, 0), (9, 1), (12, 2), (16, 3)])
def test_the_interval_of_a_median(n: int, left_out: int) -> None:
    # by the binomial, 9 figures leave one out on each side (96.1 %), 12 leave two (96.1 %)
    assert median_interval(list(range(n))) == (left_out, n - 1 - left_out)


def test_too_few_figures_have_no_interval() -> None:
    assert median_interval([1.0] * (LEAST_ROUNDS - 1)) is None


@given(st.floats(0, 1e9), st.floats(1, 1e9), st.integers(1, 10_000))
def test_a_batch_lasts_about_as_long_as_asked(cost_ns: float, target_ns: float, most: int) -> None:
    size = batch_size(cost_ns, target_ns, most)
    assert 1 <= size <= most
    if 1 < size < most:
        assert size * cost_ns == pytest.approx(target_ns, abs=cost_ns)


@given(times, times, times, st.lists(st.floats(0, 1), max_size=3))
def test_a_bound_is_met_or_missed_only_by_a_whole_interval_of_figures_that_agree(
    one: float, other: float, limit: float, widths: list[float]
) -> None:
    low, high = min(one, other), max(one, other)
    outcome = at_most((low, high), limit, widths)
    if any(width > WIDEST for width in widths) or low <= limit < high:
        assert outcome == "unsure"
    else:
        assert outcome == ("met" if high <= limit else "missed")
    assert at_most(None, limit, []) == "unsure"

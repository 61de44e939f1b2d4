"""Changes are found where they are, and not where a series only wanders or grows steadily; on seeded processes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.change_points import LEAST_POINTS, MOST_POINTS, THRESHOLD, Floats, changes, ranks_of, statistic

Noise = Callable[[np.random.Generator, int], Floats]


def autoregressive(coefficient: float) -> Noise:
    """A first-order autoregression with a standard normal marginal."""

    def draw(random: np.random.Generator, n: int) -> Floats:
        values = random.standard_normal(n)
        for number in range(1, n):
            values[number] = coefficient * values[number - 1] + math.sqrt(1 - coefficient**2) * values[number]
        return values

    return draw


INDEPENDENT = autoregressive(0.0)
CORRELATED = autoregressive(0.5)


@pytest.mark.parametrize("noise", [INDEPENDENT, CORRELATED, autoregressive(0.8)], ids=["0", "0.5", "0.8"])
@pytest.mark.parametrize("n", [30, 60, 120])
def test_a_level_that_scatters_does_not_change(noise: Noise, n: int) -> None:
    random = np.random.default_rng(n)
    assert sum(bool(changes(20 + noise(random, n))) for _ in range(40)) <= 2


@pytest.mark.parametrize("n", [60, 120])
def test_a_steady_growth_does_not_change(n: int) -> None:
    random = np.random.default_rng(n)
    growing = 3 + 24 * np.arange(n) / n
    assert sum(bool(changes(growing + INDEPENDENT(random, n))) for _ in range(40)) <= 2


@pytest.mark.parametrize("noise", [INDEPENDENT, CORRELATED], ids=["0", "0.5"])
@pytest.mark.parametrize("n", [60, 120])
def test_a_step_is_found_within_two_seconds_with_its_levels(noise: Noise, n: int) -> None:
    random, at = np.random.default_rng(n), n // 3
    found = 0
    for _ in range(20):
        values = 3 + 8 * (np.arange(n) >= at) + noise(random, n)
        near = [change for change in changes(values) if abs(change.at - at) <= 2]
        if near:
            found += 1
            assert near[0].before == pytest.approx(3, abs=2.5)
            assert near[0].after == pytest.approx(11, abs=2.5)
    assert found >= 18


def test_both_ends_of_a_pulse_are_found() -> None:
    random, number = np.random.default_rng(1), np.arange(90)
    found = [
        [change.at for change in changes(3 + 8 * ((number >= 30) & (number < 60)) + INDEPENDENT(random, 90))]
        for _ in range(20)
    ]
    assert sum(len(each) == 2 and abs(each[0] - 30) <= 2 and abs(each[1] - 60) <= 2 for each in found) >= 18


def test_where_a_queue_begins_to_grow_is_found() -> None:
    random, number = np.random.default_rng(1), np.arange(60)
    values = [np.maximum(0, number - 29) * 2.0 + np.abs(INDEPENDENT(random, 60)) for _ in range(20)]
    found = [changes(each) for each in values]
    assert sum(any(abs(change.at - 30) <= 2 for change in each) for each in found) >= 15


@given(st.integers(0, 2**32), st.sampled_from([5.0, 100.0]), st.sampled_from([0.001, 3.0]))
def test_the_unit_of_a_series_makes_no_difference(seed: int, shift: float, factor: float) -> None:
    random = np.random.default_rng(seed)
    values = 20 + 30 * (np.arange(50) >= 20) + CORRELATED(random, 50)
    scaled = [change.at for change in changes(values * factor)]
    assert [change.at for change in changes(values)] == scaled
    assert np.array_equal(ranks_of(values), ranks_of(values * factor + shift))


def test_gaps_are_left_out_and_places_are_those_of_the_series() -> None:
    values = np.where(np.arange(80) >= 50, 90.0, 10.0) + INDEPENDENT(np.random.default_rng(3), 80)
    values[5:15] = np.nan
    values[60] = np.nan
    (change,) = changes(values)
    assert (change.at, change.begin, change.end) == (50, 0, 80)


def test_too_few_points_say_nothing_and_too_many_are_refused() -> None:
    step = np.repeat([1.0, 99.0], LEAST_POINTS // 2)
    assert [change.at for change in changes(step)] == [LEAST_POINTS // 2], "also without any scatter"
    assert changes(step[1:]) == []
    assert changes(np.full(100, 7.0)) == []
    with pytest.raises(ValueError, match="at most 600"):
        changes(np.zeros(MOST_POINTS + 1))


def test_the_threshold_is_rarely_passed_without_a_change() -> None:
    random = np.random.default_rng(11)
    most = [statistic(ranks_of(random.standard_normal(60)), 6).max() for _ in range(100)]
    assert np.mean(np.array(most) > THRESHOLD) <= 0.1


def naive(values: Floats, begin: int, at: int, end: int) -> float:
    """The statistic of one window, as its paper writes it."""
    width = end - begin
    contrast = (at - begin) * (end - at) / width**1.5 * (values[begin:at].mean() - values[at:end].mean())
    noise = sum(
        ((i - begin) * (at - i) / (width * (at - begin)) * (values[begin:i].mean() - values[i:at].mean())) ** 2
        for i in range(begin + 1, at)
    ) + sum(
        ((end - i) * (i - at) / (width * (end - at)) * (values[at:i].mean() - values[i:end].mean())) ** 2
        for i in range(at + 1, end)
    )
    return float(contrast**2 / noise)


def test_the_statistic_is_that_of_the_paper() -> None:
    values = np.random.default_rng(5).standard_normal(20)
    best = statistic(values, 5)
    for at in range(5, 16):
        windows = [
            naive(values, at - left, at, at + right)
            for left in range(5, at + 1, 5)
            for right in range(5, 20 - at + 1, 5)
        ]
        assert best[at] == pytest.approx(max(windows)), at

"""The crossing of rate and excess, at endpoints whose crossing is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from loadsim.studies.capacity.estimate import MOST_EXCESS, Look, estimate, pooled
from loadsim.studies.capacity.search import RateSearch, Trial

PRECISION = Fraction(25, 1000)


def test_steps_of_one_rate_are_weighed_by_their_length() -> None:
    assert pooled([Look(70, 3.0, 10, None), Look(70, 0.0, 20, None)]) == pytest.approx(1.0)


def test_a_cliff_lies_between_the_last_pass_and_the_first_failure() -> None:
    looks = [Look(rate, 0.0 if rate <= 400 else 8.0, 200.0, None) for rate in (100, 200, 390, 400, 410, 800)]
    found = estimate(looks, 400, 410)
    assert 400 * 0.999 <= found.low <= found.rate <= found.high <= 410 * 1.001
    assert found.within(0.03)


def test_how_far_beyond_the_limit_a_step_was_changes_nothing() -> None:
    def looks(excess: float) -> list[Look]:
        return [Look(300, 0.1, 100.0, None), Look(400, 0.8, 100.0, 5.0), Look(500, excess, 100.0, None)]

    assert estimate(looks(MOST_EXCESS), 400, 500).rate == pytest.approx(estimate(looks(19), 400, 500).rate, rel=0.05)


def random_looks(seed: int, clustering: float) -> list[Look]:
    """Steps around a crossing at 70/s, the excess growing by e over 10/s, bad events in clusters."""
    random = np.random.default_rng(seed)
    looks = []
    for rate in np.linspace(60, 80, 21).tolist():
        clusters = random.poisson(50 * math.exp((rate - 70) / 10) / clustering)
        looks.append(Look(rate, clusters * clustering / 50, 50, clustering if clusters else None))
    return looks


@pytest.mark.parametrize("clustering", [1.0, 10.0])
def test_the_estimate_has_no_bias_and_its_interval_holds(clustering: float) -> None:
    found = [estimate(random_looks(seed, clustering), 69, 71) for seed in range(100)]
    assert float(np.median([each.rate for each in found])) == pytest.approx(70, rel=0.01)
    assert sum(each.low <= 70 <= each.high for each in found) >= 85
    wide = float(np.median([each.high / each.low - 1 for each in found]))
    assert wide == pytest.approx(0.019 if clustering == 1 else 0.065, rel=0.5)


def drive(search: RateSearch, excess_at: Callable[[float], float], allowed: float = 100.0) -> list[Trial]:
    """Every trial of a search of which each step says an excess and passes up to 1."""
    trials: list[Trial] = []
    while (trial := search.next()) is not None:
        assert len(trials) < 60
        trials.append(trial)
        excess = excess_at(float(trial.rate))
        search.look(Look(float(trial.rate), excess, allowed, 20.0))
        search.tell(trial, "pass" if excess <= 1 else "fail")
    return trials


def test_a_clear_search_confirms_and_its_interval_is_the_bracket() -> None:
    search = RateSearch(Fraction(50), None, PRECISION)
    trials = drive(search, lambda rate: 0.0 if rate <= 400 else 9.0)
    assert trials[-1].kind == "confirming"
    assert (search.answer, search.estimated) == (Fraction(400), False)
    assert search.interval == (400.0, float(search.ceiling or 0))


def test_a_search_whose_steps_contradict_each_other_is_refined_and_estimated() -> None:
    random = np.random.default_rng(4)

    def noisy(rate: float) -> float:
        return float(random.poisson(5 * math.exp((rate - 70) / 10))) / 5

    search = RateSearch(Fraction(50), None, PRECISION)
    trials = drive(search, noisy)
    assert {trial.kind for trial in trials} >= {"doubling", "bisection", "refining"}
    assert search.estimated
    assert search.interval is not None
    assert search.answer is not None
    assert search.interval[0] <= float(search.answer) <= search.interval[1]
    assert search.interval[1] / search.interval[0] > 1.05


def test_a_rate_that_failed_without_bad_events_bounds_the_estimate() -> None:
    search = RateSearch(Fraction(100), None, PRECISION)
    while (trial := search.next()) is not None:
        search.look(Look(float(trial.rate), 0.0, 100.0, None))
        search.tell(trial, "pass" if trial.rate <= 230 else "fail")
    assert search.answer is not None
    assert 224 <= search.answer <= 230
    assert search.interval is not None
    assert search.interval[1] <= 240


def test_the_highest_rate_asked_for_has_no_interval() -> None:
    search = RateSearch(Fraction(50), Fraction(100), PRECISION)
    drive(search, lambda _: 0.0)
    assert (search.answer, search.interval) == (Fraction(100), None)

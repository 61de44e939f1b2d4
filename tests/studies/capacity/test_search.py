"""The search for the highest rate, against endpoints that are a number."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from loadsim.studies.capacity.search import Outcome, RateSearch, Trial, rounded

PRECISION = Fraction(25, 1000)


def walk(search: RateSearch, outcome: Callable[[Trial], Outcome]) -> list[Trial]:
    """Every trial of a search whose steps come out as `outcome` says."""
    trials: list[Trial] = []
    while (trial := search.next()) is not None:
        assert len(trials) < 60, "the search goes on for ever"
        trials.append(trial)
        search.tell(trial, outcome(trial))
    return trials


def endpoint(capacity: float) -> Callable[[Trial], Outcome]:
    return lambda trial: "pass" if trial.rate <= capacity else "fail"


@given(st.floats(1, 1e6), st.floats(0.5, 1000))
def test_the_answer_is_within_the_precision_below_the_capacity(capacity: float, factor: float) -> None:
    search = RateSearch(Fraction(capacity / factor), None, PRECISION)
    trials = walk(search, endpoint(capacity))
    if factor < 1:
        assert search.confirmed is None
        assert len(trials) == 1
        return
    assert search.confirmed is not None
    assert trials[-1] == Trial("confirming", search.confirmed)
    # three significant digits are half a percent at worst, on either side
    assert capacity * (1 - 0.025 - 0.01) <= search.confirmed <= capacity
    assert search.bound == "endpoint"


@given(st.floats(50, 1e5))
def test_no_rate_is_tried_twice_but_to_confirm_it(capacity: float) -> None:
    trials = walk(RateSearch(Fraction(50), None, PRECISION), endpoint(capacity))
    rates = [trial.rate for trial in trials if trial.kind != "confirming"]
    assert len(rates) == len(set(rates))


def test_the_highest_rate_asked_for_is_tried_and_not_passed() -> None:
    search = RateSearch(Fraction(50), Fraction(300), PRECISION)
    trials = walk(search, endpoint(10_000))
    assert [trial.rate for trial in trials] == [50, 100, 200, 300, 300]
    assert search.confirmed == 300
    assert search.bound == "asked"


def test_a_rate_that_fails_to_be_confirmed_gives_way_to_a_lower_one() -> None:
    search = RateSearch(Fraction(100), None, PRECISION)
    trials = walk(
        search, lambda trial: "pass" if trial.rate <= (390 if trial.kind == "confirming" else 410) else "fail"
    )
    assert search.confirmed is not None
    assert 370 <= search.confirmed <= 390
    assert sum(trial.kind == "confirming" for trial in trials) >= 2


def test_where_nothing_is_ever_confirmed_the_search_ends() -> None:
    search = RateSearch(Fraction(100), None, PRECISION)
    walk(search, lambda trial: "fail" if trial.kind == "confirming" or trial.rate > 150 else "pass")
    assert search.confirmed is None
    assert search.best is None


def test_a_generator_at_its_limit_bounds_the_search_without_being_an_answer() -> None:
    search = RateSearch(Fraction(100), None, PRECISION)
    walk(search, lambda trial: "pass" if trial.rate <= 1000 else "generator")
    assert search.confirmed is None
    assert search.bound == "generator"
    assert search.best is not None
    assert 850 <= search.best <= 1000


def test_an_endpoint_that_fails_below_the_generators_limit_is_still_found() -> None:
    search = RateSearch(Fraction(100), None, PRECISION)
    walk(search, lambda trial: "generator" if trial.rate > 1500 else "pass" if trial.rate <= 1200 else "fail")
    assert search.confirmed is not None
    assert 1150 <= search.confirmed <= 1200
    assert search.bound == "endpoint"


def test_rates_are_written_with_three_digits() -> None:
    assert [rounded(Fraction(rate)) for rate in (1, 393.75, 12345, 0.0123456)] == [1, 394, 12300, Fraction("0.0123")]

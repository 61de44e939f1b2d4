"""The line that says how far a study is, and that no clear search takes more steps than it says."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.studies.capacity.search import RateSearch
from loadsim.studies.steps_left import step_line, time_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-3, "0 s"), (9.6, "10 s"), (60, "1 min"), (130, "2 min 10 s"), (3600, "1 h"), (5400.2, "1 h 30 min")],
)
def test_a_time_in_words(seconds: float, words: str) -> None:
    assert time_words(seconds) == words


def test_the_line_has_what_is_known() -> None:
    assert step_line(4, 11, 130, "500/s") == "step 4 of at most 11, about 2 min 10 s left: 500/s"
    assert step_line(2, None, None, "100/s") == "step 2: 100/s"


@given(
    limit=st.integers(1, 5_000),
    highest=st.integers(10, 10_000),
    lowest=st.integers(1, 10),
    precision=st.sampled_from([Fraction(1, 1000), Fraction(1, 150), Fraction(1, 80), Fraction(1, 40), Fraction(1, 10)]),
)
def test_a_search_whose_steps_are_clear_takes_no_more_steps_than_planned(
    limit: int, highest: int, lowest: int, precision: Fraction
) -> None:
    search = RateSearch(Fraction(lowest), Fraction(highest), precision)
    said, made = [], 0
    while (trial := search.next()) is not None:
        planned = search.planned()
        assert planned is not None
        assert planned[0] == trial.kind
        said.append(made + len(planned))
        made += 1
        search.tell(trial, "pass" if trial.rate <= limit else "fail")
    assert made <= min(said)
    assert search.planned() == []


def test_without_a_highest_rate_the_doubling_has_no_end_that_is_known() -> None:
    assert RateSearch(Fraction(1), None, Fraction(1, 40)).planned() is None

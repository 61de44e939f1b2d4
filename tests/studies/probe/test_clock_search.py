"""The search for an edge of a window, by laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.studies.probe.clock_search import EdgeSearch

LIMITS = st.integers(1, 400_000_000)


@given(LIMITS, st.data())
def test_it_finds_any_edge_to_the_second_in_few_trials(limit: int, data: st.DataObject) -> None:
    edge = data.draw(st.integers(0, limit + 5))
    search, trials = EdgeSearch(limit), []
    while (shift := search.next()) is not None:
        trials.append(shift)
        search.tell(shift, accepted=shift <= edge)
    assert len(trials) <= 2 * limit.bit_length() + 1
    assert len(set(trials)) == len(trials)
    assert all(1 <= shift <= limit for shift in trials)
    assert (search.within, search.beyond) == ((limit, None) if edge >= limit else (edge, edge + 1))


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one second"):
        EdgeSearch(0)

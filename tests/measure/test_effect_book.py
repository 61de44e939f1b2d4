"""What is known of each event's effect."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.clock_difference import DriftingClock
from loadsim.measure.effect_book import EffectBook, Flag, pack
from loadsim.measure.hdr import Ints


def ints(*values: int) -> Ints:
    """An array."""
    return np.array(values, dtype=np.int64)


def delivered(index: Ints, at_ns: int = 1000, flags: int = Flag.acknowledged | Flag.recorded) -> bytes:
    """Deliveries that all ended at one instant."""
    return pack(index, np.full(len(index), flags), np.full(len(index), at_ns - 500), np.full(len(index), at_ns))


def test_effect_and_answer_may_come_in_either_order() -> None:
    book = EffectBook()
    book.add_effects(ints(3, 1), ints(70, 80), ints(1, 2))
    assert book.counts() == (0, 0, 0)
    book.add_deliveries(delivered(ints(0, 1, 3)))
    assert book.counts() == (3, 2, 1)
    events = book.events()
    assert events.done.tolist() == [0, 80, 0, 70]
    assert events.times.tolist() == [0, 2, 0, 1]
    assert events.acknowledged.tolist() == [1000, 1000, 0, 1000]
    assert events.due.tolist() == [500, 500, 0, 500]


def test_of_several_effects_and_answers_the_earliest_counts() -> None:
    book = EffectBook()
    book.add_deliveries(delivered(ints(0), 2000, flags=Flag.recorded))  # an attempt that failed
    book.add_deliveries(delivered(ints(0), 5000))
    book.add_deliveries(delivered(ints(0), 9000))
    book.add_effects(ints(0, 0), ints(900, 800), ints(1, 1))
    book.add_effects(ints(0), ints(850), ints(1))
    events = book.events()
    assert events.acknowledged.tolist() == [5000]
    assert events.due.tolist() == [1500]
    assert events.done.tolist() == [800]
    assert events.times.tolist() == [3]


def test_events_that_had_to_be_refused_are_no_backlog() -> None:
    book = EffectBook()
    book.add_deliveries(delivered(ints(0), flags=Flag.acknowledged | Flag.refusal_due))
    book.add_deliveries(delivered(ints(1), at_ns=1000))
    book.add_deliveries(delivered(ints(2), at_ns=3000))
    assert book.counts() == (2, 0, 2)
    assert book.backlog_at(2000) == 1


@given(
    st.permutations(range(40)),
    st.sampled_from([4, 8, 16]),
    st.integers(1, 39),
)
def test_a_sample_does_not_depend_on_the_order(order: list[int], most: int, part: int) -> None:
    """Whatever is known of an event of the sample is kept, and the sample is the same however it came about."""
    books = EffectBook(most), EffectBook(most)
    everything = ints(*range(40))
    books[0].add_deliveries(delivered(everything))
    books[0].add_effects(everything, everything + 1, np.ones_like(everything))
    for piece in (ints(*order[:part]), ints(*order[part:])):
        books[1].add_effects(piece, piece + 1, np.ones_like(piece))
        books[1].add_deliveries(delivered(piece))
    events = [book.events() for book in books]
    assert events[0].weight == events[1].weight > 1
    assert len(events[0].due) <= most
    assert events[0].done.tolist() == events[1].done.tolist()
    assert events[0].acknowledged.tolist() == events[1].acknowledged.tolist()
    assert (events[0].done > 0).all(), "one event of each group is kept"
    groups = (events[0].done - 1) // events[0].weight
    assert groups.tolist() == list(range(len(groups)))


def test_a_sample_is_of_every_residue() -> None:
    """Shards have the indexes of one residue: each must be in the sample as often as the others."""
    book = EffectBook(1 << 14)
    index = np.arange(1 << 20, dtype=np.int64)
    for start in range(0, len(index), 1 << 16):
        piece = index[start : start + (1 << 16)]
        book.add_effects(piece, piece + 1, np.ones_like(piece))
    kept = book.events().done - 1
    assert len(kept) == 1 << 14
    for shards in (2, 3, 4, 8):
        shares = np.bincount(kept % shards, minlength=shards) / len(kept)
        assert abs(shares - 1 / shards).max() < 5 * np.sqrt(1 / shards / len(kept))


def test_effects_are_translated_into_our_time() -> None:
    book = EffectBook()
    book.add_deliveries(delivered(ints(0, 1), at_ns=10**9))
    book.add_effects(ints(0), ints(5 * 10**9), ints(1))
    book.translate(DriftingClock(0, 10**9, 0.0, 0))
    assert book.events().done.tolist() == [4 * 10**9, 0]


def test_effects_long_before_their_answers_are_told() -> None:
    book = EffectBook()
    book.add_deliveries(delivered(ints(0, 1), at_ns=10**9))
    book.add_effects(ints(0, 1), ints(10, 2 * 10**9), ints(1, 1))
    assert book.share_earlier(10**8) == 0.5

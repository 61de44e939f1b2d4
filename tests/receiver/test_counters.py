from __future__ import annotations

from collections.abc import Iterator

import pytest

from loadsim.receiver.answers import Entry
from loadsim.receiver.counters import SharedCounters


@pytest.fixture
def counters() -> Iterator[SharedCounters]:
    counters = SharedCounters.create(2)
    yield counters
    counters.close()


def test_workers_add_up_and_show_their_shares(counters: SharedCounters) -> None:
    one, two = counters.row(0), counters.row(1)
    one.took(Entry.verified, 100)
    one.answered(200)
    two.took(Entry.stale, 7)
    two.took(Entry.unchecked, 1)
    two.failed()
    two.answered(401)
    total = counters.counts()
    assert (total.received, total.verified, total.unchecked, total.bytes) == (3, 1, 1, 108)
    assert total.rejected == {"stale": 1}
    assert (total.answered, total.status, total.failed_on_purpose) == (2, {"200": 1, "401": 1}, 1)
    assert counters.counts(0).received == 1
    assert counters.counts(1).bytes == 8


def test_a_second_view_sees_and_continues_the_same_counts(counters: SharedCounters) -> None:
    import os

    other = SharedCounters(os.dup(counters.fd), 2)
    other.row(1).took(Entry.verified, 5)
    counters.row(1).took(Entry.verified, 5)
    assert counters.counts().bytes == other.counts().bytes == 10
    other.close()


def test_the_first_request_is_kept_for_all(counters: SharedCounters) -> None:
    assert counters.first_request(42) == 42
    assert counters.first_request(99) == 42
    assert counters.counts().received == 0


def test_an_answer_at_once_counts_as_a_decision_and_an_answer(counters: SharedCounters) -> None:
    apart, at_once = counters.row(0), counters.row(1)
    for entry, status in ((Entry.verified, 200), (Entry.stale, 401), (Entry.verified, 500)):
        apart.took(entry, 10)
        apart.answered(status)
        at_once.took_and_answered(entry, 10, status)
    assert counters.counts(0) == counters.counts(1)
    assert counters.counts(1).answered == 3

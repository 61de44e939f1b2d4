"""The ledger's memory against a plain dictionary, and against what anyone may send."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.receiver.ledger import RUNS, LedgerMemory

LIMIT = 50
HOSTILE = 5_000
Note = tuple[bytes, float, int]
marks = st.builds(
    lambda run, index, attempt: b"%b/%d/%d" % (run, index, attempt),
    st.sampled_from([b"one", b"two"]),
    st.integers(0, LIMIT + 3),
    st.integers(1, 9),
)
notes = st.lists(
    st.tuples(marks | st.binary(max_size=10), st.floats(1.0, 2.0), st.sampled_from([200, 200, 401, 500])), max_size=60
)


@pytest.fixture
def memory() -> Iterator[LedgerMemory]:
    memory = LedgerMemory.create(2, LIMIT)
    yield memory
    memory.close()


def enter(memory: LedgerMemory, *given: Note, worker: int = 0) -> None:
    ledger = memory.part(worker)
    for note in given:
        ledger.note(*note)
    ledger.enter()


@settings(max_examples=60, deadline=None)
@given(notes, notes, st.integers(1, 20))
def test_it_counts_as_a_dictionary_would(one: list[Note], two: list[Note], bite: int) -> None:
    memory = LedgerMemory.create(2, LIMIT)
    try:
        opening: list[Note] = [(run + b"/0/1", 1.0, 200) for run in (b"one", b"two")]
        for worker, given_notes in enumerate((one, two)):
            enter(memory, *opening, worker=worker)
            for start in range(0, len(given_notes), bite):
                enter(memory, *given_notes[start : start + bite], worker=worker)
        everything = [note for note in [*opening, *one, *opening, *two] if note[0][:4] in (b"one/", b"two/")]
        within = [(mark, at, status) for mark, at, status in everything if int(mark.split(b"/")[1]) < LIMIT]
        for run in (b"one", b"two"):
            mine = [(int(mark.split(b"/")[1]), at, status) for mark, at, status in within if mark.startswith(run)]
            books = memory.books(run.decode())
            assert books is not None
            arrivals = Counter(index for index, _, _ in mine)
            accepted = Counter(index for index, _, status in mine if status == 200)
            assert {index: int(n) for index, n in enumerate(books.arrivals) if n} == arrivals
            assert {index: int(n) for index, n in enumerate(books.accepted) if n} == accepted
            assert books.first_s is not None
            assert set(np.flatnonzero(books.first_s)) == set(arrivals)
            over = sum(mark.startswith(run) for mark, _, _ in everything) - len(mine)
            assert (f"{over:,} came of others" in books.incomplete) == bool(over)
    finally:
        memory.close()


def test_counts_stay_at_their_greatest(memory: LedgerMemory) -> None:
    enter(memory, *[(b"run/7/1", 1.0, 200)] * 300)
    enter(memory, (b"run/7/2", 2.0, 200))
    books = memory.books("run")
    assert books is not None
    assert books.accepted.tolist() == [0] * 7 + [255]
    assert books.first_s is not None
    assert books.first_s[7] == 1.0


def test_only_what_is_accepted_opens_the_books_of_a_run(memory: LedgerMemory) -> None:
    enter(memory, (b"forged/1/1", 1.0, 401), (b"nonsense", 1.0, 401), (b"\xff" * 500 + b"/1/1", 1.0, 200))
    assert memory.runs() == []
    assert memory.refusals().malformed == 3
    enter(memory, (b"run/1/1", 1.0, 401), (b"run/2/1", 1.0, 200))
    assert memory.runs() == ["run"]
    books = memory.books("run")
    assert books is not None
    assert (books.arrivals.tolist(), books.accepted.tolist()) == ([0, 1, 1], [0, 0, 1])


def test_a_run_too_many_has_no_room(memory: LedgerMemory) -> None:
    for number in range(RUNS + 2):
        enter(memory, (b"run-%d/1/1" % number, 1.0, 200))
    assert memory.runs() == [f"run-{number}" for number in range(RUNS)]
    assert memory.refusals().no_room == 2
    assert memory.books(f"run-{RUNS}") is None


def test_hostile_marks_take_no_room(memory: LedgerMemory) -> None:
    before = os.fstat(memory.fd).st_blocks
    hostile = [b"r%d/%d/1" % (number, number) for number in range(HOSTILE)]
    enter(memory, *[(mark, 1.0, 401) for mark in hostile])
    assert os.fstat(memory.fd).st_blocks - before <= 16  # the two pages of counters and names
    assert memory.refusals().malformed == HOSTILE


def test_a_successor_goes_on_in_the_same_books(memory: LedgerMemory) -> None:
    enter(memory, (b"run/1/1", 1.0, 200))
    enter(memory, (b"run/1/2", 2.0, 200), (b"run/3/1", 2.0, 200))
    books = memory.books("run")
    assert books is not None
    assert books.accepted.tolist() == [0, 2, 0, 1]

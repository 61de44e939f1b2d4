"""The ledger's memory against a plain dictionary, and against what anyone may send."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.receiver.ledger import LedgerMemory
from loadsim.receiver.run_register import RUNS

LIMIT = 50
HOSTILE = 5_000
Note = tuple[bytes, float, int]
delivery_ids = st.builds(
    lambda run, index, attempt: b"%b/%d/%d" % (run, index, attempt),
    st.sampled_from([b"one", b"two"]),
    st.integers(0, LIMIT + 3),
    st.integers(1, 9),
)
notes = st.lists(
    st.tuples(delivery_ids | st.binary(max_size=10), st.floats(1.0, 2.0), st.sampled_from([200, 200, 401, 500])),
    max_size=60,
)


@pytest.fixture
def memory() -> Iterator[LedgerMemory]:
    memory = LedgerMemory.create(2, LIMIT)
    memory.register("run")
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
        memory.register("one")
        memory.register("two")
        for worker, given_notes in enumerate((one, two)):
            for start in range(0, len(given_notes), bite):
                enter(memory, *given_notes[start : start + bite], worker=worker)
        everything = [note for note in [*one, *two] if note[0][:4] in (b"one/", b"two/")]
        within = [
            (delivery_id, at, status)
            for delivery_id, at, status in everything
            if int(delivery_id.split(b"/")[1]) < LIMIT
        ]
        for run in (b"one", b"two"):
            mine = [
                (int(delivery_id.split(b"/")[1]), at, status)
                for delivery_id, at, status in within
                if delivery_id.startswith(run)
            ]
            ledger = memory.of_run(run.decode())
            assert ledger is not None
            arrivals = Counter(index for index, _, _ in mine)
            accepted = Counter(index for index, _, status in mine if status == 200)
            assert {index: int(n) for index, n in enumerate(ledger.arrivals) if n} == arrivals
            assert {index: int(n) for index, n in enumerate(ledger.accepted) if n} == accepted
            assert ledger.first_s is not None
            assert set(np.flatnonzero(ledger.first_s)) == set(arrivals)
            over = sum(delivery_id.startswith(run) for delivery_id, _, _ in everything) - len(mine)
            assert (f"{over:,} came of others" in ledger.incomplete) == bool(over)
    finally:
        memory.close()


def test_counts_stay_at_their_greatest(memory: LedgerMemory) -> None:
    enter(memory, *[(b"run/7/1", 1.0, 200)] * 300)
    enter(memory, (b"run/7/2", 2.0, 200))
    ledger = memory.of_run("run")
    assert ledger is not None
    assert ledger.accepted.tolist() == [0] * 7 + [255]
    assert ledger.first_s is not None
    assert ledger.first_s[7] == 1.0


def test_only_registered_runs_are_noted(memory: LedgerMemory) -> None:
    enter(memory, (b"other/1/1", 1.0, 200), (b"nonsense", 1.0, 200), (b"\xff" * 500 + b"/1/1", 1.0, 200))
    assert memory.runs() == ["run"]
    assert memory.of_run("other") is None
    assert msgspec.structs.astuple(memory.refusals()) == (2, 1)
    memory.register("other")
    enter(memory, (b"other/1/1", 1.0, 503), (b"other/2/1", 1.0, 200), (b"run/3/1", 1.0, 200))
    assert memory.runs() == ["other", "run"]
    ledger = memory.of_run("other")
    assert ledger is not None
    assert (ledger.arrivals.tolist(), ledger.accepted.tolist()) == ([0, 1, 1], [0, 0, 1])


def test_a_registered_run_of_which_nothing_came_has_an_empty_ledger(memory: LedgerMemory) -> None:
    ledger = memory.of_run("run")
    assert ledger is not None
    assert (len(ledger.arrivals), ledger.incomplete) == (0, "")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", "x" * 121, "a\n"])
def test_a_run_has_a_name_that_a_mark_can_hold(memory: LedgerMemory, name: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        memory.register(name)


@pytest.mark.parametrize("returns", [True, False])
def test_the_run_that_was_registered_first_makes_room(monkeypatch: pytest.MonkeyPatch, returns: bool) -> None:
    """With memory that is given back to the system, and with memory that can only be written over."""
    if not returns:
        monkeypatch.delattr("mmap.MADV_REMOVE", raising=False)
    memory = LedgerMemory.create(1, LIMIT)
    worker = memory.part(0)
    for number in range(RUNS):
        memory.register(f"run-{number}")
        worker.note(b"run-%d/%d/1" % (number, LIMIT + 1), 1.0, 200)
        worker.note(b"run-%d/7/1" % number, 1.0, 200)
        worker.enter()
    memory.register("run-0")  # again: it keeps its place and its turn
    memory.register("late")
    assert memory.runs() == ["late", *(f"run-{number}" for number in range(RUNS - 1, 0, -1))]
    assert memory.of_run("run-0") is None
    worker.note(b"run-0/8/1", 1.0, 200)
    worker.note(b"late/3/1", 2.0, 200)
    worker.enter()
    late, kept = memory.of_run("late"), memory.of_run("run-1")
    assert late is not None
    assert (late.accepted.tolist(), late.incomplete) == ([0, 0, 0, 1], "")
    assert late.first_s is not None
    assert late.first_s.tolist() == [0.0, 0.0, 0.0, 2.0]
    assert kept is not None
    assert kept.accepted.tolist() == [0] * 7 + [1]
    assert memory.refusals().unregistered == 1
    memory.close()


def test_a_worker_that_has_not_learnt_of_a_run_adds_nothing_to_it() -> None:
    """What a worker still holds of the run that made room is of another turn, and is not read."""
    memory = LedgerMemory.create(2, LIMIT)
    for number in range(RUNS):
        memory.register(f"run-{number}")
    enter(memory, (b"run-0/7/1", 1.0, 200), worker=1)
    memory.register("late")
    enter(memory, (b"late/1/1", 1.0, 200), worker=0)
    ledger = memory.of_run("late")
    assert ledger is not None
    assert ledger.accepted.tolist() == [0, 1]
    memory.close()


def test_invented_runs_take_no_room(memory: LedgerMemory) -> None:
    enter(memory, (b"run/1/1", 1.0, 200))
    before = os.fstat(memory.fd).st_blocks
    enter(memory, *[(b"r%d/%d/1" % (number, number), 1.0, 200) for number in range(HOSTILE)])
    assert os.fstat(memory.fd).st_blocks == before
    assert memory.refusals().unregistered == HOSTILE
    assert memory.runs() == ["run"]


def test_a_successor_goes_on_in_the_same_ledger(memory: LedgerMemory) -> None:
    enter(memory, (b"run/1/1", 1.0, 200))
    enter(memory, (b"run/1/2", 2.0, 200), (b"run/3/1", 2.0, 200))
    ledger = memory.of_run("run")
    assert ledger is not None
    assert ledger.accepted.tolist() == [0, 2, 0, 1]

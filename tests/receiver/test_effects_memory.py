"""Effects in shared memory: pages neither lose nor repeat a row, and what is not kept is said."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import NS_PER_S
from loadsim.receiver import effects_memory
from loadsim.receiver.effects_memory import ROW, Effect, EffectsLostError, EffectsMemory, EffectsPage, Rows, key_of
from loadsim.receiver.run_register import Registered

RUN, OTHER = Registered(b"run", 3, 1), Registered(b"other", 4, 2)


@pytest.fixture
def memory() -> Iterator[EffectsMemory]:
    created = EffectsMemory.create()
    yield created
    created.close()


def rows(*keys: int, begin: int = 0) -> Rows:
    return np.array([((begin + number) * NS_PER_S, key) for number, key in enumerate(keys)], dtype=ROW)


def ids(page: EffectsPage) -> list[str]:
    return [effect.id for effect in page.effects]


pages = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), max_size=12)


@given(pages)
def test_pages_read_while_rows_come_hold_each_row_once_and_in_order(steps: list[tuple[int, int]]) -> None:
    memory = EffectsMemory.create()
    try:
        written, read, cursor = 0, [], None
        for number, limit in (*steps, (0, 10_000)):
            new = [key_of(index, 1) for index in range(written, written + number)]
            memory.extend(RUN, rows(*new, begin=written), backlog=number)
            memory.extend(OTHER, rows(key_of(9_999_999_999, 999)), backlog=1)
            written += number
            page = memory.page(RUN, cursor, limit)
            assert page.backlog == number
            assert len(page.cursor) <= 256
            read += page.effects
            cursor = page.cursor
        assert read == [Effect(f"run/{index}/1", float(index)) for index in range(written)]
    finally:
        memory.close()


def test_every_delivery_comes_back_as_its_id(memory: EffectsMemory) -> None:
    memory.extend(RUN, rows(key_of(0, 0), key_of(9_999_999_999, 999), key_of(7, 2) + 1), backlog=0)
    page = memory.page(RUN, None, 10)
    assert ids(page) == ["run/0/0", "run/9999999999/999", "run/7/2"]
    assert [effect.count for effect in page.effects] == [1, 1, 2]


def test_a_run_without_work_yet_has_an_empty_page_to_go_on_from(memory: EffectsMemory) -> None:
    page = memory.page(RUN, None, 10)
    assert (page.effects, page.backlog) == ([], 0)
    memory.extend(RUN, rows(key_of(1, 1)), backlog=2)
    assert ids(memory.page(RUN, page.cursor, 10)) == ["run/1/1"]


def test_a_cursor_of_anything_else_is_refused(memory: EffectsMemory) -> None:
    memory.extend(RUN, rows(key_of(1, 1)), backlog=0)
    own = memory.page(RUN, None, 10).cursor
    another = EffectsMemory.create()
    foreign = another.page(RUN, None, 10).cursor
    another.close()
    beyond = own[:-1] + "2"
    for cursor in ("", "1", "x" * 300, foreign, beyond, "٣-1-1", memory.page(OTHER, None, 10).cursor):
        with pytest.raises(ValueError, match="not a cursor of this run"):
            memory.page(RUN, cursor, 10)


def test_what_is_not_kept_is_said_after_what_is(memory: EffectsMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects_memory, "LIMIT", 3)
    memory.extend(RUN, rows(key_of(0, 1), key_of(1, 1)), backlog=0)
    memory.extend(RUN, rows(key_of(2, 1), key_of(3, 1), key_of(4, 1)), backlog=0)
    page = memory.page(RUN, None, 10)
    assert ids(page) == ["run/0/1", "run/1/1", "run/2/1"]
    with pytest.raises(EffectsLostError, match="3 effects of a run are kept, and 2 more were done"):
        memory.page(RUN, page.cursor, 10)


def test_a_page_stays_below_a_megabyte(memory: EffectsMemory) -> None:
    long = Registered(b"r" * 120, 0, 1)
    memory.extend(long, rows(*(key_of(9_999_999_999, 999) + 1,) * 20_000), backlog=0)
    page = memory.page(long, None, 10_000)
    assert 1_000 < len(page.effects) < 10_000
    assert len(msgspec.json.encode(page)) < 1_000_000


def test_a_place_is_free_of_the_run_before(memory: EffectsMemory) -> None:
    memory.extend(RUN, rows(key_of(1, 1)), backlog=5)
    cursor = memory.page(RUN, None, 10).cursor
    later = Registered(b"later", RUN.place, 40)
    assert (memory.page(later, None, 10).effects, memory.page(later, None, 10).backlog) == ([], 0)
    memory.extend(later, rows(key_of(2, 1)), backlog=1)
    assert ids(memory.page(later, None, 10)) == ["later/2/1"]
    with pytest.raises(ValueError, match="cursor"):
        memory.page(later, cursor, 10)


def test_what_waited_in_a_worker_that_ended_is_lost(memory: EffectsMemory) -> None:
    memory.add(done=3, lost=1, repeated=1, refused=2)
    memory.set_backlog(4)
    memory.extend(RUN, rows(key_of(1, 1)), backlog=4)
    memory.forget_backlog()
    counts = memory.counts()
    assert (counts.done, counts.lost, counts.repeated, counts.backlog, counts.refused) == (3, 5, 1, 0, 2)
    page = memory.page(RUN, None, 10)
    assert (ids(page), page.backlog) == (["run/1/1"], 0)

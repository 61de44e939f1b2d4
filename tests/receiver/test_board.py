from __future__ import annotations

from collections.abc import Iterator

import pytest

from loadsim.receiver.answers import Entry
from loadsim.receiver.board import Board


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board.create(2)
    yield board
    board.close()


def test_workers_add_up_and_show_their_shares(board: Board) -> None:
    one, two = board.row(0), board.row(1)
    one.took(Entry.verified, 100)
    one.answered(200)
    two.took(Entry.stale, 7)
    two.took(Entry.unchecked, 1)
    two.failed()
    two.answered(401)
    total = board.counts()
    assert (total.received, total.verified, total.unchecked, total.bytes) == (3, 1, 1, 108)
    assert total.rejected == {"stale": 1}
    assert (total.answered, total.status, total.failed_on_purpose) == (2, {"200": 1, "401": 1}, 1)
    assert board.counts(0).received == 1
    assert board.counts(1).bytes == 8


def test_a_second_view_sees_and_continues_the_same_counts(board: Board) -> None:
    import os

    other = Board(os.dup(board.fd), 2)
    other.row(1).took(Entry.verified, 5)
    board.row(1).took(Entry.verified, 5)
    assert board.counts().bytes == other.counts().bytes == 10
    other.close()


def test_the_first_request_is_kept_for_all(board: Board) -> None:
    assert board.first_request(42) == 42
    assert board.first_request(99) == 42
    assert board.counts().received == 0

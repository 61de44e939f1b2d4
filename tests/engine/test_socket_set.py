"""When one wake-up looks at the sockets again, and when it leaves that to the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.socket_set import FEW, ROUNDS, SocketSet


class Looks(SocketSet[Any]):
    """A set whose sockets are ready in the given numbers, look by look, and answer, or do not."""

    def __init__(self, ready: Iterable[int], *, answering: bool) -> None:
        super().__init__(asyncio.get_running_loop(), Wire("http://127.0.0.1:9/", (), "", None, b""))
        self._epoll.close()
        self.looks = 0
        self._numbers = iter(ready)
        self._answering = answering
        self._poll = self._looked  # type: ignore[assignment]
        self.answered: list[Any] = []
        self.owner = SimpleNamespace(on_answers=self.answered.extend)

    def _looked(self, *_: object) -> list[tuple[int, int]]:
        self.looks += 1
        return [(fd, 1) for fd in range(next(self._numbers, 0))]

    def _read_all(self, ready: list[tuple[int, int]]) -> None:
        if self._answering:
            self.answers += [(fd, 200, 0) for fd, _ in ready]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("ready", "answering", "looks"),
    [
        ([], True, 1),
        ([1, 1], True, 1),  # it is left to the loop
        ([FEW, 1], True, 1),
        ([FEW + 1, 0], True, 2),  # others may have become ready meanwhile
        ([FEW + 1, 1, 1], True, 2),
        ([1, 1, 0], False, 3),  # a handshake goes on, or what was broken has last words
        ([9] * 9, True, ROUNDS),  # the loop has other things to do too
    ],
)
async def test_after_few_answers_there_is_no_second_look(ready: list[int], answering: bool, looks: int) -> None:
    looking = Looks(ready, answering=answering)
    looking._drain()
    assert looking.looks == looks
    assert len(looking.answered) == (sum(ready[:looks]) if answering else 0)

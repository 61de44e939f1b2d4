"""Ctrl-C, once and again, and where nothing is left to stop."""

from __future__ import annotations

from loadsim.cli.ctrl_c import STOPPING, stopping


class Work:
    def __init__(self, *, ended: bool = False) -> None:
        self.interrupted = False
        self.calls = 0
        self._ended = ended

    def interrupt(self) -> None:
        self.calls += 1
        self.interrupted = self.interrupted or not self._ended


def test_the_first_says_that_there_can_be_a_second() -> None:
    work, told = Work(), list[str]()
    interrupt = stopping(work, told.append)
    interrupt()
    interrupt()
    assert (work.calls, told) == (2, [STOPPING, "stopping"])


def test_what_has_ended_is_not_said_to_stop() -> None:
    work, told = Work(ended=True), list[str]()
    stopping(work, told.append)()
    assert (work.calls, told) == (1, [])

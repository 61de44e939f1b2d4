"""Interrupts of a run or a study: the first one lets events in flight end, the second one ends it at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from loadsim.cli.streams import say

STOPPING = "stopping: events in flight may still end (Ctrl-C again ends at once)"


class Interruptible(Protocol):
    """A run, or a study of runs."""

    @property
    def interrupted(self) -> bool:
        """Whether it was interrupted before."""

    def interrupt(self) -> None:
        """The first call stops in order, the second at once."""


def stopping(work: Interruptible, tell: Callable[[str], None] = say) -> Callable[[], None]:
    """A function that interrupts `work` each time that it is called, and says so, unless it had ended."""

    def interrupt() -> None:
        before = work.interrupted
        work.interrupt()
        if work.interrupted:
            tell("stopping" if before else STOPPING)

    return interrupt
